"""The plan of a run on a cluster for its readers: text for a terminal, a table for a notebook, JSON for a program."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from sc2lib import figures
from sc2lib.scaling.memory import Layout
from sc2lib.scaling.plan import Cluster, Quantity


def headline(cluster: Cluster, layout: Layout) -> str:
    """The cluster, and how the model lies on it, in a line each."""
    return (
        f"{cluster.nodes} nodes x {cluster.gpus_per_node} {cluster.hardware.name} = {cluster.gpus} GPUs\n"
        f"tensor {layout.tensor} x pipeline {layout.pipeline} x data {layout.data}, micro-batch {layout.micro_batch}, "
        f"sharding {layout.sharding}{', blocks recomputed' if layout.checkpointing else ''}, MFU {cluster.mfu:.0%}"
    )


def table(lines: Sequence[Quantity]) -> Any:
    """The plan as a table for a notebook: a heading a group, then a row a quantity with its formula."""
    rows = []
    for group, members in groupby(lines, key=lambda line: line.group):
        rows.append([f"**{group}**", "", ""])
        for line in members:
            source = re.sub(r"--[a-z][a-z ]*$", r"`\g<0>`", line.source)  # an option is code, and keeps its dashes
            rows.append([line.name, line.shown, source])
    return figures.table(["quantity", "value", "formula"], rows, "lrl")


def report(cluster: Cluster, layout: Layout, lines: Sequence[Quantity]) -> str:
    """The plan as text: one block a group, one line a quantity with its formula."""
    blocks = [headline(cluster, layout)]
    for group, members in groupby(lines, key=lambda line: line.group):
        blocks.append(f"\n{group}")
        blocks += [f"  {line.name:24s} {line.shown:>26s}   {line.source}" for line in members]
    return "\n".join(blocks)


def as_json(lines: Sequence[Quantity]) -> str:
    """The quantities as a JSON list, values in the base unit that each names."""
    return json.dumps([asdict(line) for line in lines], indent=2)
