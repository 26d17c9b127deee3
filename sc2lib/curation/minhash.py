"""MinHash: short signatures of shingle sets, and the bands that find similar ones without comparing all pairs.

The signature is Fast Similarity Sketching (Dahlgaard, Knudsen and Thorup, 2017): every shingle falls into one of k
bins and each bin keeps its smallest value; bins still empty are filled by further rounds over the same set. Each
position of two signatures then agrees with probability J, the Jaccard similarity of the sets, as in classic MinHash,
but a set of s shingles costs about s + k log k hash values instead of s · k.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib.curation.shingles import Hashes, Offsets, ShingleSets, mix, shingle_stream

Signatures = npt.NDArray[np.uint32]

EMPTY = np.uint32(0xFFFFFFFF)
ROUNDS = 16  # rounds of all bins together, before the bins still empty are filled one by one
_LOW = np.uint64(0xFFFFFFFF)


# docs: start-signatures
def signatures(sets: ShingleSets, permutations: int = 256, salt: int = 0) -> Signatures:
    """Sketch every set as `permutations` 32-bit values; a set without shingles stays `EMPTY` throughout.

    Returns an array of shape (sets, permutations). Repeated shingles change nothing. Another `salt` gives
    independent hash functions, to repeat a measurement.
    """
    result = np.full((len(sets), permutations), EMPTY, np.uint32)
    active, hashes, sizes = np.arange(len(sets)), sets.hashes, sets.sizes
    for round_number in range(ROUNDS):
        values = mix(hashes ^ _seed(round_number, salt))
        bins = ((values >> np.uint64(32)) * np.uint64(permutations)) >> np.uint64(32)
        owner = np.repeat(np.arange(len(active)), sizes)
        drawn = np.full(len(active) * permutations, EMPTY, np.uint32)
        np.minimum.at(drawn, owner * permutations + bins.astype(np.int64), (values & _LOW).astype(np.uint32))
        result[active] = np.where(result[active] == EMPTY, drawn.reshape(-1, permutations), result[active])
        unfinished = (result[active] == EMPTY).any(axis=1) & (sizes > 0)
        hashes, active, sizes = hashes[np.repeat(unfinished, sizes)], active[unfinished], sizes[unfinished]
    _fill_one_by_one(result, active, ShingleSets(hashes, np.concatenate([[0], np.cumsum(sizes)])), salt)
    return result


# docs: end-signatures


def _fill_one_by_one(result: Signatures, active: Offsets, sets: ShingleSets, salt: int) -> None:
    """Give each bin that no round reached the smallest value of its own hash function."""
    for index, text in enumerate(active):
        empty = np.flatnonzero(result[text] == EMPTY)
        seeds = np.array([_seed(ROUNDS + int(position), salt) for position in empty], np.uint64)
        values = mix(sets[index][None, :] ^ seeds[:, None]) & _LOW
        result[text, empty] = values.min(axis=1).astype(np.uint32)


def signatures_of_texts(texts: pa.Array, permutations: int = 256, n: int = 5) -> Signatures:
    """Signatures of a string column, shape (texts, permutations)."""
    parts = [signatures(batch, permutations) for batch in shingle_stream(texts, n)]
    return np.concatenate(parts) if parts else np.zeros((0, permutations), np.uint32)


def naive_signature(hashes: Hashes, permutations: int = 256) -> Signatures:
    """One signature, one shingle at a time: the definition the fast path is tested against."""
    result = [int(EMPTY)] * permutations
    for round_number in range(ROUNDS):
        drawn = [int(EMPTY)] * permutations
        for value in mix(np.asarray(hashes) ^ _seed(round_number)).tolist():
            position = ((value >> 32) * permutations) >> 32
            drawn[position] = min(drawn[position], value & 0xFFFFFFFF)
        result = [new if old == EMPTY else old for old, new in zip(result, drawn)]
    for position, value in enumerate(result):
        if value == EMPTY and len(hashes):
            values = mix(np.asarray(hashes) ^ _seed(ROUNDS + position)).tolist()
            result[position] = min(value & 0xFFFFFFFF for value in values)
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
    give 25 bands of 10 rows (reference sheet, section 3.3).
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
def _seed(number: int, salt: int = 0) -> np.uint64:
    return np.uint64(mix(np.array([(salt << 32) + number + 1], np.uint64))[0])
