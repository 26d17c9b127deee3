"""N-gram overlap: stretches of a text that share ten words in a row, or more, with a passage of a benchmark.

The substring rule of the paper sees whole passages only. A file that quotes half of a problem, or a problem with one
word changed, escapes it and shares n-grams nevertheless. What is shared is reported with its place; whether it costs
the file is a separate knob. A word is that of `sc2lib.dedup.words`, letter case ignored.

The cost is one pass for all passages: the hashes of all n-grams of a text, looked up in a bitmap of those of the
benchmarks, and the few that pass in their sorted list. Only a text with a hit is compared word by word, so no hash
decides.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sc2lib.curation.benchmark_passages import Passage
from sc2lib.dedup.shingles import shingle_stream
from sc2lib.dedup.words import word_places, words
from sc2lib.errors import ParameterError

OVERLAPS = pa.schema(
    [
        ("blob_id", pa.string()),
        ("benchmark", pa.string()),
        ("task_id", pa.string()),
        ("part", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("words", pa.int32()),
        ("share", pa.float64()),
    ]
)
_BITS = 22  # a bitmap of 4 MB lets few n-grams through to the search in the list: 2% with 100,000 benchmark n-grams


@dataclass(frozen=True)
class Overlap:
    """Characters ``start`` to ``end`` of a text that a passage also has, word for word.

    ``words`` is the length of the stretch, ``share`` the share of the passage's n-grams that occur in the whole text.
    """

    passage: Passage
    start: int
    end: int
    words: int
    share: float


class OverlapFinder:
    """Finds the n-grams of many passages in many texts. A passage of fewer than n words has none and is not found."""

    def __init__(self, passages: Sequence[Passage], n: int = 10) -> None:
        if n < 2:
            raise ParameterError(f"overlap_words={n} is too few to tell a passage; give 2 or more, the usual 10 or 13")
        self.n = n
        self.passages = tuple(passages)
        self._where: dict[tuple[bytes, ...], list[tuple[int, int]]] = defaultdict(list)
        self._sizes: list[int] = []
        for number, passage in enumerate(passages):
            grams = list(ngrams(passage.text, n))
            self._sizes.append(len(set(grams)))
            for position, gram in enumerate(grams):
                self._where[gram].append((number, position))
        texts = pa.array([passage.text for passage in passages], pa.large_string())
        self._hashes = np.unique(np.concatenate([np.zeros(0, np.uint64), *_hashes(texts, n)]))
        self._bitmap = np.zeros(1 << _BITS, bool)
        self._bitmap[_slots(self._hashes)] = True

    # docs: start-overlaps
    def candidates(self, texts: pa.Array) -> list[int]:
        """Numbers of the texts that may share an n-gram with a passage: all that do, and few others."""
        found: list[int] = []
        first = 0
        for batch in shingle_stream(texts, self.n):
            hits = np.flatnonzero(self._bitmap[_slots(batch.hashes)])
            places = np.searchsorted(self._hashes, batch.hashes[hits]).clip(max=max(len(self._hashes) - 1, 0))
            hits = hits[self._hashes[places] == batch.hashes[hits]]
            owners = np.searchsorted(batch.offsets, hits, side="right") - 1
            found += (first + np.unique(owners)).tolist()
            first += len(batch)
        return found

    def find(self, text: str) -> list[Overlap]:
        """The longest stretches that a text shares with each passage, by passage and place."""
        runs: dict[int, list[list[int]]] = defaultdict(list)  # by passage: [first word here, first word there, n-grams]
        shared: dict[int, set[tuple[bytes, ...]]] = defaultdict(set)
        open_runs: dict[tuple[int, int], list[int]] = {}  # by passage and position: runs the next n-gram continues
        for position, gram in enumerate(ngrams(text, self.n)):
            going: dict[tuple[int, int], list[int]] = {}
            for number, there in self._where.get(gram, ()):
                shared[number].add(gram)
                run = open_runs.get((number, there))
                if run is None:
                    run = [position, there, 0]
                    runs[number].append(run)
                run[2] += 1
                going[number, there + 1] = run
            open_runs = going
        if not runs:
            return []
        places = word_places(text)
        return [
            Overlap(self.passages[number], *self._characters(places, run), len(shared[number]) / self._sizes[number])
            for number in sorted(runs)
            for run in _outermost(runs[number])
        ]

    # docs: end-overlaps

    def _characters(self, places: Sequence[tuple[int, int]], run: Sequence[int]) -> tuple[int, int, int]:
        words = run[2] + self.n - 1
        return places[run[0]][0], places[run[0] + words - 1][1], words


def ngrams(text: str, n: int) -> Iterator[tuple[bytes, ...]]:
    """Runs of n consecutive words of a text, in order: the definition."""
    found = words(text)
    return (tuple(found[start : start + n]) for start in range(len(found) - n + 1))


def _hashes(texts: pa.Array, n: int) -> list[np.ndarray]:
    return [batch.hashes for batch in shingle_stream(texts, n)]


def _slots(hashes: np.ndarray) -> np.ndarray:
    return hashes & np.uint64((1 << _BITS) - 1)


def _outermost(runs: list[list[int]]) -> list[list[int]]:
    """Runs that lie in no other one of the same passage; a passage that repeats itself matches one place twice."""
    kept: list[list[int]] = []
    for run in sorted(runs, key=lambda run: (run[0], -run[2])):
        if not kept or run[0] + run[2] > kept[-1][0] + kept[-1][2]:
            kept.append(run)
    return kept
