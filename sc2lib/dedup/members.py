"""The fourth step: the members of families leave their pieces, sorted by the group that will compare them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib.dedup import arrays
from sc2lib.dedup.exchange import Move, Source
from sc2lib.dedup.families import members_between
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.pieces import KEEPER, Piece
from sc2lib.dedup.shingles import Hashes, Offsets, ShingleSets
from sc2lib.dedup.sketches import whole_sets


def export_members(task: tuple[Path, int, Piece | None, Path]) -> None:
    """Write what the members in one folder of the layout bring to the comparison.

    task: (work, number of the folder, its piece, target). Shingle sets stored with the sketches are taken from there;
    a folder of an earlier crawl has no piece any more.
    """
    work, number, piece, target = task
    layout = Layout.load(work)
    base, end = layout.bases[number : number + 2].tolist()
    rows, families, groups = members_between(work, base, end)
    order = np.argsort(groups, kind="stable")
    local = rows[order] - base
    folder = layout.folders[number]
    if (folder / "hashes.npy").exists():
        order_table = arrays.read_table(folder / "order.arrow").take(pa.array(local))
        hashes, offsets = arrays.take_sets(arrays.load(folder, "hashes"), arrays.load(folder, "offsets"), local)
    elif piece is not None:
        documents = piece.read()
        order_table = documents.order(pa.array(local))
        sets = whole_sets(documents.texts.take(pa.array(local)), layout.options.shingle_size)
        hashes, offsets = sets.hashes, sets.offsets
    arrays.save(
        target,
        order=order_table.cast(KEEPER),
        rows=local + base,
        groups=groups[order],
        families=families[order],
        keys=arrays.load(folder, "keys")[local],
        agreement=arrays.load(folder, "agreement")[local],
        hashes=hashes,
        offsets=offsets,
    )


FIXED = ("rows", "groups", "families", "keys", "agreement")  # columns of a value, or a row of values, for each member


@dataclass(frozen=True)
class Members:
    """The files that one worker compares, in order of their row; everything of file i lies at position i."""

    rows: Offsets
    families: Offsets
    keys: Hashes
    agreement: npt.NDArray[np.uint8]
    sets: ShingleSets
    order: pa.Table


def group_members(sources: Sequence[Source], group: int) -> Members:
    """Read one group from what `export_members` wrote, a slice of every source."""
    columns, sets, order = read_members(sources, group, group + 1)
    return Members(columns["rows"], columns["families"], columns["keys"], columns["agreement"], sets, order)


def move_members(task: Move) -> None:
    """Write what some groups want of some sources as one source; task: see `sc2lib.dedup.exchange`."""
    _, sources, first, last, _, target = task
    columns, sets, table = read_members(sources, first, last)
    order = np.argsort(columns["groups"], kind="stable")
    hashes, offsets = arrays.take_sets(sets.hashes, sets.offsets, order)
    moved = {name: column[order] for name, column in columns.items()}
    arrays.save(target, order=table.take(pa.array(order)), hashes=hashes, offsets=offsets, **moved)


def read_members(
    sources: Sequence[Source], first: int, last: int
) -> tuple[dict[str, npt.NDArray[Any]], ShingleSets, pa.Table]:
    """The members of groups from `first` to before `last`, source after source: columns, sets and keeper columns."""
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in (*FIXED, "hashes", "sizes")}
    tables: list[pa.Table] = []
    for folder, _ in sources:
        start, stop = np.searchsorted(arrays.load(folder, "groups"), [first, last])
        if start == stop and tables:
            continue
        offsets = np.asarray(arrays.load(folder, "offsets")[start : stop + 1])
        for name in FIXED:
            parts[name].append(np.asarray(arrays.load(folder, name)[start:stop]))
        parts["hashes"].append(np.asarray(arrays.load(folder, "hashes")[offsets[0] : offsets[-1]]))
        parts["sizes"].append(np.diff(offsets))
        tables.append(arrays.read_table(folder / "order.arrow").slice(start, stop - start))
    data = {name: np.concatenate(columns) for name, columns in parts.items()}
    sets = ShingleSets(data.pop("hashes"), np.concatenate([[0], np.cumsum(data.pop("sizes"))]))
    return data, sets, pa.concat_tables(tables)
