"""The plan of a run on a cluster for its readers: text for a terminal, a table for a notebook, JSON for a program."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from sc2lib import figures
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.placement import Placed
from sc2lib.scaling.plan import Quantity
from sc2lib.scaling.step import step_time


def headline(cluster: Cluster, placed: Sequence[Placed]) -> str:
    """The cluster, how the model lies on it, and what differs between the stages, in a line each."""
    layout = placed[0].layout
    lines = [
        f"{cluster.nodes} nodes x {cluster.gpus_per_node} {cluster.hardware.name} = {cluster.gpus} GPUs",
        f"tensor {layout.tensor} x pipeline {layout.pipeline} x data {layout.data}, {placed[0].sharding}",
    ]
    for one in placed:
        kept = "blocks recomputed" if one.layout.checkpointing else "activations kept"
        mfu = f"MFU {step_time(one, cluster).mfu:.0%} of {cluster.mfu:.0%} assumed"
        lines.append(
            f"{one.stage.name} stage: {one.stage.length:,} tokens, micro-batch {one.layout.micro_batch}, {kept}, {mfu}"
        )
    return "\n".join(lines)


def table(lines: Sequence[Quantity]) -> Any:
    """The plan as a table for a notebook: a heading a group, then a row a quantity with its formula."""
    rows = []
    for group, members in groupby(lines, key=lambda line: line.group):
        rows.append([f"**{group}**", "", ""])
        for line in members:
            source = re.sub(r"--[a-z][a-z0-9 -]*$", r"`\g<0>`", line.source)  # an option is code, and keeps its dashes
            rows.append([line.name, line.shown, source])
    return figures.table(["quantity", "value", "formula"], rows, "lrl")


def report(cluster: Cluster, placed: Sequence[Placed], lines: Sequence[Quantity]) -> str:
    """The plan as text: one block a group, one line a quantity with its formula."""
    blocks = [headline(cluster, placed)]
    for group, members in groupby(lines, key=lambda line: line.group):
        blocks.append(f"\n{group}")
        blocks += [f"  {line.name:32s} {line.shown:>26s}   {line.source}" for line in members]
    return "\n".join(blocks)


def as_json(lines: Sequence[Quantity]) -> str:
    """The quantities as a JSON list, values in the base unit that each names."""
    return json.dumps([asdict(line) for line in lines], indent=2)
