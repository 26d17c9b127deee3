"""The last step: who stays in a family, every removal verified by the exact similarity of two shingle sets."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup.arrays import write_table
from sc2lib.dedup.candidates import Floats
from sc2lib.dedup.clusters import keeper_order
from sc2lib.dedup.kernels import common
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.members import Members, group_members
from sc2lib.dedup.shingles import Hashes, Offsets
from sc2lib.dedup.sketches import keys_of_bands
from sc2lib.dedup.walk import walk

REMOVALS = pa.schema(  # row and keeper_row count over all folders of the layout
    [
        ("row", pa.int64()),
        ("blob_id", pa.string()),
        ("cluster_id", pa.string()),
        ("jaccard", pa.float64()),
        ("keeper_row", pa.int64()),
    ]
)
PAIRS = pa.schema([("blob_id_a", pa.string()), ("blob_id_b", pa.string()), ("jaccard", pa.float64())])


def resolve_group(task: tuple[Path, int, Path]) -> None:
    """Write REMOVALS and the similarities that were computed (PAIRS) of one group; task: (work, group, target)."""
    work, group, target = task
    layout = Layout.load(work)
    members = group_members(work, group)
    rank = keeper_order(members.order)
    earlier = members.rows < layout.first_new
    rank[np.lexsort((rank, ~earlier))] = np.arange(len(rank))  # what stayed in an earlier crawl stays
    if layout.options.verifies:
        found = compiled_walk(members, rank, layout.options.threshold, layout.options.agreement_floor)
    else:
        found = by_component(members, rank)
    gone = np.flatnonzero((found.keeper != np.arange(len(rank))) & ~earlier)
    names = members.order["blob_id"].combine_chunks()
    removals = [
        pa.array(members.rows[gone]),
        names.take(pa.array(gone)),
        names.take(pa.array(found.keeper[gone])),
        pa.array(found.jaccard[gone]),
        pa.array(members.rows[found.keeper[gone]]),
    ]
    pairs = [names.take(pa.array(found.left)), names.take(pa.array(found.right)), pa.array(found.similarity)]
    with files.atomic(target) as temporary:
        temporary.mkdir()
        write_table(temporary / "removals.arrow", pa.table(removals, schema=REMOVALS))
        write_table(temporary / "pairs.arrow", pa.table(pairs, schema=PAIRS))


@dataclass(frozen=True)
class Decision:
    """Keeper of every member and the similarity to it; and every comparison (left, right, similarity) made."""

    keeper: Offsets
    jaccard: Floats
    left: Offsets
    right: Offsets
    similarity: Floats


# docs: start-walk
def by_leader(members: Members, rank: Offsets, threshold: float, floor: int) -> Decision:
    """From the best to the worst: a file stays unless a candidate that stays is similar.

    A file is compared with keepers of its buckets only, so a family of m files around one keeper costs m comparisons.
    The definition; `compiled_walk` computes the same some ten times as fast.
    """
    keeper, jaccard = np.arange(len(rank)), np.ones(len(rank))
    keys = keys_of_bands(members.keys).tolist()
    buckets: dict[int, list[int]] = {}  # band key -> keepers
    compared: list[tuple[int, int, float]] = []
    for file in np.argsort(rank).tolist():
        met = {other for key in keys[file] for other in buckets.get(key, ())}
        near = [other for other in sorted(met, key=rank.__getitem__) if alike(members, file, other, threshold, floor)]
        best = 0.0
        for other in near:
            similarity = exact_jaccard(members.sets[file], members.sets[other])
            compared.append((other, file, similarity))
            if similarity >= threshold and similarity > best:
                keeper[file], jaccard[file], best = other, similarity, similarity
        if keeper[file] == file:
            for key in keys[file]:
                buckets.setdefault(key, []).append(file)
    left, right, similarities = zip(*compared) if compared else ((), (), ())
    return Decision(keeper, jaccard, np.array(left, int), np.array(right, int), np.array(similarities, float))


# docs: end-walk


def alike(members: Members, file: int, other: int, threshold: float, floor: int) -> bool:
    """Whether sizes and sketches allow a similarity of the threshold."""
    small, large = sorted((len(members.sets[file]), len(members.sets[other])))
    agree = np.count_nonzero(members.agreement[file] == members.agreement[other])
    return bool(small >= threshold * large and agree >= floor)


def compiled_walk(members: Members, rank: Offsets, threshold: float, floor: int) -> Decision:
    """What `by_leader` decides, comparison for comparison."""
    keys = keys_of_bands(members.keys)
    distinct, buckets = np.unique(keys, return_inverse=True)
    material = (members.sets.hashes, members.sets.offsets, members.agreement, buckets.reshape(keys.shape))
    return Decision(*walk(*material, len(distinct), np.argsort(rank), rank, threshold, floor))


def by_component(members: Members, rank: Offsets) -> Decision:
    """The best of each connected component stays; the similarity to it is computed, and decides nothing."""
    order = np.lexsort((rank, members.families))
    families = members.families[order]
    starts = np.flatnonzero(np.append(True, families[1:] != families[:-1])[: len(families)])
    keeper = np.empty(len(rank), np.int64)
    keeper[order] = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    gone = np.flatnonzero(keeper != np.arange(len(rank)))
    jaccard = np.ones(len(rank))
    jaccard[gone] = [exact_jaccard(members.sets[file], members.sets[keeper[file]]) for file in gone.tolist()]
    return Decision(keeper, jaccard, keeper[gone], gone, jaccard[gone])


def exact_jaccard(a: Hashes, b: Hashes) -> float:
    """Jaccard similarity of two sorted sets of hashes, one merge."""
    shared = common(a, b)
    return shared / max(len(a) + len(b) - shared, 1)
