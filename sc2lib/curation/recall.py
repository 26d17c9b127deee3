"""How many of the similar pairs do the bands find? Measured against brute force on a sample, beside theory."""

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from scipy.stats import binomtest

from sc2lib.curation.candidates import Floats, Pairs
from sc2lib.curation.minhash import band_keys, candidate_probability, signatures
from sc2lib.curation.shingles import Offsets, ShingleSets


@dataclass(frozen=True)
class RecallBin:
    """Pairs of a similarity from `low` (inclusive) to `high`, of which a share `found` became candidates.

    `expected` is what the S-curve says of these very pairs; `least` and `most` bound the share with 99% confidence,
    were the pairs independent (pairs of one family of files are not quite).
    """

    low: float
    high: float
    pairs: int
    found: float
    expected: float
    least: float
    most: float


def directory_sample(files: pa.Table, count: int, seed: int) -> Offsets:
    """Row numbers, ascending, of about `count` files: whole directories, in the order of a seeded hash.

    Near-duplicates are neighbours more often than not, so files drawn one by one would hardly ever be a pair.
    """
    directories: dict[tuple[str, str], list[int]] = {}
    names = zip(files["repo_name"].to_pylist(), files["path"].to_pylist())
    for row, (repository, path) in enumerate(names):
        directories.setdefault((repository or "", posixpath.dirname(path)), []).append(row)
    drawn: list[int] = []
    for key in sorted(directories, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode()).digest()):
        drawn += directories[key]
        if len(drawn) >= count:
            break
    return np.sort(np.array(drawn[:count], np.int64))


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
    for salt in salts:
        keys = band_keys(signatures(sets, bands * rows, salt), bands, rows)
        for start in range(0, len(pairs), 65536):
            part = slice(start, start + 65536)
            found[part] += (keys[pairs.left[part]] == keys[pairs.right[part]]).any(axis=1)
    expected = candidate_probability(similarity, bands, rows)
    bins = []
    for low, high in pairwise(edges):
        inside = (similarity >= low) & ((similarity < high) | (high >= 1.0))
        count = int(inside.sum())
        if count:
            hits, trials = int(found[inside].sum()), count * len(salts)
            interval = binomtest(hits, trials).proportion_ci(0.99, method="wilson")
            mean = float(expected[inside].mean())
            bins.append(RecallBin(low, high, count, hits / trials, mean, interval.low, interval.high))
    return bins
