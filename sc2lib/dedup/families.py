"""Families of linked files, packed into groups that one worker compares; the texts stay where they are."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup import arrays
from sc2lib.dedup.arrays import write_table
from sc2lib.dedup.components import distinct, read_links
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.shingles import Offsets
from sc2lib.dedup.sorting import read_between, read_parts, sort_parts
from sc2lib.dedup.steps import Step

GROUP_ROWS = 4096  # files of a group; a larger family is a group of its own
AT_LEAST = 16  # groups, so that there is work for everybody

NAME = "families"
# A file that has a candidate: its family's first row, and its group, counted within one part of all stars.
FAMILIES = pa.schema([("row", pa.int64()), ("family", pa.int64()), ("part", pa.int64()), ("group", pa.int64())])


def pack_families(step: Step, work: Path, stars: Sequence[Path]) -> tuple[int, int]:
    """Pack the families of all stars into groups, and sort their files by row; returns how many files and groups."""
    packed = [work / "packed" / f"{number:05d}" for number in range(len(stars))]
    step(pack_stars, [(work, one, number, path) for number, (one, path) in enumerate(zip(stars, packed))], 3, "connect")
    groups = np.cumsum([0, *(int(arrays.load(path, "groups")) for path in packed)])
    arrays.save(work / "groups", firsts=groups)
    sort_parts(step, work, NAME, packed, FAMILIES, ["row"])
    return sum(part.num_rows for part in read_parts(work, NAME)), int(groups[-1])


def pack_stars(task: tuple[Path, Path, int, Path]) -> None:
    """Write the members of the families in one table of stars; task: (work, stars, number, target).

    A family without a file of this crawl has nothing to decide and is left out.
    """
    work, stars, number, target = task
    first_new = Layout.load(work).first_new
    row, other = distinct(*read_links(stars))
    roots, linked = row[other > row], other[other > row]
    heads = np.unique(roots)
    rows, labels = np.concatenate([heads, linked]), np.concatenate([heads, roots])
    order = np.argsort(rows, kind="stable")
    rows, labels = rows[order], labels[order]
    if first_new:
        inside = np.isin(labels, np.unique(labels[rows >= first_new]))
        rows, labels = rows[inside], labels[inside]
    groups = pack(labels)
    table = pa.table([rows, labels, np.full(len(rows), number), groups], schema=FAMILIES)
    with files.atomic(target) as temporary:
        temporary.mkdir()
        write_table(temporary / f"{NAME}.arrow", table)
        np.save(temporary / "groups.npy", np.max(groups, initial=-1) + 1)


def members_between(work: Path, first: int, last: int) -> tuple[Offsets, Offsets, Offsets]:
    """Rows from `first` to before `last` that are in a family, their families and groups."""
    found = read_between(work, NAME, first, last)
    rows, families, part, group = (found[name].to_numpy() for name in FAMILIES.names)
    return rows, families, arrays.load(work / "groups", "firsts")[part] + group


def pack(labels: Offsets) -> Offsets:
    """Group of every row: families in order of their label, as many as make a group's rows."""
    _, places, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    target = max(1, min(GROUP_ROWS, len(labels) // AT_LEAST))
    starts = np.cumsum(sizes) - sizes
    numbers = starts // target
    return np.unique(numbers, return_inverse=True)[1][places] if len(labels) else places
