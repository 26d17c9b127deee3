"""The third step: links become stars, every linked file tied to the first of its family.

Few links are connected at once. Many are connected round by round, and nobody holds them all: the alternating
algorithm of Kiveris et al. (Connected Components in MapReduce and Beyond, 2014), in which each file looks at its own
links only. A round ties the larger neighbours of a file to its smallest (large star), then the smaller ones and itself
(small star), until what was a chain is a star: 17 rounds for a random graph of 11 million. A round writes the links
twice, at 16 bytes each, and a worker holds some `sorting.PART_ROWS` of them.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup import arrays
from sc2lib.dedup.arrays import read_table, write_table
from sc2lib.dedup.shingles import Offsets
from sc2lib.dedup.sorting import part_paths, sort_parts
from sc2lib.dedup.steps import Step

FOREST_LINKS = 1 << 22  # links that one task connects: 0.6 GB, 140 bytes each

# A link, once in each direction.
LINKS = pa.schema([("row", pa.int64()), ("other", pa.int64())])


def connect(step: Step, work: Path, forests: Sequence[Path]) -> list[Path]:
    """Tables of LINKS in order of `row`: stars around the first row of each family, each star whole in one table."""
    if sum(read_table(path / "links.arrow").num_rows for path in forests) <= 2 * FOREST_LINKS:
        whole = work / "stars" / "whole.arrow"
        step(merge_forests, [(forests, whole)], 1, "connect")
        return [whole]
    sources = list(forests)
    for number in itertools.count():
        folder = work / "stars" / f"{number:02d}"
        sort_parts(step, folder, "links", sources, LINKS, ["row"])
        parts = part_paths(folder, "links")
        larger = [folder / "larger" / f"{part:05d}" for part in range(len(parts))]
        step(large_star, list(zip(parts, larger)), 1, "connect")
        if not sum(int(arrays.load(path, "unfinished")) for path in larger):
            break
        sort_parts(step, folder / "small", "links", larger, LINKS, ["row"])
        smaller = part_paths(folder / "small", "links")
        sources = [folder / "smaller" / f"{part:05d}" for part in range(len(smaller))]
        step(small_star, list(zip(smaller, sources)), 1, "connect")
    return parts


def forest_of(left: Offsets, right: Offsets) -> tuple[Offsets, Offsets]:
    """(rows, roots) of the trees that links make: every linked row that is not its tree's first, and that first row."""
    from sc2lib.dedup.kernels import unite

    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    first = np.arange(len(rows))
    unite(*np.split(places, 2), first)
    root = rows[first]
    return rows[rows != root], root[rows != root]


def save_links(target: Path, left: Offsets, right: Offsets, **extra: npt.NDArray[Any]) -> None:
    """Write ``links.arrow``, the links in the direction given, each once, in order of `left`; and arrays beside it."""
    left, right = distinct(left, right)
    with files.atomic(target) as temporary:
        temporary.mkdir()
        write_table(temporary / "links.arrow", pa.table([left, right], schema=LINKS))
        for name, array in extra.items():
            np.save(temporary / f"{name}.npy", array)


def mirrored(left: Offsets, right: Offsets) -> tuple[Offsets, Offsets]:
    """Links in both directions."""
    return np.concatenate([left, right]), np.concatenate([right, left])


def distinct(left: Offsets, right: Offsets) -> tuple[Offsets, Offsets]:
    """Each link once, in order of both ends."""
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    new = np.append(True, (left[1:] != left[:-1]) | (right[1:] != right[:-1]))[: len(left)]
    return left[new], right[new]


def read_links(path: Path) -> tuple[Offsets, Offsets]:
    """Both ends of the links of a table."""
    table = read_table(path)
    return table["row"].to_numpy(), table["other"].to_numpy()


def merge_forests(task: tuple[Sequence[Path], Path]) -> None:
    """Write the stars that several forests make together; task: (forests, target)."""
    forests, target = task
    row, other = (np.concatenate(ends) for ends in zip(*(read_links(path / "links.arrow") for path in forests)))
    once = row > other
    links = distinct(*mirrored(*forest_of(row[once], other[once])))
    with files.atomic(target) as temporary:
        write_table(temporary, pa.table(list(links), schema=LINKS))


def large_star(task: tuple[Path, Path]) -> None:
    """Tie the larger neighbours of every row to the least of its neighbours and itself; task: (links, target).

    `unfinished` counts the rows whose links are not yet those of a star around the first row.
    """
    source, target = task
    row, other = read_links(source)
    starts = _starts(row)
    sizes, here = np.diff(np.append(starts, len(row))), row[starts]
    larger = other > row
    least = _reduced(np.minimum, other, starts)
    most = _reduced(np.maximum, np.where(larger, -1, other), starts)  # of the smaller neighbours
    beyond = (least < here) & (_reduced(np.logical_or, larger, starts) | (most != least))
    center = np.repeat(np.minimum(least, here), sizes)
    save_links(target, other[larger], center[larger], unfinished=np.array(np.count_nonzero(beyond)))


def small_star(task: tuple[Path, Path]) -> None:
    """Tie every row and its neighbours, all of them smaller, to the least of those; task: (links, target)."""
    source, target = task
    row, other = read_links(source)
    starts = _starts(row)
    least = _reduced(np.minimum, other, starts)
    center = np.repeat(least, np.diff(np.append(starts, len(row))))
    tied = other != center
    save_links(target, *mirrored(np.concatenate([other[tied], row[starts]]), np.concatenate([center[tied], least])))


def _starts(row: Offsets) -> Offsets:
    return np.flatnonzero(np.append(True, row[1:] != row[:-1])[: len(row)])


def _reduced(function: np.ufunc, values: npt.NDArray[Any], starts: Offsets) -> npt.NDArray[Any]:
    return function.reduceat(values, starts) if len(starts) else values[:0]
