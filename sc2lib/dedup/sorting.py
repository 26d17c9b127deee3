"""Rows that many groups wrote, in the order of the whole: a sample sort, in which nobody holds more than a part.

Every source is sorted by the same columns. A few rows of each tell where the order is to be cut so that the parts are
of equal size; then each part takes its slice of every source. Equal rows keep the order of the sources. Of a billion
removals the process that hands out the work holds some 250,000 sampled rows.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup.arrays import read_table, write_table
from sc2lib.dedup.exchange import Move, Source, exchange
from sc2lib.dedup.steps import Step

PART_ROWS = 1 << 18  # rows of a part, more or less: 0.1 GB for a worker
SAMPLES = 64  # rows looked at for each part: then no part is much larger than another

Row = tuple[Any, ...]


def sort_parts(
    step: Step, work: Path, name: str, sources: Sequence[Path], schema: pa.Schema, by: Sequence[str]
) -> None:
    """Sort the tables ``<source>/<name>.arrow`` into the parts of ``<work>/<name>``, one at least, by some columns.

    Parts that are there are not made again.
    """
    folder = work / name
    parts = _save_cuts(folder, sources, schema, by)
    mine = exchange(step, move_rows, folder, "moved", [(source, 0) for source in sources], parts)
    step(sort_part, [(folder, one, number, _part(folder, number)) for number, one in enumerate(mine)], 3, "sort")


def sort_part(task: tuple[Path, tuple[Source, ...], int, Path]) -> None:
    """Write one part of the order; task: (folder, sources, number, target)."""
    folder, sources, number, target = task
    with files.atomic(target) as temporary:
        write_table(temporary, _merged(folder, sources, number, number + 1))


def move_rows(task: Move) -> None:
    """Write what some parts want of some sources as one source; task: see `sc2lib.dedup.exchange`."""
    folder, sources, first, last, _, target = task
    with files.atomic(target) as temporary:
        temporary.mkdir()
        write_table(temporary / f"{folder.name}.arrow", _merged(folder, sources, first, last))


def part_paths(work: Path, name: str) -> list[Path]:
    """The files of the parts in order."""
    return sorted((work / name).glob("part-*.arrow"))


def read_parts(work: Path, name: str) -> Iterator[pa.Table]:
    """The parts in order, each mapped into memory."""
    yield from map(read_table, part_paths(work, name))


def read_between(work: Path, name: str, first: Any, last: Any) -> pa.Table:
    """The rows whose first column of the order is at least `first` and below `last`, mapped into memory."""
    cuts = read_table(work / name / "cuts.arrow")
    numbers = range(bisect_left(cuts[0], first, key=_value), bisect_left(cuts[0], last, key=_value) + 1)
    found = pa.concat_tables(read_table(_part(work / name, number)) for number in numbers)
    start, stop = (bisect_left(found[cuts.column_names[0]], value, key=_value) for value in (first, last))
    return found.slice(start, stop - start)


def _value(scalar: pa.Scalar) -> Any:
    return scalar.as_py()


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number:05d}.arrow"


def _save_cuts(folder: Path, sources: Sequence[Path], schema: pa.Schema, by: Sequence[str]) -> int:
    """Write the rows at which the order is cut, and the columns of all; returns the number of parts."""
    tables = [source / f"{folder.name}.arrow" for source in sources]
    ends = np.cumsum([0, *(read_table(path).num_rows for path in tables)])
    rows = int(ends[-1])
    parts = max(1, -(-rows // PART_ROWS))
    sampled = [schema.empty_table().select(by)]
    if parts > 1:
        # anywhere in each stretch: at equal distances, sources of equal size would all be seen at the same place
        stretches = np.linspace(0, rows, parts * SAMPLES + 1).astype(np.int64)
        wanted = np.random.default_rng(0).integers(stretches[:-1], np.maximum(stretches[1:], stretches[:-1] + 1))
        owners, starts = np.unique(np.searchsorted(ends, wanted, side="right") - 1, return_index=True)
        for number, mine in zip(owners.tolist(), np.split(wanted, starts[1:])):
            sampled.append(read_table(tables[number]).select(by).take(pa.array(mine - ends[number])))
    found = pa.concat_tables(sampled).sort_by([(name, "ascending") for name in by])
    chosen = [number * found.num_rows // parts for number in range(1, parts)]
    for name, table in (("cuts", found.take(pa.array(chosen, pa.int64()))), ("empty", schema.empty_table())):
        with files.atomic(folder / f"{name}.arrow") as temporary:
            write_table(temporary, table)
    return parts


def _merged(folder: Path, sources: Sequence[Source], first: int, last: int) -> pa.Table:
    """The rows of the parts from `first` to before `last`, sorted; equal ones in the order of the sources."""
    cuts = read_table(folder / "cuts.arrow")
    low, high = (_row(cuts, number - 1) if 0 < number <= cuts.num_rows else None for number in (first, last))
    slices = [read_table(folder / "empty.arrow")]
    for source, _ in sources:
        table = read_table(source / f"{folder.name}.arrow")
        keys = range(table.num_rows)
        columns = table.select(cuts.column_names)

        def key(number: int, columns: pa.Table = columns) -> Row:
            return _row(columns, number)

        start = 0 if low is None else bisect_left(keys, low, key=key)
        stop = len(keys) if high is None else bisect_left(keys, high, key=key)
        slices.append(table.slice(start, stop - start))
    return pa.concat_tables(slices).sort_by([(name, "ascending") for name in cuts.column_names])


def _row(table: pa.Table, number: int) -> Row:
    return tuple(column[number].as_py() for column in table.columns)
