"""The number of each stage that a reader wants first, for its box in the picture of the pipeline."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.figures import count, number, percent, size
from sc2lib.workflow.manifest import Manifest

Numbers = Mapping[str, Any]
Headline = tuple[str, str]

# By stage: metrics and measured values -> a number with its unit, and a few words about it.
BY_STAGE: dict[str, Callable[[Numbers, Numbers], Headline]] = {
    "10": lambda m, _: (f"{count(m['parameters']['this run'])} param.", "equals the reference"),
    "11": lambda m, t: (f"{t['banded_over_masked']['times_faster']:.1f}x speed", "window over full mask"),
    "12": lambda m, _: (f"{m['validation_loss']:.2f} nats", f"loss at {count(m['tokens'])} tokens"),
    "13": lambda m, _: (f"{m['bits_per_byte']:.2f} bits/byte", "at the longer context"),
    "14": lambda m, _: (f"{count(m['device_hours']['3b'])} GPU h", "planned for the 3B"),
    "15": lambda m, _: (f"{m['solved']} of {m['problems']}", "HumanEval solved"),
    "16": lambda m, _: (f"{percent(m['exact_match_single_line'])} exact", "lines filled in"),
    "17": lambda m, _: (f"{m['fragments_found']} of {m['fragments']}", "fragments traced back"),
    "18": lambda m, _: (f"{size(m['bytes_written'])}", f"written by {m['stages']} stages"),
}


def headline(manifest: Manifest, run_dir: Path) -> Headline:
    """What a stage made, in two short lines; empty where its manifest does not tell."""
    if kept := manifest.total("files", "rows"):
        return f"{count(kept)} files", size(_length(manifest, run_dir, "files"))
    if tokens := sum(manifest.total(name, "bytes") for name in ("train.bin", "validation.bin")) // 2:
        return f"{count(tokens)} tokens", f"vocabulary {number(manifest.params.get('vocabulary_size'))}"
    if documents := manifest.total("documents", "rows"):
        return f"{count(documents)} documents", size(_length(manifest, run_dir, "documents"))
    try:
        return BY_STAGE[manifest.stage[:2]](manifest.metrics, manifest.measured)
    except (KeyError, TypeError, ValueError):  # an older run, or a number that this run could not have
        return "", ""


def _length(manifest: Manifest, run_dir: Path, table: str) -> int:
    total = 0
    for entry in manifest.outputs.get(table, []):
        path = run_dir / manifest.stage / entry["path"]
        if path.suffix == ".parquet" and "length_bytes" in pq.read_schema(path).names:
            column = pq.read_table(path, columns=["length_bytes"], partitioning=None)["length_bytes"]
            total += pc.sum(column).as_py() or 0
    return total
