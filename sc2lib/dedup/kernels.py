"""The loops of near-deduplication over bytes and hashes, compiled by Numba: words, shingles, sketches, merges.

Each computes what a plain definition elsewhere says: `sc2lib.dedup.shingles.naive_shingle_hashes`,
`sc2lib.dedup.minhash.naive_signature`, a set intersection. The machine code is made once, lies in ``__pycache__``,
and runs without the interpreter's lock. Importing this module costs a third of a second; those who only read
definitions leave it alone, so it is imported where it is called.

All hashes are unsigned: a signed constant in an expression would turn it into floating point, hence `np.uint64`.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

# Written here although others have them too: the stored machine code is renewed when this file changes.
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that powers of it have inverses modulo 2^64
INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))
EMPTY = np.uint32(0xFFFFFFFF)  # a position of a signature that no shingle has reached
ROUNDS = 15  # rounds of all bins together, before the bins still empty are filled one by one
_0, _1, _7, _8 = (np.uint64(number) for number in (0, 1, 7, 8))

U8 = numba.types.Array(numba.types.uint8, 1, "C", readonly=True)
U16 = numba.types.Array(numba.types.uint16, 1, "C", readonly=True)
I64 = numba.types.Array(numba.types.int64, 1, "C", readonly=True)
U64 = numba.types.Array(numba.types.uint64, 1, "C", readonly=True)
SKETCHES = numba.types.Array(numba.types.uint8, 2, "C", readonly=True)


def compiled(signature: str | Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Machine code for one signature, made or fetched when the module is imported, so that forked workers share it."""
    return numba.njit(signature, cache=True, nogil=True)


# Letters in lower case; 0 for every byte that is no part of a word. Bytes beyond ASCII come from `fold_text`.
FOLD = np.array(
    [byte[0] if (byte := bytes([code]).lower()).isalnum() or code == 95 or code > 127 else 0 for code in range(256)],
    np.uint8,
)


@compiled("uint64(uint64)")
def mixed(value: Any) -> Any:
    """See `sc2lib.dedup.shingles.mix`."""
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled(numba.boolean(U8, numba.int64, numba.int64))
def beyond_ascii(data: Any, start: Any, stop: Any) -> Any:
    """Whether any byte is: as signed numbers these are negative, and a minimum takes many bytes at a time."""
    least = np.int8(0)
    for byte in data[start:stop].view(np.int8):
        least = min(least, byte)
    return least < 0


@compiled(numba.int64(U8, numba.int64, numba.int64, U8, U16, numba.types.uint8[::1]))
def fold_text(data: Any, start: Any, stop: Any, kinds: Any, cased: Any, out: Any) -> Any:
    """Write UTF-8 to `out` such that `hash_text` sees the words of `sc2lib.dedup.words`; returns the bytes written.

    `kinds` and `cased` are the tables there. At most two bytes are written for one. Bytes that are no UTF-8 go on.
    """
    size, position = 0, start
    while position < stop:
        byte = np.int64(data[position])
        if byte < 0xC0:  # ASCII is folded later; the others are out of place
            out[size] = byte
            size += 1
            position += 1
            continue
        width = min(2 + (byte >= 0xE0) + (byte >= 0xF0), stop - position)
        code = byte & (0x7F >> width)
        for further in range(1, width):
            code = code << 6 | np.int64(data[position + further]) & 0x3F
        kind = kinds[code] if code < len(kinds) else 1
        if kind != 1:
            out[size] = 32
            size += 1
        if kind != 0:
            for further in range(width):
                out[size + further] = data[position + further]
            if width == 2 and code < len(cased):
                out[size], out[size + 1] = 0xC0 | cased[code] >> 6, 0x80 | cased[code] & 0x3F
            size += width
        if kind == 2:
            out[size] = 32
            size += 1
        position += width
    return size


# docs: start-hash-text
@compiled(numba.int64(U8, numba.int64, numba.int64, numba.types.uint64[::1], numba.types.uint64[::1]))
def hash_text(data: Any, start: Any, stop: Any, recent: Any, out: Any) -> Any:
    """Write the hash of every run of n words of ``data[start:stop]`` to `out`, in order; returns how many there are.

    `recent` holds n values, the hashes of the words of the run, in turn. A run is the sum of w_j p^j over its words,
    divided by p when the run moves on: one multiplication a word, whatever n.
    """
    n = len(recent)
    recent[:] = _0
    top = _1
    for _ in range(n - 1):
        top *= BASE
    run, words, place, count = _0, 0, 0, 0
    length, eight, first, further = _0, _0, _0, _0
    for position in range(start, stop + 1):
        byte = np.uint64(FOLD[data[position]]) if position < stop else _0
        if byte:
            if length and length & _7 == _0:  # eight bytes are full, and the word goes on
                if length == _8:
                    first = eight
                else:
                    further += mixed(eight + mixed((length >> np.uint64(3)) - _1))
                eight = _0
            eight |= byte << ((length & _7) << np.uint64(3))
            length += _1
        elif length:
            if length <= _8:
                word = mixed(eight ^ (length << np.uint64(56)))
            else:
                word = mixed(first ^ (length << np.uint64(56)))
                word = mixed(word + further + mixed(eight + mixed((length - _1) >> np.uint64(3))))
            run = (run - recent[place]) * INVERSE + word * top
            recent[place] = word
            place = place + 1 if place + 1 < n else 0
            words += 1
            if words >= n:
                out[count] = mixed(run) >> _1
                count += 1
            length, eight, further = _0, _0, _0
    return count


# docs: end-hash-text


@compiled(
    numba.int64(
        *(U8, numba.int64, numba.int64, U8, U16),
        *(numba.types.uint8[::1], numba.types.uint64[::1], numba.types.uint64[::1]),
    )
)
def hash_any(data: Any, start: Any, stop: Any, kinds: Any, cased: Any, folded: Any, recent: Any, out: Any) -> Any:
    """`hash_text` in any script; `folded` has room for twice the bytes. A text in ASCII costs no copy."""
    if beyond_ascii(data, start, stop):
        return hash_text(folded, 0, fold_text(data, start, stop, kinds, cased, folded), recent, out)
    return hash_text(data, start, stop, recent, out)


@compiled(numba.int64(I64))
def longest_of(offsets: Any) -> Any:
    """Bytes of the longest text."""
    longest = 0
    for text in range(len(offsets) - 1):
        longest = max(longest, offsets[text + 1] - offsets[text])
    return longest


@compiled(numba.int64(U8, I64, U8, U16, numba.int64, numba.types.uint64[::1], numba.types.int64[::1]))
def hash_texts(data: Any, offsets: Any, kinds: Any, cased: Any, n: Any, out: Any, ends: Any) -> Any:
    """`hash_any` for texts that lie end to end; `ends` receives where the hashes of each end. Returns their number."""
    recent, folded = np.empty(n, np.uint64), np.empty(2 * longest_of(offsets), np.uint8)
    total = 0
    for text in range(len(offsets) - 1):
        total += hash_any(data, offsets[text], offsets[text + 1], kinds, cased, folded, recent, out[total:])
        ends[text] = total
    return total


# docs: start-sketch
@compiled(numba.void(U64, U64, U64, numba.types.uint32[::1]))
def sketch_set(hashes: Any, seeds: Any, bin_seeds: Any, row: Any) -> None:
    """Sketch one set, given with or without repeats, into the k positions of `row`; an empty set stays EMPTY."""
    k = np.uint64(len(row))
    row[:] = EMPTY
    empty = len(row) if len(hashes) else 0
    for number in range(ROUNDS):
        if empty == 0:  # a later round has larger values: nothing would change
            return
        salt, factor = seeds[2 * number], seeds[2 * number + 1] | _1
        above = np.uint32(number << 28)
        for position in range(len(hashes)):
            drawn = (hashes[position] ^ salt) * factor
            drawn ^= drawn >> np.uint64(32)
            place = ((drawn >> np.uint64(32)) * k) >> np.uint64(32)
            value = (np.uint32(drawn) >> np.uint32(4)) + above
            if value < row[place]:
                if row[place] == EMPTY:
                    empty -= 1
                row[place] = value
    for place in range(len(row)):
        if empty and row[place] == EMPTY:  # the smallest value of the bin's own hash function
            smallest = np.uint64(0xFFFFFFFFFFFFFFFF)
            for position in range(len(hashes)):
                smallest = min(smallest, mixed(hashes[position] ^ bin_seeds[place]))
            row[place] = np.uint32(smallest >> np.uint64(36)) + np.uint32(ROUNDS << 28)


# docs: end-sketch


@compiled(numba.void(U64, I64, U64, U64, numba.types.uint32[:, ::1]))
def sketch_sets(hashes: Any, offsets: Any, seeds: Any, bin_seeds: Any, out: Any) -> None:
    """`sketch_set` for sets that lie end to end, one row of `out` each."""
    for index in range(len(offsets) - 1):
        sketch_set(hashes[offsets[index] : offsets[index + 1]], seeds, bin_seeds, out[index])


@compiled(numba.void(U8, I64, U8, U16, numba.int64, U64, U64, numba.types.uint32[:, ::1]))
def sketch_texts(data: Any, offsets: Any, kinds: Any, cased: Any, n: Any, seeds: Any, bin_seeds: Any, out: Any) -> None:
    """From text to sketch: the hashes of one text at a time stay in the cache, where both loops find them."""
    longest = longest_of(offsets)
    recent, hashes, folded = (
        np.empty(n, np.uint64),
        np.empty(longest // 2 + 1, np.uint64),
        np.empty(2 * longest, np.uint8),
    )
    for text in range(len(offsets) - 1):
        count = hash_any(data, offsets[text], offsets[text + 1], kinds, cased, folded, recent, hashes)
        sketch_set(hashes[:count], seeds, bin_seeds, out[text])


@compiled(numba.int64(numba.types.uint64[::1], numba.types.int64[::1]))
def drop_repeats(hashes: Any, offsets: Any) -> Any:
    """Drop the repeats of sorted runs that lie end to end, in place, offsets as well; returns what is left of all."""
    kept = 0
    start = offsets[0]
    for index in range(len(offsets) - 1):
        stop = offsets[index + 1]
        for position in range(start, stop):
            if position == start or hashes[position] != hashes[position - 1]:
                hashes[kept] = hashes[position]
                kept += 1
        start = stop
        offsets[index + 1] = kept
    return kept


@compiled(numba.void(I64, I64, numba.types.int64[::1]))
def unite(left: Any, right: Any, root: Any) -> None:
    """Union-find with path halving: afterwards ``root[i]`` is the smallest number in the component of i.

    ``left[j]`` and ``right[j]`` are linked; `root` comes as 0, 1, 2, … and is changed.
    """
    for link in range(len(left)):
        a, b = left[link], right[link]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a < b:
            root[b] = a
        else:
            root[a] = b
    for number in range(len(root)):  # a root is never above its number, so it has been settled before
        root[number] = root[root[number]]


@compiled(numba.int64(U64, U64))
def common(a: Any, b: Any) -> Any:
    """How many values two ascending arrays without repeats share: one merge without a branch to guess wrong."""
    i, j, found = 0, 0, 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        found += x == y
        i += x <= y
        j += y <= x
    return found
