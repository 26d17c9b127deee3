"""The last step: who stays in a family, every removal verified by the exact similarity of two shingle sets."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup.arrays import write_table
from sc2lib.dedup.candidates import Floats
from sc2lib.dedup.clusters import keeper_order
from sc2lib.dedup.exchange import Source
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.members import Members, group_members
from sc2lib.dedup.options import BINS
from sc2lib.dedup.shingles import Hashes, Offsets
from sc2lib.dedup.sketches import keys_of_bands

# What a further file costs in a family of thousands that share a template and stay. MET is no less than ENUMERATED of
# the join: larger buckets lie in one family, so what is met does not depend on the cut.
MET = 256  # keepers met of a bucket, the newest: those next in the order, so often of the same repository
COMPARED = 64  # keepers that a file is compared with exactly

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
PAIR_ORDER = ("blob_id_a", "blob_id_b")


def resolve_group(task: tuple[Path, tuple[Source, ...], int, Path]) -> None:
    """Write what one group decides; task: (work, sources of its members, group, target).

    REMOVALS in order of their row; the similarities that reach the threshold or justify a removal (PAIRS, in
    PAIR_ORDER); how often each similarity was found; and how many files of this crawl stay `unsure`.

    A family is not divided: who stays depends on who stayed before. Time and memory grow with its files: 200,000 of
    400 to 500 shingles took 5 s where they leave for one keeper, 64 s where all stay, and some 1.1 GB (8 bytes a
    shingle, and 2 kB a file).
    """
    work, sources, group, target = task
    layout = Layout.load(work)
    members = group_members(sources, group)
    rank = keeper_order(members.order)
    earlier = members.rows < layout.first_new
    rank[np.lexsort((rank, ~earlier))] = np.arange(len(rank))  # what stayed in an earlier crawl stays
    if layout.options.verifies:
        found = compiled_walk(members, rank, layout.options.threshold, layout.options.agreement_floor)
    else:
        found = by_component(members, rank, layout.options.threshold)
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
        in_order = pa.table(pairs, schema=PAIRS).sort_by([(name, "ascending") for name in PAIR_ORDER])
        write_table(temporary / "pairs.arrow", in_order)
        np.save(temporary / "histogram.npy", found.histogram)
        np.save(temporary / "unsure.npy", np.count_nonzero(found.unsure & ~earlier))


@dataclass(frozen=True)
class Decision:
    """Keeper of every member and the similarity to it, and what was seen on the way.

    `left`, `right` and `similarity` are the pairs that reach the threshold; `histogram` counts all exact comparisons,
    of shape (below the threshold or not, bins of similarity); `unsure` marks the files that stay although they have
    more candidates than were looked at; `looks` counts the sketches that were compared.
    """

    keeper: Offsets
    jaccard: Floats
    left: Offsets
    right: Offsets
    similarity: Floats
    histogram: Offsets
    unsure: npt.NDArray[np.bool_]
    looks: int


# docs: start-walk
def by_leader(
    members: Members, rank: Offsets, threshold: float, floor: int, met: int = MET, compared: int = COMPARED
) -> Decision:
    """From the best to the worst: a file stays unless a candidate that stays is similar.

    A file is compared with keepers of its buckets only, so a family of m files around one keeper costs m comparisons.
    Of a bucket the newest `met` keepers are met, and the `compared` that agree best are compared, so a family in which
    thousands stay costs no more than that a file. It loses recall there: among 4,000 keepers of similarity 0.63 to each
    other, a pair of 0.75 is found in 90% of the cases instead of 97%, one of 0.8 in 98% instead of 99.6%.

    The definition; `compiled_walk` computes the same some ten times as fast.
    """
    keeper, jaccard, unsure = np.arange(len(rank)), np.ones(len(rank)), np.zeros(len(rank), bool)
    keys, looks = keys_of_bands(members.keys).tolist(), 0
    buckets: dict[int, list[int]] = defaultdict(list)  # band key -> keepers
    seen: list[tuple[int, int, float]] = []
    for file in np.argsort(rank).tolist():
        candidates = {other for key in keys[file] for other in buckets[key][-met:]}
        near = [other for other in candidates if alike(members, file, other, threshold, floor)]
        near = sorted(near, key=lambda other: (-agreement(members, file, other), rank[other]))
        for other in sorted(near[:compared], key=rank.__getitem__):
            similarity = exact_jaccard(members.sets[file], members.sets[other])
            seen.append((other, file, similarity))
            if similarity >= threshold and (keeper[file] == file or similarity > jaccard[file]):
                keeper[file], jaccard[file] = other, similarity
        looks += len(candidates)
        if keeper[file] == file:
            unsure[file] = len(near) > compared or any(len(buckets[key]) > met for key in keys[file])
            for key in keys[file]:
                buckets[key].append(file)
    similarities = np.array([similarity for *_, similarity in seen], float)
    similar = similarities >= threshold
    left, right = np.array([pair[:2] for pair in seen], int).reshape(-1, 2)[similar].T
    return Decision(keeper, jaccard, left, right, similarities[similar], spread(similarities, similar), unsure, looks)


# docs: end-walk


def agreement(members: Members, file: int, other: int) -> int:
    """Positions in which two sketches agree."""
    return int(np.count_nonzero(members.agreement[file] == members.agreement[other]))


def alike(members: Members, file: int, other: int, threshold: float, floor: int) -> bool:
    """Whether sizes and sketches allow a similarity of the threshold."""
    small, large = sorted((len(members.sets[file]), len(members.sets[other])))
    return bool(small >= threshold * large and agreement(members, file, other) >= floor)


def spread(similarities: Floats, similar: npt.NDArray[np.bool_]) -> Offsets:
    """The histogram of a Decision."""
    bins = np.minimum((similarities * BINS).astype(np.int64), BINS - 1)
    return np.bincount(similar * BINS + bins, minlength=2 * BINS).reshape(2, BINS)


def compiled_walk(
    members: Members, rank: Offsets, threshold: float, floor: int, met: int = MET, compared: int = COMPARED
) -> Decision:
    """What `by_leader` decides, comparison for comparison."""
    from sc2lib.dedup.walk import walk

    keys = keys_of_bands(members.keys)
    distinct, buckets = np.unique(keys, return_inverse=True)
    material = (members.sets.hashes, members.sets.offsets, members.agreement, buckets.reshape(keys.shape))
    return Decision(*walk(*material, len(distinct), np.argsort(rank), rank, threshold, floor, met, compared))


def by_component(members: Members, rank: Offsets, threshold: float) -> Decision:
    """The best of each connected component stays; the similarity to it is computed, and decides nothing."""
    order = np.lexsort((rank, members.families))
    families = members.families[order]
    starts = np.flatnonzero(np.append(True, families[1:] != families[:-1])[: len(families)])
    keeper = np.empty(len(rank), np.int64)
    keeper[order] = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    gone = np.flatnonzero(keeper != np.arange(len(rank)))
    jaccard = np.ones(len(rank))
    jaccard[gone] = [exact_jaccard(members.sets[file], members.sets[keeper[file]]) for file in gone.tolist()]
    histogram = spread(jaccard[gone], jaccard[gone] >= threshold)
    return Decision(keeper, jaccard, keeper[gone], gone, jaccard[gone], histogram, np.zeros(len(rank), bool), 0)


def exact_jaccard(a: Hashes, b: Hashes) -> float:
    """Jaccard similarity of two sorted sets of hashes, one merge."""
    from sc2lib.dedup.kernels import common

    shared = common(a, b)
    return shared / max(len(a) + len(b) - shared, 1)
