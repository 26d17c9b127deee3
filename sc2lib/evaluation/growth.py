"""How the cost of a stage grows with its input, as ``make bench`` measured it: the rows, and the exponent.

``benchmarks/linear.py`` runs the functions of a stage on nested samples of the archive. A row is one sample:

    stage, share         the chapter, and the share of the archive's files, 0 to 1
    files, bytes         of the sample, before the stage
    fixed_seconds        processor time on the smallest file of every shard, warm: opening shards, starting steps
    seconds              processor time on the sample without `fixed_seconds`
    rate                 megabytes of text in a second of processor time
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sc2lib.errors import InputError

COLUMNS = frozenset(("stage", "share", "files", "bytes", "fixed_seconds", "seconds", "rate"))
Row = Mapping[str, Any]


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The k of cost = c · size^k, by least squares on logarithms: 1 is linear, 2 quadratic. Needs two sizes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def read_growth(folder: Path) -> dict[str, list[Row]]:
    """The rows of every stage, ascending in bytes; empty when none were measured.

    Raises InputError for a file that does not hold such rows.
    """
    path = folder / "growth" / "linear.json"
    if not path.exists():
        return {}
    stages: dict[str, list[Row]] = {}
    try:
        for row in json.loads(path.read_text(encoding="utf-8")):
            if missing := COLUMNS - row.keys():
                raise InputError(f"{path} lacks {', '.join(sorted(missing))}; delete it and run: make bench")
            stages.setdefault(row["stage"], []).append(row)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no rows of growth ({error}); delete it and run: make bench") from error
    return {stage: sorted(rows, key=lambda row: row["bytes"]) for stage, rows in sorted(stages.items())}


def measurable(rows: Sequence[Row]) -> list[Row]:
    """The rows whose cost stands out from the fixed part; below a quarter of it, the difference is mostly noise."""
    return [row for row in rows if row["seconds"] >= row["fixed_seconds"] / 4]


def exponent_of(rows: Sequence[Row]) -> float:
    """The exponent of a stage's cost against bytes over its measurable samples; NaN with fewer than two."""
    used = measurable(rows)
    if len(used) < 2:
        return float("nan")
    return exponent([row["bytes"] for row in used], [row["seconds"] for row in used])
