"""N-gram overlap: stretches of a text that share ten words in a row, or more, with a passage of a benchmark.

The substring rule of the paper sees whole passages only. A file that quotes half of a problem, or a problem with one
word changed, escapes it and shares n-grams nevertheless. What is shared is reported with its place; whether it costs
the file is a separate knob. A word is that of `sc2lib.dedup.words`, letter case ignored.

The cost is one pass for all passages: the hashes of all n-grams of a text, looked up in a bitmap of those of the
benchmarks, and the few that pass in their sorted list. Only a text with a hit is compared word by word, so no hash
decides. A text that says one word ten thousand times costs no more than others: what counts is where the passages that
share an n-gram change, not how often and where each of them has it.
"""

from collections import Counter, defaultdict
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
MOST_STRETCHES = 100  # of one passage that are reported of one text: tables of numbers hold thousands
_BITS = 22  # a bitmap of 4 MB lets few n-grams through to the search in the list: 2% with 100,000 benchmark n-grams


@dataclass(frozen=True)
class Overlap:
    """Characters ``start`` to ``end`` of a text; each word there stands in a run of n words that the passage has too.

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
        grams = [set(ngrams(passage.text, n)) for passage in passages]
        self._sizes = [len(own) for own in grams]
        holders: dict[tuple[bytes, ...], list[int]] = defaultdict(list)
        for number, own in enumerate(grams):
            for gram in own:
                holders[gram].append(number)
        known: dict[frozenset[int], frozenset[int]] = {}  # most n-grams share their passages with their neighbours
        self._holders = {
            gram: known.setdefault(held, held)
            for gram, held in ((gram, frozenset(numbers)) for gram, numbers in holders.items())
        }
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
        """The stretches that a text shares with each passage, by passage and place, `MOST_STRETCHES` of one at most."""
        grams = list(ngrams(text, self.n))
        shared = Counter(number for gram in set(grams) for number in self._holders.get(gram, ()))
        if not shared:
            return []
        stretches: dict[int, list[list[int]]] = {number: [] for number in shared}  # [first word, last word + 1]
        for position, beginning, ending in self._changes(grams):
            for number in beginning:
                own = stretches[number]
                if not own or position > own[-1][1]:  # else it goes on where the last one ended, or before
                    own.append([position, 0])
            for number in ending:
                stretches[number][-1][1] = position - 1 + self.n
        places = word_places(text)
        return [
            Overlap(self.passages[number], places[first][0], places[end - 1][1], end - first, shared[number] / size)
            for number, size in enumerate(self._sizes)
            for first, end in stretches.get(number, [])[:MOST_STRETCHES]
        ]

    # docs: end-overlaps

    def _changes(self, grams: Sequence[tuple[bytes, ...]]) -> Iterator[tuple[int, frozenset[int], frozenset[int]]]:
        """Positions at which other passages hold the n-gram than at the one before: those that join, those that go."""
        nobody: frozenset[int] = frozenset()
        before = nobody
        known: dict[tuple[frozenset[int], frozenset[int]], tuple[frozenset[int], frozenset[int]]] = {}
        for position in range(len(grams) + 1):
            now = self._holders.get(grams[position], nobody) if position < len(grams) else nobody
            if now is not before:
                if (before, now) not in known:
                    known[before, now] = (now - before, before - now)
                yield position, *known[before, now]
                before = now


def ngrams(text: str, n: int) -> Iterator[tuple[bytes, ...]]:
    """Runs of n consecutive words of a text, in order: the definition."""
    found = words(text)
    return (tuple(found[start : start + n]) for start in range(len(found) - n + 1))


def _hashes(texts: pa.Array, n: int) -> list[np.ndarray]:
    return [batch.hashes for batch in shingle_stream(texts, n)]


def _slots(hashes: np.ndarray) -> np.ndarray:
    return hashes & np.uint64((1 << _BITS) - 1)
