"""MinHash: short signatures of shingle sets, and the bands that find similar ones without comparing all pairs.

The signature is Fast Similarity Sketching (Dahlgaard, Knudsen and Thorup, 2017): every shingle falls into one of k
bins and each bin keeps its smallest value; bins still empty are filled by further rounds over the same set. The
round stands in the highest bits of a value, so that the minimum prefers earlier rounds by itself. Each position of
two signatures then agrees with probability J, the Jaccard similarity of the sets, as in classic MinHash, but a set
of s shingles costs about s + k log k hash values instead of s · k.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib.dedup.shingles import Hashes, ShingleSets, mix, utf8
from sc2lib.dedup.words import tables

Signatures = npt.NDArray[np.uint32]

EMPTY = np.uint32(0xFFFFFFFF)
ROUNDS = 15  # rounds of all bins together, before the bins still empty are filled one by one


def signatures(sets: ShingleSets, permutations: int = 256, salt: int = 0) -> Signatures:
    """Sketch every set as `permutations` 32-bit values; a set without shingles stays `EMPTY` throughout.

    Returns an array of shape (sets, permutations). Repeated shingles change nothing. Another `salt` gives
    independent hash functions, to repeat a measurement. Costs about 4 ns a shingle on source code.
    """
    from sc2lib.dedup import kernels

    result = np.empty((len(sets), permutations), np.uint32)
    kernels.sketch_sets(sets.hashes, sets.offsets, _seeds(salt), _bin_seeds(permutations, salt), result)
    return result


def signatures_of_texts(texts: pa.Array, permutations: int = 256, n: int = 5) -> Signatures:
    """Signatures of the shingles of a string column, shape (texts, permutations), in one pass over its bytes."""
    from sc2lib.dedup import kernels

    result = np.empty((len(texts), permutations), np.uint32)
    kernels.sketch_texts(*utf8(texts), *tables(), n, _seeds(0), _bin_seeds(permutations, 0), result)
    return result


def naive_signature(hashes: Hashes, permutations: int = 256) -> Signatures:
    """One signature, one shingle at a time: the definition the fast path is tested against."""
    result, seeds = [int(EMPTY)] * permutations, _seeds(0).tolist()
    for round_number in range(ROUNDS):
        drawn = [int(EMPTY)] * permutations
        for shingle in np.asarray(hashes).tolist():
            value = (shingle ^ seeds[2 * round_number]) * (seeds[2 * round_number + 1] | 1) % 2**64
            value ^= value >> 32
            position = ((value >> 32) * permutations) >> 32
            drawn[position] = min(drawn[position], (round_number << 28) + ((value & 0xFFFFFFFF) >> 4))
        result = [new if old == EMPTY else old for old, new in zip(result, drawn)]
    for position, value in enumerate(result):
        if value == EMPTY and len(hashes):
            values = mix(np.asarray(hashes) ^ _bin_seeds(permutations, 0)[position]).tolist()
            result[position] = (ROUNDS << 28) + (min(values) >> 36)
    return np.array(result, np.uint32)


def band_keys(signature: Signatures, bands: int, rows: int) -> Hashes:
    """One 64-bit key per band of `rows` consecutive positions, shape (texts, bands); equal rows, equal key."""
    parts = signature[:, : bands * rows].reshape(len(signature), bands, rows).astype(np.uint64)
    keys = np.zeros(parts.shape[:2], np.uint64)
    for row in range(rows):
        keys = mix(keys ^ (parts[:, :, row] + np.uint64(row + 1)))
    return keys


def candidate_probability(jaccard: npt.ArrayLike, bands: int, rows: int) -> npt.NDArray[np.float64]:
    """Probability 1 - (1 - J^rows)^bands that two texts of similarity J share at least one band."""
    return 1.0 - (1.0 - np.asarray(jaccard, np.float64) ** rows) ** bands


def area_optimal_bands(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, rows) with the least area of false positives below and false negatives above the threshold.

    The criterion of datasketch with equal weights, which the paper's code uses: 250 or 256 permutations at 0.7
    give 25 bands of 10 rows (bigcode-project/bigcode-dataset's rule).
    """
    grid = np.arange(0.0005, 1.0, 0.001)
    best = (np.inf, 1, 1)
    for bands in range(1, permutations + 1):
        for rows in range(1, permutations // bands + 1):
            found = candidate_probability(grid, bands, rows)
            error = float(np.where(grid < threshold, found, 1.0 - found).mean())
            if error < best[0]:
                best = (error, bands, rows)
    return best[1], best[2]


@cache
def _seeds(salt: int) -> Hashes:
    """Two numbers for every round."""
    return mix(np.arange(1, 2 * ROUNDS + 1, dtype=np.uint64) + np.uint64(salt << 32))


@cache
def _bin_seeds(permutations: int, salt: int) -> Hashes:
    return mix(np.arange(permutations, dtype=np.uint64) + np.uint64((salt << 32) + 2 * ROUNDS + 1))
