"""Comparisons with other tools, as ``make bench`` measured them: read, checked, and put into words.

A comparison is one piece of work that several contenders did on the same input, ours and at least one peer. The rows'
format is that of ``benchmarks/harness.py``. They are measurements of one machine: nothing here belongs into an output.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sc2lib import figures
from sc2lib.errors import InputError

COLUMNS = frozenset(
    ("benchmark", "chapter", "what", "contender", "version", "unit", "amount", "seconds", "rate")
    + ("peak_memory_bytes", "ratio", "repeats", "seconds_low", "seconds_high", "machine", "cores", "commit", "when")
)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Comparison:
    """One piece of work: our row, and those of the peers in the order they were measured."""

    ours: Row
    peers: tuple[Row, ...]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Self:
        """From the rows of one benchmark and `what`, ours first."""
        return cls(rows[0], tuple(rows[1:]))

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, ours first."""
        return self.ours, *self.peers

    @property
    def fastest(self) -> Row:
        """The row of the shortest median time; ours if it is as short as any."""
        return min(self.rows, key=lambda row: row["seconds"])

    @property
    def leanest(self) -> Row:
        """The row of the smallest peak of memory."""
        return min(self.rows, key=lambda row: row["peak_memory_bytes"])

    @property
    def standing(self) -> str:
        """Who wins on time and by which factor: over the best peer where we do, over us where a peer does."""
        if not self.peers:
            return "no peer was measured"
        peer = min(self.peers, key=lambda row: row["seconds"])
        if self.fastest is self.ours:
            return f"we, {peer['ratio']:.1f} times as fast as {peer['contender']}"
        return f"**{peer['contender']}**, {1 / peer['ratio']:.1f} times as fast as we"


def read_comparisons(folder: Path, required: bool = False) -> list[Comparison]:
    """The comparisons in the JSON files of a folder, by chapter; none when there is no folder.

    Raises InputError for a file that is not in the harness's format, and for a missing folder when it is `required`.
    """
    if required and not folder.is_dir():
        raise InputError(f"benchmark_results: {folder} is no folder; make it with: make bench")
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for path in sorted(folder.glob("*.json")):
        for row in _rows(path):
            groups.setdefault((row["chapter"], row["benchmark"], row["what"]), []).append(row)
    return [Comparison.of(groups[key]) for key in sorted(groups)]


def read_quality(folder: Path) -> list[tuple[str, str, str]]:
    """What the benchmarks measured beside times (recall, precision, agreement): measurement, subject, values in words.

    The files of the folder ``quality`` hold rows with a name first; numbers count, lists and tables are left out.
    Raises InputError for a file of another kind.
    """
    lines = []
    for path in sorted((folder / "quality").glob("*.json")):
        try:
            for row in json.loads(path.read_text(encoding="utf-8")):
                (subject, *_) = row.values()
                numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
                values = (f"{name.replace('_', ' ')} {figures.number(value)}" for name, value in numbers.items())
                lines.append((path.stem.replace("_", " "), str(subject), ", ".join(values)))
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} holds no rows of a benchmark ({error}); delete it and run: make bench") from error
    return lines


def described(row: Row, comparison: Comparison) -> tuple[str, ...]:
    """A row for a reader: contender, rate, seconds with their range, peak memory and ratio; the fastest in bold.

    One call has no range. The version of ours stands with the commit, in `origins`.
    """
    contender = row["contender"] if row is comparison.ours else f"{row['contender']} {row['version'] or ''}".strip()
    low, median, high = (_seconds(row[name]) for name in ("seconds_low", "seconds", "seconds_high"))
    return (
        f"**{contender}**" if row is comparison.fastest else contender,
        f"{figures.number(row['rate'])} {row['unit']}/s",
        median if row["repeats"] == 1 else f"{median} ({low}–{high})",
        figures.size(row["peak_memory_bytes"]),
        f"{row['ratio']:.2f}",
    )


def origins(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Machine, cores, our version, commit and day of all comparisons, each combination once."""
    names = ("machine", "cores", "version", "commit", "when")
    return sorted({tuple(str(each.ours[name] or "–") for name in names) for each in comparisons})


def _seconds(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _rows(path: Path) -> list[Row]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        missing = sorted({name for row in rows for name in COLUMNS - row.keys()})
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} holds no rows of a benchmark ({error}); delete it and run: make bench") from error
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}; delete it and run: make bench")
    return list(rows)
