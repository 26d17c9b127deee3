"""How the cost of a stage grows with its input, as ``make bench`` measured it: the rows, and the exponent.

``benchmarks/linear.py`` runs the functions of a stage on nested samples of the archive, and for stages of little work
per byte on the archive with altered copies of its files. A row is one sample:

    stage, share         the chapter, and the share of the archive's files; above 1 the rest are copies
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

from sc2lib import figures
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


def factor_of(rows: Sequence[Row]) -> float:
    """How many times larger the largest measurable sample is than the smallest, in bytes; 1 with fewer than two."""
    sizes = [row["bytes"] for row in measurable(rows)]
    return max(sizes) / min(sizes) if sizes else 1.0


def described(stages: Mapping[str, Sequence[Row]]) -> list[tuple[str, ...]]:
    """For a reader, of every stage: its measurable samples, their bytes, the factor between them, and the exponent."""
    lines: list[tuple[str, ...]] = []
    for stage, rows in stages.items():
        used = measurable(rows)
        shares = ", ".join(f"{100 * row['share']:g}%" for row in used)
        sizes = f"{figures.size(used[0]['bytes'])} to {figures.size(used[-1]['bytes'])}" if used else "–"
        fitted = (f"{factor_of(rows):.0f}", f"{exponent_of(rows):.2f}") if len(used) > 1 else ("–", "–")
        lines.append((stage.replace("_", " "), shares or "–", sizes, *fitted))
    return lines
