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

from sc2lib.curation.shingles import Hashes, Offsets, ShingleSets, mix, shingle_stream

Signatures = npt.NDArray[np.uint32]

EMPTY = np.uint32(0xFFFFFFFF)
ROUNDS = 15  # rounds of all bins together, before the bins still empty are filled one by one
CHECKED = (0, 1, 3, 7)  # rounds after which sets without empty bins are left alone


# docs: start-signatures
def signatures(sets: ShingleSets, permutations: int = 256, salt: int = 0) -> Signatures:
    """Sketch every set as `permutations` 32-bit values; a set without shingles stays `EMPTY` throughout.

    Returns an array of shape (sets, permutations). Repeated shingles change nothing. Another `salt` gives
    independent hash functions, to repeat a measurement. Costs about 20 ns a shingle on source code.
    """
    result = np.full((len(sets), permutations), EMPTY, np.uint32)
    active, hashes, sizes = np.arange(len(sets)), sets.hashes, sets.sizes
    for round_number in range(ROUNDS):
        bins, values = _draw(hashes, round_number, permutations, salt)
        np.minimum.at(result.reshape(-1), np.repeat(active * permutations, sizes) + bins, values)
        if round_number in CHECKED:
            unfinished = (result[active].max(axis=1) == EMPTY) & (sizes > 0)
            hashes, active, sizes = hashes[np.repeat(unfinished, sizes)], active[unfinished], sizes[unfinished]
    _fill_one_by_one(result, active, hashes, sizes, salt)
    return result


# docs: end-signatures


def _draw(hashes: Hashes, round_number: int, permutations: int, salt: int) -> tuple[Offsets, Signatures]:
    """The bin of every shingle in a round, and its value there: multiply-shift, since shingle hashes are mixed."""
    drawn = (hashes ^ _seed(2 * round_number, salt)) * (_seed(2 * round_number + 1, salt) | np.uint64(1))
    drawn ^= drawn >> np.uint64(32)
    bins = ((drawn >> np.uint64(32)) * np.uint64(permutations)) >> np.uint64(32)
    return bins.view(np.int64), (drawn.astype(np.uint32) >> np.uint32(4)) + np.uint32(round_number << 28)


def _fill_one_by_one(result: Signatures, active: Offsets, hashes: Hashes, sizes: Offsets, salt: int) -> None:
    """Give each bin that no round reached the smallest value of its own hash function over the whole set."""
    start = np.cumsum(sizes) - sizes
    for first in range(0, len(active), 256):  # bounds the table of products
        part = slice(first, first + 256)
        owner, position = np.nonzero(result[active[part]] == EMPTY)
        lengths = sizes[part][owner]
        owner, position = owner[lengths > 0], position[lengths > 0]
        lengths = lengths[lengths > 0]
        if len(owner) == 0:
            continue
        begin = np.cumsum(lengths) - lengths
        item = np.arange(int(lengths.sum())) + np.repeat(start[part][owner] - begin, lengths)
        values = mix(hashes[item] ^ np.repeat(_bin_seeds(result.shape[1], salt)[position], lengths))
        smallest = np.minimum.reduceat(values, begin) >> np.uint64(36)
        result[active[part][owner], position] = smallest.astype(np.uint32) + np.uint32(ROUNDS << 28)


def signatures_of_texts(texts: pa.Array, permutations: int = 256, n: int = 5) -> Signatures:
    """Signatures of a string column, shape (texts, permutations)."""
    parts = [signatures(batch, permutations) for batch in shingle_stream(texts, n)]
    return np.concatenate(parts) if parts else np.zeros((0, permutations), np.uint32)


def naive_signature(hashes: Hashes, permutations: int = 256) -> Signatures:
    """One signature, one shingle at a time: the definition the fast path is tested against."""
    result = [int(EMPTY)] * permutations
    for round_number in range(ROUNDS):
        drawn = [int(EMPTY)] * permutations
        for shingle in np.asarray(hashes).tolist():
            value = (shingle ^ int(_seed(2 * round_number))) * (int(_seed(2 * round_number + 1)) | 1) % 2**64
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


@cache
def _bin_seeds(permutations: int, salt: int) -> Hashes:
    return mix(np.arange(permutations, dtype=np.uint64) + np.uint64((salt << 32) + 2 * ROUNDS + 1))
