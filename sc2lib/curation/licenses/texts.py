"""Licence texts: which SPDX licences a text holds and on which lines, however they are wrapped or bundled.

The references are the texts of the SPDX list (see `spdx`): about 700 licences, 80 exceptions, 90 notices for file
headers. A text is compared with all of them at once:

1. both become words (see `license_words`), and a text with the same words is an exact match;
2. otherwise a licence is a candidate if at least `similarity` of its distinct 3-word shingles stand in one stretch of
   the text not much longer than the licence;
3. the stretch with the largest gain, (shingles found) - (shingles missing) / 2, wins: BSD-3-Clause beats
   BSD-2-Clause, which it contains, and MIT beats the licences that add a sentence to it;
4. a near-twin of the winner that stands in the same place takes over when more of its own wording is there (see
   `license_twins`). The search goes on with the words not accounted for, so that a bundle of licences yields all of
   them, each with its lines.

Licences with one text for two identifiers (GPL-2.0-only, GPL-2.0-or-later) are reported as the first, as
ScanCode does.
"""

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sc2lib.curation.licenses.spdx import current_identifiers, entries, preference
from sc2lib.curation.licenses.twins import are_twins, distinguishing, share_present
from sc2lib.curation.licenses.words import SHINGLE_WORDS, Words, words
from sc2lib.dedup.shingles import Hashes

SMALLEST_REFERENCE = 10  # shingles; a shorter reference would match ordinary prose
MISSING_PENALTY = 0.5
UNEXPLAINED = 0.5  # share of a further licence's shingles that no licence found before it accounts for
STRETCH = 1.5  # longest stretch of a match, in lengths of the licence
# What bounds the work on a file of 50 MB: times one shingle is looked at, and shingles looked at for all licences, the
# best known first. The largest real bundle we met, 200 kB, needs a tenth of them.
MOST_REPEATS = 1000
MOST_STEPS = 10_000_000
FEWEST_FIXED = 0.5  # of a licence's shingles; a template that fixes less tells nothing about its wording
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
    start: int  # the first of the positions
    stop: int  # one beyond the last


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
    fixed: list[npt.NDArray[np.int32]]  # those of them that SPDX does not let anyone replace
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
    stretches = sorted(_stretches(positions, shingles, similarity), key=lambda one: (one.start, one.reference))
    starts = np.array([one.start for one in stretches])
    longest = max((one.stop - one.start for one in stretches), default=0)
    queue = [(-_gain(one, one.shingles), one.reference, number) for number, one in enumerate(stretches)]
    heapq.heapify(queue)
    explained = np.zeros(len(found), bool)
    matches = []
    while queue:
        promised, reference, number = heapq.heappop(queue)
        stretch = stretches[number]
        gain = _gain(stretch, stretch.shingles[~explained[stretch.positions]])
        if gain <= 0:
            continue
        if gain < -promised:  # another match accounts for some of it: it waits for its turn
            heapq.heappush(queue, (-gain, reference, number))
            continue
        low, high = np.searchsorted(starts, (stretch.start - longest, stretch.stop))
        for rival in stretches[low:high]:
            if _takes_over(rival, stretch, explained):
                stretch = rival
        explained[stretch.positions] = True
        share = len(np.unique(stretch.shingles)) / references.sizes[stretch.reference]
        matches.append(_match(stretch.reference, share, found, stretch.start, stretch.stop + SHINGLE_WORDS - 2))
    return sorted(matches, key=lambda match: (match.first_line, match.last_line, match.license))


def _gain(stretch: _Stretch, new: npt.NDArray[np.int32]) -> float:
    """What a match would explain, less half of what it misses; 0 if most of it is explained already."""
    size, distinct = _references().sizes[stretch.reference], len(np.unique(new))
    if distinct < UNEXPLAINED * size:
        return 0.0
    return float(distinct - MISSING_PENALTY * (size - len(np.unique(stretch.shingles))))


# docs: end-match


def _takes_over(rival: _Stretch, stretch: _Stretch, explained: npt.NDArray[np.bool_]) -> bool:
    """Whether a rival is a near-twin in the same place of which more distinguishing words are there."""
    overlap = min(rival.stop, stretch.stop) - max(rival.start, stretch.start)
    if overlap < UNEXPLAINED * min(rival.stop - rival.start, stretch.stop - stretch.start):
        return False
    theirs = _distinguishing(rival.reference, stretch.reference)
    if theirs is None or _gain(rival, rival.shingles[~explained[rival.positions]]) <= 0:
        return False
    ours = _distinguishing(stretch.reference, rival.reference)
    present = {*rival.shingles.tolist(), *stretch.shingles.tolist()}
    return ours is not None and share_present(theirs, present) > share_present(ours, present)


@lru_cache(100_000)
def _distinguishing(one: int, other: int) -> npt.NDArray[np.int32] | None:
    """What tells a reference from a near-twin; None if the two are not twins."""
    references = _references()
    if one == other or not are_twins(references.own[one], references.own[other]):
        return None
    return distinguishing(references.fixed[one], references.own[other])


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
                yield _Stretch(reference, places[part], kinds[part], int(places[part][0]), int(places[part][-1]) + 1)


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


def _demanded(shingles: Hashes, demands: Hashes | None) -> npt.NDArray[np.bool_]:
    """Which shingles of a reference its template fixes; all, where there is no template or it fixes too little."""
    if demands is not None:
        fixed = np.isin(shingles, demands, assume_unique=True)
        if fixed.mean() >= FEWEST_FIXED:
            return fixed
    return np.ones(len(shingles), bool)


@cache
def _references() -> _References:
    exact: dict[bytes, int] = {}
    licenses: list[str] = []
    methods: list[str] = []
    sets: list[Hashes] = []
    lengths: list[int] = []
    fixed: list[npt.NDArray[np.bool_]] = []
    for method, field in (("text", "licenseText"), ("header", "standardLicenseHeader")):
        for identifier in sorted(current_identifiers(), key=preference):
            if method == "header" and GNU.match(identifier):
                continue  # license_names.GNU_NOTICE tells them apart
            whole = entries()[identifier][field] or ""
            demands = np.unique(words(entries()[identifier]["fixed"]).shingles) if method == "text" else None
            for variant in (whole, *(whole[: tail.start()] for tail in OPTIONAL_TAIL.finditer(whole))):
                found = words(variant)
                if len(found) and found.digest not in exact:
                    exact[found.digest] = len(licenses)
                    licenses.append(identifier)
                    methods.append(method)
                    lengths.append(len(found))
                    sets.append(np.unique(found.shingles))
                    fixed.append(_demanded(sets[-1], demands))
    sizes = np.array([len(one) for one in sets])
    every = np.concatenate(sets)
    owners = np.repeat(np.arange(len(sets), dtype=np.int32), sizes)
    shingles, places = np.unique(every, return_inverse=True)
    order = np.argsort(places, kind="stable")
    starts = np.searchsorted(places[order], np.arange(len(shingles) + 1))
    own = np.split(places.astype(np.int32), np.cumsum(sizes)[:-1])
    demanded_of = [one[chosen] for one, chosen in zip(own, fixed, strict=True)]
    sizes = np.where(sizes < SMALLEST_REFERENCE, 1 << 40, sizes)  # never similar, only equal
    return _References(licenses, methods, lengths, sizes, shingles, starts, owners[order], own, demanded_of, exact)
