"""How many of the similar pairs do the bands find? Measured against brute force on a sample, beside theory."""

import hashlib
import math
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pyarrow as pa

from sc2lib import queries
from sc2lib.dedup.candidates import Floats, Pairs, all_similar_pairs, candidate_pairs, jaccard_of_pairs
from sc2lib.dedup.clusters import component_clusters, keeper_order, leader_clusters
from sc2lib.dedup.minhash import Signatures, band_keys, candidate_probability, signatures
from sc2lib.dedup.near_duplicates import scoped
from sc2lib.dedup.shingles import Offsets, ShingleSets
from sc2lib.queries import Stored


@dataclass(frozen=True)
class RecallBin:
    """Pairs of a similarity from `low` (inclusive) to `high`, `mean` on average; a share `found` are candidates.

    `expected` is what the S-curve says of these very pairs; `least` and `most` bound the share with 99% confidence,
    were the pairs independent (pairs of one family of files are not quite).
    """

    low: float
    high: float
    mean: float
    pairs: int
    found: float
    expected: float
    least: float
    most: float


_DRAWN = pa.schema([("place", pa.int64()), ("repository", pa.string()), ("folder", pa.string())])
_FOLDER = "coalesce(repo_name, '') AS repository, regexp_replace(path, '[^/]*$', '') AS folder"


def directory_sample(files: Stored, count: int, seed: int) -> pa.Table:
    """About `count` files in the order of their blob_id: whole directories, in the order of a seeded hash.

    Near-duplicates are neighbours more often than not, so files drawn one by one would hardly ever be a pair.
    """

    def place(row: tuple[str, str, int]) -> bytes:
        return hashlib.sha256(f"{seed}\0{(row[0], posixpath.dirname(row[1]))}".encode()).digest()

    with queries.opened(files=files) as database:
        drawn: list[tuple[int, str, str]] = []
        found = 0
        for row in sorted(database.sql(f"SELECT {_FOLDER}, count(*) FROM files GROUP BY ALL").fetchall(), key=place):
            drawn.append((len(drawn), row[0], row[1]))
            found += row[2]
            if found >= count:
                break
        database.register("drawn", pa.Table.from_pylist([dict(zip(_DRAWN.names, row)) for row in drawn], _DRAWN))
        sql = f"""
            SELECT * EXCLUDE (place, repository, folder) FROM (
                FROM (SELECT *, {_FOLDER} FROM files) JOIN drawn USING (repository, folder)
                ORDER BY place, blob_id LIMIT $count
            ) ORDER BY blob_id
        """
        return database.sql(sql, params={"count": count}).to_arrow_table()


def recall_by_similarity(
    sets: ShingleSets,
    pairs: Pairs,
    similarity: Floats,
    bands: int,
    rows: int,
    edges: Sequence[float],
    salts: Sequence[int] = (0,),
) -> list[RecallBin]:
    """Share of `pairs` that share a band, by similarity, over independent signatures (one per salt)."""
    found = np.zeros(len(pairs))
    involved = np.union1d(pairs.left, pairs.right)
    left, right = (np.searchsorted(involved, side) for side in (pairs.left, pairs.right))
    chosen = np.zeros(len(sets), bool)
    chosen[involved] = True
    sizes = sets.sizes
    part_sets = ShingleSets(
        sets.hashes[np.repeat(chosen, sizes)], np.concatenate([[0], np.cumsum(sizes[chosen])]).astype(np.int64)
    )
    for salt in salts:
        keys = band_keys(signatures(part_sets, bands * rows, salt), bands, rows)
        for start in range(0, len(pairs), 65536):
            part = slice(start, start + 65536)
            found[part] += (keys[left[part]] == keys[right[part]]).any(axis=1)
    expected = candidate_probability(similarity, bands, rows)
    bins = []
    for low, high in pairwise(edges):
        inside = (similarity >= low) & ((similarity < high) | (high >= 1.0))
        count = int(inside.sum())
        if count:
            hits, trials = int(found[inside].sum()), count * len(salts)
            interval = wilson_interval(hits, trials, 0.99)
            means = (float(similarity[inside].mean()), float(expected[inside].mean()))
            bins.append(RecallBin(low, high, means[0], count, hits / trials, means[1], *interval))
    return bins


def wilson_interval(hits: int, trials: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share; SciPy's, without the second of CPU that importing `scipy.stats` takes."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = hits / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class SampleOutcome:
    """A method on a sample, judged by brute force.

    `without_similar` counts removed files that resemble no file that stays, `missed` files that stay although a
    preferred file that stays resembles them.
    """

    name: str
    removed: int
    without_similar: int
    missed: int


def compare_on_sample(
    files: pa.Table,
    sets: ShingleSets,
    published: Signatures,
    threshold: float,
    scope: str,
    bands: int,
    rows: int,
) -> list[SampleOutcome]:
    """Brute force, the bands and checks of this package, the same in another order, and the published recipe.

    `published` are the files' `bigcode_signatures` of 250 permutations.
    """
    count = len(sets)
    rank, languages = keeper_order(files), files["language"]
    truth, similarity = all_similar_pairs(sets, threshold)
    if scope == "language":
        codes = np.array([name or "" for name in languages.to_pylist()])
        same = codes[truth.left] == codes[truth.right]
        truth, similarity = truth.where(same), similarity[same]

    keys = scoped(band_keys(signatures(sets, bands * rows), bands, rows), languages, scope)

    def checked(order: Offsets) -> Offsets:
        pairs = candidate_pairs(keys[order], sets.sizes[order] > 0)
        jaccard = jaccard_of_pairs(Pairs(order[pairs.left], order[pairs.right]), sets)
        similar = jaccard >= threshold
        keeper = np.empty(count, np.int64)
        keeper[order] = order[leader_clusters(pairs.where(similar), jaccard[similar], rank[order])[0]]
        return keeper

    theirs = scoped(band_keys(published, 25, 10), languages, scope)
    ways = {
        "brute force": leader_clusters(truth, similarity, rank)[0],
        f"{bands} bands of {rows}, checked": checked(np.arange(count)),
        "the same in another order": checked(np.random.default_rng(0).permutation(count)),
        "the published recipe": component_clusters(candidate_pairs(theirs, np.ones(count, bool)), rank),
    }
    return [_judge(name, keeper, truth, rank) for name, keeper in ways.items()]


def _judge(name: str, keeper: Offsets, truth: Pairs, rank: Offsets) -> SampleOutcome:
    stays = keeper == np.arange(len(keeper))
    resembles = np.zeros(len(keeper), bool)
    late = np.zeros(len(keeper), bool)
    for mine, other in ((truth.left, truth.right), (truth.right, truth.left)):
        resembles[mine[stays[other]]] = True
        late[mine[stays[mine] & stays[other] & (rank[other] < rank[mine])]] = True
    return SampleOutcome(name, int((~stays).sum()), int((~stays & ~resembles).sum()), int(late.sum()))
