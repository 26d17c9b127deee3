"""Ids that occur twice, looked for in parts: nobody holds the hashes of more rows than a part has.

Of a large corpus each piece leaves the hashes of its ids on disk, sorted, and each part takes a range of them from all
pieces. It finds the rows whose hash an earlier row has. These are visited in order, and names compared, until one is
really a repetition. The process that hands out the work holds `HELD` hashes at most, and a few such rows of each part.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import xxhash

from sc2lib.dedup import arrays
from sc2lib.dedup.exchange import Source, exchange
from sc2lib.dedup.join import move_keys, read_keys, shared_keys
from sc2lib.dedup.shingles import Hashes, Offsets
from sc2lib.dedup.steps import Step
from sc2lib.errors import InputError

HELD = 1 << 21  # ids of all pieces together that go through no file: 0.1 GB
PART_IDS = 1 << 21  # ids of a part, more or less: 0.1 GB for a worker
BLOCK = 64  # suspects of a part that are read at a time

Suspect = tuple[int, int]  # a row, and the first row of the same hash


class Called(Protocol):
    """A piece whose rows have names."""

    def called(self) -> tuple[list[str], list[str]]:
        """The place of every row (file and number) and its id."""
        ...


def hashes_of(names: pa.ChunkedArray) -> Hashes:
    """A 64-bit hash of every name, in order, as far as the first name that occurs twice.

    So an id that a billion rows share weighs no more than two rows of each piece.
    """
    words = names.to_pylist()
    hashes = np.array([xxhash.xxh3_64_intdigest(word.encode()) for word in words], np.uint64)
    return hashes if len(np.unique(hashes)) == len(hashes) else hashes[: _first_repeated(words)]


def save_hashes(folder: Path, hashes: Hashes) -> None:
    """Write the hashes of a piece, sorted, with their rows."""
    order = np.argsort(hashes)
    arrays.save(folder, sorted_keys=hashes[order], sorted_rows=order.astype(np.uint32))


def refuse_repeated(
    step: Step,
    work: Path,
    pieces: Sequence[Called],
    sizes: Sequence[int],
    ids: Sequence[Hashes | Path],
    column: str,
) -> None:
    """Raise InputError for the first row whose id an earlier row has.

    `sizes` counts the rows of each piece, `ids` are its hashes or the folder they were saved to. The search through
    files writes 12 bytes a row, and 16 in each round of the exchange.
    """
    bases = np.cumsum([0, *sizes])
    seen: dict[str, str] = {}
    for later, first in _suspects(step, work, bases.tolist(), ids):
        for row in (first, later):
            number = int(np.searchsorted(bases, row, side="right")) - 1
            places, names = pieces[number].called()
            place, name = places[row - int(bases[number])], names[row - int(bases[number])]
            other = seen.setdefault(name, place)
            if other != place:
                raise InputError(
                    f"the rows {other} and {place} have the same {column!r}, {name!r}; name a column "
                    "without repetition with --id, or call rows after file and number: --id ''"
                )


def repeated(hashes: Hashes, rows: Offsets) -> Offsets:
    """The rows whose hash an earlier row has, in order, with the first such row; shape (suspects, 2).

    `hashes` are sorted.
    """
    hashes, rows = shared_keys(hashes, rows)
    order = np.lexsort((rows, hashes))
    hashes, rows = hashes[order], rows[order]
    starts = np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)]
    found = np.stack([rows, rows[starts][np.cumsum(starts) - 1]], axis=1)[~starts]
    return found[np.argsort(found[:, 0])]


def find_repeated(task: tuple[tuple[Source, ...], int, int, Path]) -> None:
    """Write what is `repeated` in one of `count` ranges of hashes; task: (sources, number, count, target)."""
    sources, number, count, target = task
    arrays.save(target, suspects=repeated(*read_keys(sources, number, number + 1, count)))


def _suspects(step: Step, work: Path, bases: Sequence[int], ids: Sequence[Hashes | Path]) -> Iterable[Suspect]:
    held = [(base, hashes) for base, hashes in zip(bases, ids) if not isinstance(hashes, Path)]
    hashes = np.concatenate([np.zeros(0, np.uint64), *(one for _, one in held)])
    rows = np.concatenate([np.zeros(0, np.int64), *(np.arange(base, base + len(one)) for base, one in held)])
    order = np.argsort(hashes)
    hashes, rows = hashes[order], rows[order]
    if len(held) == len(ids):
        return map(tuple, repeated(hashes, rows).tolist())
    arrays.save(work / "held", sorted_keys=hashes, sorted_rows=rows)
    sources = [(work / "held", 0), *((folder, base) for base, folder in zip(bases, ids) if isinstance(folder, Path))]
    parts = max(1, -(-bases[-1] // PART_IDS))
    found = [work / "repeated" / f"{number:05d}" for number in range(parts)]
    spread = exchange(step, move_keys, work, "moved", sources, parts)
    step(find_repeated, list(zip(spread, range(parts), [parts] * parts, found)), 3, "ids")
    return heapq.merge(*map(_in_blocks, found))


def _in_blocks(folder: Path) -> Iterator[Suspect]:
    start = 0
    while len(block := np.array(arrays.load(folder, "suspects")[start : start + BLOCK])):
        yield from map(tuple, block.tolist())
        start += BLOCK


def _first_repeated(words: Sequence[str]) -> int:
    """How many words there are up to the first that repeats one, or in all."""
    seen: set[str] = set()
    for number, word in enumerate(words, 1):
        if word in seen:
            return number
        seen.add(word)
    return len(words)
