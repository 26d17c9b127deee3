"""Pairs of similar texts: candidates that share a band, their exact similarity, and brute force to compare with.

Texts are numbered 0 … N - 1. Pairs are two index arrays with ``left < right``, sorted by (left, right), so that the
result does not depend on how the texts were partitioned. SciPy is imported where it is called: the engine shares the
types of this module, and every process of a run would wait for it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sc2lib.dedup.shingles import Hashes, Offsets, ShingleSets

Floats = npt.NDArray[np.float64]
CHUNK = 4096  # pairs compared at a time: bounds the copies of their shingle sets to some 100 MB


@dataclass(frozen=True)
class Pairs:
    """Pairs (left[i], right[i]) of text numbers."""

    left: Offsets
    right: Offsets

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Pairs":
        return Pairs(self.left[mask], self.right[mask])


# docs: start-candidates
def candidate_pairs(keys: Hashes, eligible: npt.NDArray[np.bool_]) -> Pairs:
    """All pairs of eligible texts that share the key of at least one band.

    `keys` has the shape (texts, bands). A bucket of m texts gives m (m - 1) / 2 pairs.
    """
    count = len(keys)
    texts = np.flatnonzero(eligible)
    found = [np.zeros(0, np.int64)]
    for band in range(keys.shape[1]):
        order = texts[np.argsort(keys[texts, band], kind="stable")]
        sorted_keys = keys[order, band]
        positions, distance = np.arange(len(order)), 1
        while len(positions := positions[positions + distance < len(order)]):
            positions = positions[sorted_keys[positions] == sorted_keys[positions + distance]]
            a, b = order[positions], order[positions + distance]
            found.append(np.minimum(a, b) * count + np.maximum(a, b))
            distance += 1
    pairs = np.sort(np.concatenate(found))
    distinct = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]
    return Pairs(*np.divmod(distinct, max(count, 1)))


# docs: end-candidates


# docs: start-verify
def jaccard_of_pairs(pairs: Pairs, sets: ShingleSets) -> Floats:
    """The exact Jaccard similarity of each pair's shingle sets; 0 where both are empty.

    Two merges of sorted arrays inside SciPy, about 3 µs a pair. Exact up to collisions of 63-bit hashes: among a
    million distinct shingles some two collide with a probability of 5 in 100 million.
    """
    from scipy import sparse

    sizes = sets.sizes
    common = np.zeros(len(pairs), np.int64)
    columns = sets.hashes.view(np.int64)
    rows = sparse.csr_array((np.ones(len(columns), np.int8), columns, sets.offsets), (len(sets), 2**63 - 1))
    rows.has_canonical_format = True
    for start in range(0, len(pairs), CHUNK):
        part = slice(start, start + CHUNK)
        common[part] = np.diff((rows[pairs.left[part]].multiply(rows[pairs.right[part]])).indptr)
    union = sizes[pairs.left] + sizes[pairs.right] - common
    return common / np.maximum(union, 1)


# docs: end-verify


def all_similar_pairs(sets: ShingleSets, minimum: float) -> tuple[Pairs, Floats]:
    """Every pair of texts with a Jaccard similarity of at least `minimum` (above 0), by brute force.

    The oracle for recall: an inverted index of every shingle, quadratic in the texts that share one. For samples
    of a few thousand texts.
    """
    from scipy import sparse

    sizes = sets.sizes
    distinct, columns = np.unique(sets.hashes, return_inverse=True)
    shape = (len(sets), max(len(distinct), 1))
    index = sparse.csr_array((np.ones(len(columns), np.int32), columns, sets.offsets), shape)
    transposed = index.T.tocsr()
    parts: list[tuple[Offsets, Offsets, Floats]] = []
    for start in range(0, len(sets), 256):
        common = (index[start : start + 256] @ transposed).tocoo()
        left, right = common.row.astype(np.int64) + start, common.col.astype(np.int64)
        similarity = common.data / (sizes[left] + sizes[right] - common.data)
        keep = (left < right) & (similarity >= minimum)
        order = np.lexsort((right[keep], left[keep]))
        parts.append((left[keep][order], right[keep][order], similarity[keep][order]))
    if not parts:
        return Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64)), np.zeros(0)
    left, right, similarity = (np.concatenate(column) for column in zip(*parts))
    return Pairs(left, right), similarity
