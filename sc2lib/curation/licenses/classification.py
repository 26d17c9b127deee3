"""Licences: from a repository's licence files and metadata to one of three classes for each of its files.

The order is the paper's (V). The repository's own statement comes first (in the paper, GitHub's; here, package
metadata). Where there is none, the licences found in its licence files count, for every file below the folder that
holds them. Permissive and unlicensed files are kept, all others removed.

What differs from the paper: licences are detected by `license_texts` and `license_names`, not by ScanCode; PERMISSIVE
is rebuilt from today's ScanCode categories and Blue Oak's list; a licence file whose text is not recognised counts as
``LicenseRef-scancode-unknown``, so that its files are removed rather than taken for unlicensed.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from functools import cache

from sc2lib.curation.languages import language_by_name
from sc2lib.curation.licenses.names import NOASSERTION, UNKNOWN_REFERENCE, data, mentions, tags
from sc2lib.curation.licenses.texts import Match, match_texts
from sc2lib.curation.licenses.words import words
from sc2lib.license_expressions import is_permissive, permissive_licenses
from sc2lib.license_refusals import reserves, reserves_below_heading

PERMISSIVE_TYPE, NON_PERMISSIVE_TYPE, NO_LICENSE_TYPE = "permissive", "non_permissive", "no_license"
TYPES = (PERMISSIVE_TYPE, NO_LICENSE_TYPE, NON_PERMISSIVE_TYPE)
UNKNOWN = "LicenseRef-scancode-unknown"
# What a file named LICENSE must hold besides copyright lines to be taken for a licence that nobody knows.
FEWEST_WORDS = 3
FEWEST_FOREIGN_LETTERS = 20  # of scripts other than Latin, whose words are not counted
FOREIGN_LETTER = re.compile(r"[^\W\d_\x00-\u02ff]")
LONGEST_POINTER = 1000  # characters; such a text that names other licence files says "see there"
POINTER = re.compile(
    r"(?:\b|_)(?:LICEN[SC]E|COPYING)[._-]\w|/(?:LICEN[SC]E|COPYING)\b"
    r"|\b(?:[Ss]ee|[Ii]n|by|to|file)\s+(?:the\s+)?(?:file\s+)?[\"'`*]*(?:LICEN[SC]E|COPYING)\b(?!\s+[A-Z])"
    r"|(?i:\baccompanying\s+licen[sc]e|\bsame\s+(?:(?:terms|licen[sc]e)\s+)?as\b)"
)
A_PATH = re.compile(r"\s*[^\s:]+\s*")  # what a symbolic link becomes where there are none

# The names of section 1.5, as the authors took them from go-license-detector.
LICENSE_FILE = re.compile(
    r"^(|.*[-_. ])(li[cs]en[cs]e(s?)|legal|copy(left|right|ing)|unlicense|[al]?gpl([-_ v]?)(\d\.?\d?)?|bsd(l?)"
    r"|mit(x?)|apache|artistic|copying(v?)(\d?)|disclaimer|eupl|gfdl|[cm]pl|cc0|al([-_ v]?)(\d\.?\d)?|about|notice"
    r"|readme|guidelines)(|[-_. ].*)$",
    re.IGNORECASE,
)
# Names that promise a licence and nothing else: an unrecognised text in one of them is an unknown licence. Programs
# that deal with licences (`license.py`) and lists of them (`licenses.json`) are told apart by their extension.
LICENSE_PROPER = re.compile(r"(?:(?:un)?li[cs]en[cs]es?|copying)(?:[-_. ].*)?", re.IGNORECASE)
PROSE = {None, "AsciiDoc", "HTML", "Markdown", "Org", "Rich Text Format", "TeX", "Text", "reStructuredText"}
# A wheel keeps the licence files of the whole distribution in this folder, not at the root.
WHEEL_METADATA = re.compile(r"^/[^/]+\.(dist|egg)-info/(licenses/|license_files/)?")


def is_license_file(path: str) -> bool:
    """Whether the name of a file says that it may hold a licence."""
    return LICENSE_FILE.match(posixpath.basename(path)) is not None


# docs: start-detect
def find_licenses(text: str, similarity: float) -> list[Match]:
    """The licences that a text holds, names or points to, in the order of their lines.

    `similarity` is the smallest share of a licence text that must be there (see `license_texts.match_texts`). A name
    or an address inside a licence text is part of that text.
    """
    found = match_texts(text, similarity)
    spans = [(match.first_line, match.last_line) for match in found]
    for match in tags(text) + mentions(text):
        if not any(first <= match.first_line <= last for first, last in spans):
            found.append(match)
    return sorted(found, key=lambda match: (match.first_line, match.last_line, match.license))


# docs: end-detect


def licenses_of_file(path: str, text: str, matches: Iterable[Match]) -> list[str]:
    """SPDX identifiers of the matches, sorted, each once.

    A file whose name promises a licence and which holds no known one yields UNKNOWN, or UNKNOWN_REFERENCE when it
    only points to other files or reserves all rights; nothing, when there is no more in it than copyright lines or a
    word or two. A heading "License" with such a reservation below it is UNKNOWN_REFERENCE in any file, too.
    """
    found = {match.license for match in matches}
    if not found and promises_license(path) and not A_PATH.fullmatch(text):
        if len(text) < LONGEST_POINTER and POINTER.search(text):
            found.add(UNKNOWN_REFERENCE)
        elif len(words(text)) >= FEWEST_WORDS or len(FOREIGN_LETTER.findall(text)) >= FEWEST_FOREIGN_LETTERS:
            found.add(UNKNOWN)
        elif reserves(text):
            found.add(UNKNOWN_REFERENCE)
    elif not found and reserves_below_heading(text):
        found.add(UNKNOWN_REFERENCE)
    return sorted(found)


def promises_license(path: str) -> bool:
    """Whether the name of a file says that it holds a licence and nothing else."""
    name = posixpath.basename(path)
    return LICENSE_PROPER.fullmatch(name) is not None and language_by_name(name) in PROSE


# docs: start-base-path
def base_path(path: str) -> str:
    """The folder whose files a licence file speaks for, with its last slash."""
    wheel = WHEEL_METADATA.match(path)
    if wheel and wheel.end() == path.rindex("/") + 1:
        return "/"
    return path[: path.rindex("/") + 1]


def propagate(path: str, found: Mapping[str, Iterable[str]]) -> list[str]:
    """The licences of a file: all those whose base path is a prefix of its path, sorted.

    `found` maps the base paths of one repository to licences. A licence at the root reaches every file, one in a
    sub-folder only what is below it.
    """
    parents = [path[: index + 1] for index, character in enumerate(path) if character == "/"]
    return sorted({name for parent in parents for name in found.get(parent, ())})


# docs: end-base-path


# docs: start-license-type
def license_type(repository_license: str | None, detected: Iterable[str]) -> str:
    """Permissive, non_permissive or no_license, as the paper's Figure 1 and released code decide.

    `repository_license` is what the repository states about itself (an SPDX identifier or expression, or
    NOASSERTION for a statement that names no known licence), `detected` what was found in its licence files.
    """
    if repository_license and repository_license != NOASSERTION:
        return PERMISSIVE_TYPE if is_permissive(repository_license) else NON_PERMISSIVE_TYPE
    found = set(detected)
    if not found:
        return NON_PERMISSIVE_TYPE if repository_license == NOASSERTION else NO_LICENSE_TYPE
    good = found & permissive_licenses()
    bad = found - good - neutral_licenses()
    if good:
        bad.discard(UNKNOWN_REFERENCE)
    if bad:
        return NON_PERMISSIVE_TYPE
    return PERMISSIVE_TYPE if good else NO_LICENSE_TYPE


# docs: end-license-type


@cache
def neutral_licenses() -> frozenset[str]:
    """Amendments that do not change a licence's type (contributor agreements, disclaimers)."""
    return frozenset(data()["neutral"])
