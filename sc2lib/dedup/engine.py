"""All steps in order, each a map over independent files: sketch, join, connect, export, verify.

Everything lies under one work folder, a part appears when it is complete, and parts that are there are not made
again; so an interrupted run goes on, on any executor, with any number of workers.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup import arrays
from sc2lib.dedup.arrays import read_table
from sc2lib.dedup.components import connect
from sc2lib.dedup.exchange import exchange
from sc2lib.dedup.families import pack_families
from sc2lib.dedup.join import join_range, move_keys
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.leaders import PAIR_ORDER, PAIRS, resolve_group
from sc2lib.dedup.members import export_members, move_members
from sc2lib.dedup.near_duplicates import CLUSTERS
from sc2lib.dedup.options import BINS, DedupOptions
from sc2lib.dedup.pieces import Piece
from sc2lib.dedup.removals import sort_removals
from sc2lib.dedup.shingles import Offsets
from sc2lib.dedup.sketches import sketch_piece
from sc2lib.dedup.sorting import sort_parts
from sc2lib.dedup.steps import Mapper, steps_of

RANGE_KEYS = 1 << 21  # band keys that one task joins: 25 MB of keys and rows
PART_PAIRS = 1 << 20  # pairs from which on a part is full: 0.1 GB


@dataclass(frozen=True)
class Result:
    """What was found: counts, and the removals of the crawl in order of their row, mapped from disk.

    `histogram` counts the exact comparisons, of shape (below the threshold or not, bins of similarity). `unsure` is
    the number of files that stay although they have more candidates than were looked at.
    """

    files: int
    without_shingles: int
    linked: int
    removals: pa.Table
    histogram: Offsets
    unsure: int


def deduplicate(
    pieces: Sequence[Piece],
    work: Path,
    options: DedupOptions,
    mapper: Mapper,
    earlier: Sequence[Path] = (),
    keep_sets: bool = False,
) -> Result:
    """Find what leaves; `earlier` are folders that `sc2lib.dedup.index` wrote, `mapper` runs tasks anywhere.

    The result does not depend on the cut into pieces nor on their order, except among files that tie in all keeper
    columns. `keep_sets` stores all shingle sets, for an index.
    """
    start_over_if_changed(work, (pieces, options, [str(folder) for folder in earlier], keep_sets))
    sketches = [work / "sketches" / f"{number:05d}" for number in range(len(pieces))]
    step = steps_of(mapper)
    step(
        sketch_piece,
        [(*item, keep_sets) for item in zip(pieces, [options] * len(pieces), sketches)],
        2,
        "sketch",
    )
    folders = [*earlier, *sketches]
    counts = [len(arrays.load(folder, "has_shingles")) for folder in folders]
    layout = Layout(folders, np.cumsum([0, *counts]), len(earlier), options)
    layout.save(work)

    ranges = max(4, -(-layout.rows * options.bands // RANGE_KEYS))
    forests = [work / "forests" / f"{number:05d}" for number in range(ranges)]
    sources = exchange(step, move_keys, work, "keys", list(zip(folders, layout.bases.tolist())), ranges)
    joins = [(work, mine, number, ranges, path) for number, (mine, path) in enumerate(zip(sources, forests))]
    step(join_range, joins, 4, "join")
    linked, groups = pack_families(step, work, connect(step, work, forests))

    everyone: list[Piece | None] = [*([None] * len(earlier)), *pieces]
    members = [(work, number, piece, work / "members" / f"{number:05d}") for number, piece in enumerate(everyone)]
    step(export_members, members, 3, "members")
    resolved = [work / "resolved" / f"{number:05d}" for number in range(groups)]
    sources = exchange(step, move_members, work, "moved", [(path, 0) for *_, path in members], groups)
    tasks = [(work, mine, number, path) for number, (mine, path) in enumerate(zip(sources, resolved))]
    step(resolve_group, tasks, 3, "verify")
    return Result(
        files=layout.rows - layout.first_new,
        without_shingles=int(sum(np.sum(~arrays.load(folder, "has_shingles")) for folder in sketches)),
        linked=linked,
        removals=sort_removals(step, work, resolved),
        histogram=sum((arrays.load(path, "histogram") for path in resolved), np.zeros((2, BINS), np.int64)),
        unsure=sum(int(arrays.load(path, "unsure")) for path in resolved),
    )


def sort_pairs(work: Path, mapper: Mapper) -> None:
    """Sort PAIRS of a finished run into the parts ``pairs`` that `sc2lib.dedup.sorting.read_parts` reads."""
    sort_parts(steps_of(mapper), work, "pairs", _groups(work), PAIRS, PAIR_ORDER)


def pairs_by_part(work: Path) -> Iterator[pa.Table]:
    """PAIRS of a finished run, as few groups at a time as make a part, sorted within it: one part is in memory."""
    part: list[Path] = []
    rows = 0
    for folder in _groups(work):
        part.append(folder)
        rows += read_table(folder / "pairs.arrow").num_rows
        if rows >= PART_PAIRS:
            yield _sorted_pairs(part)
            part, rows = [], 0
    if part or not rows:
        yield _sorted_pairs(part)


def clusters_of_piece(names: pa.ChunkedArray, removals: pa.Table) -> pa.Table:
    """CLUSTERS of a piece's files: their keeper, themselves included, and the similarity to it."""
    keeper, jaccard = names.to_numpy(zero_copy_only=False).astype(object), np.ones(len(names))
    rows = removals["row"].to_numpy()
    keeper[rows] = removals["cluster_id"].to_numpy(zero_copy_only=False)
    jaccard[rows] = removals["jaccard"].to_numpy()
    return pa.table([names, pa.array(keeper, pa.string()), pa.array(jaccard)], schema=CLUSTERS)


def start_over_if_changed(work: Path, made_from: Any) -> None:
    """Empty the work folder if it was made from something else."""
    key = hashlib.sha256(repr(made_from).encode()).hexdigest()
    path = work / "made_from.json"
    if not path.exists() or json.loads(path.read_text(encoding="utf-8")) != key:
        files.remove(work)
        work.mkdir(parents=True)
        files.write_text(path, json.dumps(key))
    files.clear_temporary(work)


def _groups(work: Path) -> list[Path]:
    return sorted((work / "resolved").glob("[0-9]*"))


def _sorted_pairs(resolved: Sequence[Path]) -> pa.Table:
    tables = [read_table(folder / "pairs.arrow") for folder in resolved]
    return pa.concat_tables([PAIRS.empty_table(), *tables]).sort_by([(name, "ascending") for name in PAIR_ORDER])
