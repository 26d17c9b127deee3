"""Shingles: every run of n consecutive words of a text, as 63-bit hashes, a whole column of texts at a time.

`sc2lib.dedup.words` says what a word is. The paper's code splits on a single ``\\W`` instead and keeps the empty
strings between neighbouring separators (see `sc2lib.dedup.bigcode_minhash`).

Source of n = 5 and of lower-casing: bigcode-project/bigcode-dataset.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib.dedup.words import tables, words

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

BATCH_BYTES = 1 << 18  # the hashes of a batch stay in the cache


@dataclass(frozen=True)
class ShingleSets:
    """The shingle hashes of many texts, end to end: text i owns ``hashes[offsets[i]:offsets[i + 1]]``."""

    hashes: Hashes
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Hashes:
        return self.hashes[self.offsets[index] : self.offsets[index + 1]]

    @property
    def sizes(self) -> Offsets:
        return np.diff(self.offsets)


def mix(values: Hashes) -> Hashes:
    """Scramble 64-bit values (the finaliser of SplitMix64, a bijection); works in place on a fresh array."""
    values = values ^ (values >> np.uint64(30))
    values *= np.uint64(0xBF58476D1CE4E5B9)
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def shingle_stream(texts: pa.Array, n: int = 5) -> Iterator[ShingleSets]:
    """Yield the shingle hashes of a string column in batches of texts, in order of appearance, with repeats.

    A text of fewer than n words has no shingle. Costs about 2 ns a byte on one core, 4 ns where a text leaves ASCII.
    """
    from sc2lib.dedup import kernels

    data, offsets = utf8(texts)
    first = 0
    while first < len(texts):
        last = int(np.searchsorted(offsets, offsets[first] + BATCH_BYTES, side="right")) - 1
        last = max(last, first + 1)
        hashes = np.empty(int(offsets[last] - offsets[first]) // 2 + last - first, np.uint64)  # a word and a separator
        ends = np.zeros(last - first + 1, np.int64)
        count = kernels.hash_texts(data, offsets[first : last + 1], *tables(), n, hashes, ends[1:])
        yield ShingleSets(hashes[:count], ends)
        first = last


def shingle_sets(texts: pa.Array, n: int = 5) -> ShingleSets:
    """The set of shingle hashes of every text: sorted, without repeats."""
    from sc2lib.dedup import kernels

    parts: list[Hashes] = []
    sizes: list[Offsets] = []
    for batch in shingle_stream(texts, n):
        for start, stop in pairwise(batch.offsets.tolist()):
            batch.hashes[start:stop].sort()
        parts.append(batch.hashes[: kernels.drop_repeats(batch.hashes, batch.offsets)].copy())
        sizes.append(batch.sizes)
    hashes = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    return ShingleSets(hashes, np.cumsum(np.concatenate([np.zeros(1, np.int64), *sizes])))


def naive_shingles(text: str, n: int = 5) -> set[tuple[bytes, ...]]:
    """The shingles themselves, word by word: the definition the fast path is tested against."""
    found = words(text)
    return {tuple(found[start : start + n]) for start in range(len(found) - n + 1)}


def jaccard(a: set[tuple[bytes, ...]], b: set[tuple[bytes, ...]]) -> float:
    """|a ∩ b| / |a ∪ b| of two sets, 0 if both are empty."""
    union = len(a | b)
    return len(a & b) / union if union else 0.0


def naive_shingle_hashes(text: str, n: int = 5) -> list[int]:
    """The hash of every run of n words, in order, in Python's integers: the definition of the compiled loop."""
    found = [_word_hash(word) for word in words(text)]
    return [_run_hash(found[start : start + n]) for start in range(len(found) - n + 1)]


def _word_hash(word: bytes) -> int:
    """Eight bytes at a time: the first with the length above them, the others summed with their number."""
    first, *others = [int.from_bytes(word[start : start + 8], "little") for start in range(0, len(word), 8)]
    result = _mix(first ^ (len(word) << 56) % 2**64)
    if others:
        result = _mix(result + sum(_mix(part + _mix(number)) for number, part in enumerate(others, 1)))
    return result


def _run_hash(words: list[int]) -> int:
    """A polynomial in an odd number, so that a run can be made from the one before; mixed, 63 bits."""
    return _mix(sum(word * 0x9E3779B97F4A7C15**place for place, word in enumerate(words))) >> 1


def _mix(value: int) -> int:
    return int(mix(np.array([value % 2**64], np.uint64))[0])


def utf8(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], Offsets]:
    """The bytes of a string column and where each text starts, without copying."""
    column = texts.cast(pa.large_string()) if texts.type != pa.large_string() else texts
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.zeros(0, np.uint8)
    return data, offsets
