"""Shingles: every run of n consecutive words of a text, as 63-bit hashes, a whole column of texts at a time.

A word is a maximal run of ASCII letters, digits, underscores and non-ASCII bytes of the UTF-8 text, with
ASCII letters lower-cased. A word of another script therefore stays whole; on ASCII text the words are those of
``re.findall(r"\\w+", text.lower())``. The paper's code splits on a single ``\\W`` instead and keeps the empty
strings between neighbouring separators (see `sc2lib.curation.bigcode_minhash`).

Source of n = 5 and of lower-casing: reference sheet, section 3.3.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

WORD = re.compile(rb"[0-9A-Za-z_\x80-\xff]+")
BATCH_BYTES = 1 << 18  # the working arrays of a batch stay in the cache
_FOLD = bytes(bytes([byte]).lower()[0] if WORD.match(bytes([byte])) else 0 for byte in range(256))
_MASKS = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


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


# docs: start-shingles
def shingle_stream(texts: pa.Array, n: int = 5) -> Iterator[ShingleSets]:
    """Yield the shingle hashes of a string column in batches of texts, in order of appearance, with repeats.

    A text of fewer than n words has no shingle. Costs about 6 ns a byte on one core, whatever the language.
    """
    data, offsets = _utf8(texts)
    first = 0
    while first < len(texts):
        last = int(np.searchsorted(offsets, offsets[first] + BATCH_BYTES, side="right")) - 1
        last = max(last, first + 1)
        borders = offsets[first : last + 1] - offsets[first]
        words, starts = _word_hashes(data[offsets[first] : offsets[last]], borders)
        powers, inverses = _powers(1 << max(len(words) + n, 1 << 16).bit_length())
        prefix = np.zeros(len(words) + 1, np.uint64)
        np.cumsum(words * powers[: len(words)], out=prefix[1:])
        count = max(len(words) - n + 1, 0)
        hashes = (prefix[n : n + count] - prefix[:count]) * inverses[:count]
        inside, ends = _inside_a_text(np.searchsorted(starts, borders), count, n)
        yield ShingleSets(mix(hashes[inside]) >> np.uint64(1), ends)
        first = last


# docs: end-shingles


def shingle_sets(texts: pa.Array, n: int = 5) -> ShingleSets:
    """The set of shingle hashes of every text: sorted, without repeats."""
    parts: list[Hashes] = []
    sizes: list[Offsets] = []
    for batch in shingle_stream(texts, n):
        for start, stop in zip(batch.offsets[:-1], batch.offsets[1:]):
            batch.hashes[start:stop].sort()
        distinct = np.ones(len(batch.hashes) + 1, bool)
        distinct[1:-1] = batch.hashes[1:] != batch.hashes[:-1]
        distinct[batch.offsets] = True
        parts.append(batch.hashes[distinct[:-1]])
        sizes.append(np.diff(np.concatenate([[0], np.cumsum(distinct[:-1])])[batch.offsets]))
    hashes = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    offsets = np.concatenate([np.zeros(1, np.int64), *sizes])
    return ShingleSets(hashes, np.cumsum(offsets))


def naive_shingles(text: str, n: int = 5) -> set[tuple[bytes, ...]]:
    """The shingles themselves, word by word: the definition the fast path is tested against."""
    words = WORD.findall(text.encode().lower())
    return {tuple(words[start : start + n]) for start in range(len(words) - n + 1)}


def jaccard(a: set[tuple[bytes, ...]], b: set[tuple[bytes, ...]]) -> float:
    """|a ∩ b| / |a ∪ b| of two sets, 0 if both are empty."""
    union = len(a | b)
    return len(a & b) / union if union else 0.0


def _utf8(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], Offsets]:
    """The bytes of a string column and where each text starts, without copying."""
    column = texts.cast(pa.large_string()) if texts.type != pa.large_string() else texts
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer else np.zeros(0, np.uint8)
    return data, offsets


def _word_hashes(data: npt.NDArray[np.uint8], borders: Offsets) -> tuple[Hashes, Offsets]:
    """Hash every word of texts laid end to end, eight bytes at a time; also where each word starts."""
    padded = np.zeros(len(data) + 9, np.uint8)  # a byte before the first and eight after the last are no word
    padded[1:-8] = np.frombuffer(data.tobytes().translate(_FOLD), np.uint8)
    inside = padded != 0
    cuts = np.flatnonzero(inside[1:] != inside[:-1])  # a word starts or ends before byte i
    edges = borders[1:-1]
    edges = np.unique(edges[inside[edges] & inside[edges + 1]])  # a word ends and another starts
    if len(edges):
        cuts = np.sort(np.concatenate([cuts, edges, edges]))
    starts, length = cuts[0::2], cuts[1::2] - cuts[0::2]
    aligned = np.frombuffer(padded, np.uint64, 1, offset=1)
    eight = np.lib.stride_tricks.as_strided(aligned, (len(data) + 1,), (1,), writeable=False)
    words = mix((eight[starts] & _MASKS[np.minimum(length, 8)]) ^ (length.astype(np.uint64) << np.uint64(56)))
    long = np.flatnonzero(length > 8)
    if len(long):
        further = (length[long] - 1) >> 3
        begin = np.cumsum(further) - further
        number = np.arange(int(further.sum())) - np.repeat(begin, further) + 1
        at = np.repeat(starts[long], further) + 8 * number
        left = np.repeat(cuts[1::2][long], further) - at
        parts = mix((eight[at] & _MASKS[np.minimum(left, 8)]) + mix(number.astype(np.uint64)))
        words[long] = mix(words[long] + np.add.reduceat(parts, begin))
    return words, starts


def _inside_a_text(first_word: Offsets, count: int, n: int) -> tuple[npt.NDArray[np.bool_], Offsets]:
    """Which of the `count` runs of n words lie in one text, given each text's first word; and the texts' offsets."""
    inside = np.ones(count, bool)
    start, stop = first_word[:-1], first_word[1:]
    start, stop = start[stop > start], stop[stop > start]
    for back in range(1, n):
        crossing = np.maximum(stop - back, start)
        inside[crossing[crossing < count]] = False
    return inside, np.concatenate([[0], np.cumsum(np.maximum(np.diff(first_word) - n + 1, 0))])


@cache
def _powers(count: int) -> tuple[Hashes, Hashes]:
    """p^0 … p^(count-1) modulo 2^64 for an odd p, and their inverses."""
    base = 0x9E3779B97F4A7C15
    tables = [np.full(count, factor, np.uint64) for factor in (base, pow(base, -1, 1 << 64))]
    for table in tables:
        table[0] = 1
        np.multiply.accumulate(table, out=table)
    return tables[0], tables[1]
