"""Licence names: the SPDX identifiers behind what people write, from ``GPLv3`` to a line of prose.

Names come from ScanCode's licence index (shipped by ``license-expression``), the SPDX list and the aliases of
`license_data.json`; none of them is guessed: a name that is not in a table means nothing.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib import resources
from itertools import islice
from typing import Any

import re2
from license_expression import get_license_index

from sc2lib.curation.licenses.spdx import reference_addresses, reference_names
from sc2lib.curation.licenses.texts import Match
from sc2lib.license_expressions import licensing, parse
from sc2lib.license_refusals import HEADED_REFUSAL, PROPRIETARY, REFUSALS, is_refusal

NOASSERTION = "NOASSERTION"  # a licence is stated, but not one that is known
FORBIDDEN = "LicenseRef-scancode-proprietary-license"
UNKNOWN_REFERENCE = "LicenseRef-scancode-unknown-license-reference"
UNKNOWN_SPDX = "LicenseRef-scancode-unknown-spdx"  # what ScanCode says of a tag's licence that it does not know

# All patterns run on RE2, which reads every byte once, so that no file can stall them.
SPDX_TAG = re2.compile(rb"(?i)SPDX[- ]licen[sc]e[- ]identifier[ \t]*:[*\"'` \t]*([A-Za-z0-9(][A-Za-z0-9.+():/,_ \t-]*)")
# "released under the terms of the Apache License, Version 2.0"; and a heading "License" with one short line below.
MENTION = re2.compile(
    rb"(?i)\b(?:licen[sc]ed|released|distributed|available|provided|published|covered|made available)\s+"
    rb"(?:under|by)\s+(?:the\s+)?(?:terms\s+(?:and\s+conditions\s+)?of\s+)?(?:both\s+)?(?:the\s+|an?\s+)?"
    rb"([A-Za-z0-9][^\n;\"`*_\[\]<>]{1,60}(?:\n[^\n;\"`*_\[\]<>]{1,30})?)"
)
HEADING = re2.compile(rb"(?im)^\W*licen[sc]e\W*\n+[-=~^#*\s]*([A-Za-z0-9][^\n]{1,60})$")
# "License: MIT", "__license__ = 'Apache-2.0'", "License :: OSI Approved :: MIT License"
KEYED = re2.compile(
    rb"(?i)(?:\b|__)licen[sc]e(?:d|__)?[\"']?[ \t]*[:=]+[ \t]*(?:OSI Approved[ \t]*::[ \t]*)?"
    rb"[\"'\[]?([A-Za-z0-9][^\n\"',;|\]]{1,60})"
)
# The notice of the GNU licences: they differ in one word and a number, which shared wording would drown.
GNU_NOTICE = re2.compile(
    rb"(?i)\b(?:under|terms\W+(?:and\W+conditions\W+)?of)\W+(?:the\W+)?(?:terms\W+of\W+)?(?:the\W+)?"
    rb"(?:version\W+(\d(?:\.\d)?)(\W+or\W+(?:later|higher))?\W+of\W+)?(?:the\W+)?"
    rb"GNU\W+(?:(Lesser|Library|Affero)\W+)?General\W+Public\W+Licen[sc]e(?:\W+[AL]?GPL)?"
    rb"(?:\W+as\W+published\W+by\W+the\W+Free\W+Software\W+Foundation)?(?:\W+either)?"
    rb"(?:\W+v(?:ersion)?\W*(\d(?:\.\d)?))?(?:\W+of\W+the\W+Licen[sc]e)?"
    rb"(\W+or\W+(?:at\W+your\W+option\W+)?(?:any\W+)?(?:later|newer))?"
)
GNU_FAMILIES = {b"": "GPL", b"lesser": "LGPL", b"library": "LGPL", b"affero": "AGPL"}
DEBIAN_TEXT = re2.compile(rb"/usr/share/common-licenses/([A-Z][A-Za-z0-9.-]*[A-Za-z0-9])")
PUBLIC_DOMAIN = re2.compile(
    rb"(?i)\b(?:placed|released|put|dedicat(?:ed|es?))\b[^.;]{0,160}?\b(?:in|into|to)\s+the\s+public\s+domain"
)
# "Is not licensed under", "no longer released under the terms of", "not in the public domain": what is named from there
# to the end of the sentence, or to the next statement, is what the text is not under. "Not only" denies nothing.
_GAP = rb"[\s*#/>\"'_-]+"
DENIAL = re2.compile(
    rb"(?i)\b(?:not|never|cannot|no\s+longer|neither|nor|(?:is|are|was|were|has|have|can|may|do|does)n['\x{2019}]t)"
    rb"(?:"
    + _GAP
    + rb"(?:be|been|being|yet|currently|also|itself|dual|explicitly|made|is|are|it|they)){0,3}"
    + _GAP
    + rb"(?:(?:(?:licen[sc]ed|released|distributed|available|provided|published|covered)"
    + _GAP
    + rb")?under\b"
    rb"|(?:licen[sc]ed|covered)" + _GAP + rb"by\b"
    rb"|(?:(?:placed|released|put|dedicated)" + _GAP + rb")?(?:in|into|to)" + _GAP + rb"the" + _GAP + rb"public\b)"
)
DENIAL_END = re2.compile(
    rb"(?i)[.;!?](?:\s|$)|\n[\s*#/>]*\n|\b(?:but|instead|rather|except|unless|licen[sc]ed|released|distributed)\b"
)
LONGEST_DENIAL = 300  # bytes
URL = re2.compile(rb"https?://([^\s<>()\[\]\"'`]+)")
MOST_MENTIONS = 1000  # per pattern and file
FILLER = {"the", "license", "licence", "software", "version", "v", "style", "terms", "open", "source", "for", "of"}
LONGEST_NAME = 9  # words


def tags(text: str) -> list[Match]:
    """Licences named by ``SPDX-License-Identifier`` tags, with their lines.

    A tag always says that there is a licence. One that is not on the list (``LicenseRef-Acme``), or an expression
    that nobody can read, is UNKNOWN_SPDX.
    """
    found = _Finder(text)
    for tag, line in found.all(SPDX_TAG):
        for name in _tagged(tag.strip(" \t-/.:,")):
            found.add(name, "tag", line)
    return found.matches


def mentions(text: str) -> list[Match]:
    """Licences that a text says it is under, names below a heading "License", or links to, in that order.

    A notice that forbids ("proprietary and confidential", "non-commercial use only") is a licence, too. A text of a
    few words is taken for a name (``Apache 2.0`` is a whole LICENSE file in the wild). A licence that the text says it
    is *not* under counts as UNKNOWN_REFERENCE: there are terms, and these are not they.
    """
    found = _Finder(text)
    if len(text) < LONGEST_NAME * 10 and (name := resolve(text)):
        found.add(name, "name", 1)
    for _, line, denied in found.named(PUBLIC_DOMAIN, group=0):
        found.add(UNKNOWN_REFERENCE if denied else "LicenseRef-scancode-public-domain", "name", line)
    for pattern in (PROPRIETARY, REFUSALS):
        for _, line in found.all(pattern, group=0):
            found.add(FORBIDDEN, "name", line)
    for _, line in found.all(HEADED_REFUSAL):
        found.add(FORBIDDEN, "name", line)
    if len(text) < LONGEST_NAME * 10 and is_refusal(text):
        found.add(FORBIDDEN, "name", 1)
    notices = found.gnu_notices()
    for pattern in (MENTION, KEYED, HEADING):
        for phrase, line, denied in found.named(pattern):
            if not notices.isdisjoint((line - 1, line, line + 1)) and re.match("gnu|version", phrase, re.IGNORECASE):
                continue
            if name := _leading_name(phrase):
                found.add(UNKNOWN_REFERENCE if denied else name, "name", line)
    for url, line, denied in found.named(URL):
        if name := _addresses().get(_address(url)):
            found.add(UNKNOWN_REFERENCE if denied else name, "link", line)
    if not found.seen:
        for phrase, line in found.all(DEBIAN_TEXT):
            if name := _leading_name(phrase):
                found.add(name, "link", line)
    return found.matches


class _Finder:
    """Finds patterns in a text and collects what they name, each licence once per line."""

    def __init__(self, text: str) -> None:
        self.data = text.encode("utf-8", "replace")
        self.denials = [self._denial(match) for match in islice(DENIAL.finditer(self.data), MOST_MENTIONS)]
        self.seen: dict[tuple[str, int], Match] = {}

    @property
    def matches(self) -> list[Match]:
        return list(self.seen.values())

    def add(self, license: str, method: str, line: int) -> None:
        self.seen.setdefault((license, line), Match(license, method, 1.0, line, line))

    def _denial(self, match: Any) -> tuple[int, int]:
        """From the first byte of a denial to the end of what it denies."""
        limit = match.end() + LONGEST_DENIAL
        end = DENIAL_END.search(self.data, match.end(), limit)
        return match.start(), end.start() if end else min(limit, len(self.data))

    def _denied_to(self, place: int) -> int:
        """Where the denial ends in which a byte stands; 0 if it stands in none."""
        number = bisect_right(self.denials, (place, len(self.data))) - 1
        end = self.denials[number][1] if number >= 0 else 0
        return end if place < end else 0

    def all(self, pattern: Any, group: int = 1) -> Iterator[tuple[str, int]]:
        """The text of the group in each match, and its line."""
        for match, line in self.found(pattern, group):
            yield match[group].decode("utf-8", "replace"), line

    def named(self, pattern: Any, group: int = 1) -> Iterator[tuple[str, int, bool]]:
        """The same, and whether it is denied; the search goes on behind what is denied."""
        place = line = counted = 0
        for _ in range(MOST_MENTIONS):
            match = pattern.search(self.data, place)
            if match is None:
                return
            start = match.start(group)
            line, counted = line + self.data.count(b"\n", counted, start), start
            denied_to = self._denied_to(start)
            yield match[group].decode("utf-8", "replace"), line + 1, denied_to > 0
            place = denied_to or match.end()

    def found(self, pattern: Any, group: int) -> Iterator[tuple[Any, int]]:
        """The first MOST_MENTIONS matches, with the line on which the group begins."""
        line = counted = 0
        for match in islice(pattern.finditer(self.data), MOST_MENTIONS):
            line, counted = line + self.data.count(b"\n", counted, match.start(group)), match.start(group)
            yield match, line + 1

    def gnu_notices(self) -> set[int]:
        """Add the licences of GNU notices; return their lines. Without a version, any version will do."""
        lines = set()
        for match, line in self.found(GNU_NOTICE, 0):
            before, or_later_before, family, behind, or_later = match.groups()
            version = (before or behind or b"1").decode()
            later = or_later_before or or_later or not (before or behind)
            whole = version if "." in version else version + ".0"
            name = f"{GNU_FAMILIES[(family or b'').lower()]}-{whole}-{'or-later' if later else 'only'}"
            if parse(name) is None:
                name = name.replace("-1.0-", "-2.0-").replace("AGPL-2.0", "AGPL-3.0")
            self.add(UNKNOWN_REFERENCE if self._denied_to(match.start()) else name, "header", line)
            lines.add(line)
        return lines


def licenses_of(expression: str) -> list[str] | None:
    """The licences of an SPDX or ScanCode expression, each once; None when it does not parse to known names.

    ``MIT OR GPL-2.0-only WITH Classpath-exception-2.0`` has three, as ScanCode's symbols in the paper's code.
    """
    parsed = parse(expression)
    if parsed is None:
        return None
    return list(dict.fromkeys(symbol.key for symbol in licensing().license_symbols(parsed, decompose=True)))


def _tagged(expression: str) -> list[str]:
    """The licences of a tag's expression, each once, with UNKNOWN_SPDX for those that are not known."""
    parsed = parse(expression, validate=False)
    if parsed is None:
        return [UNKNOWN_SPDX]
    unknown = set(licensing().unknown_license_keys(parsed))
    symbols = licensing().license_symbols(parsed, decompose=True)
    return list(dict.fromkeys(UNKNOWN_SPDX if symbol.key in unknown else symbol.key for symbol in symbols))


def resolve(name: str) -> str | None:
    """The SPDX identifier of a licence name as people write it (``Apache License, Version 2.0``), or None."""
    shorter = re.sub(r"\([^)]*\)", " ", name)
    return _names().get(_words(shorter)) or _names().get(_words(name))


@lru_cache(10_000)
def _leading_name(phrase: str) -> str | None:
    """The longest known name a phrase begins with."""
    words = re.split(r"\s+", phrase.strip())
    for count in range(min(LONGEST_NAME, len(words)), 0, -1):
        name = resolve(" ".join(words[:count]).rstrip(".,:"))
        if name:
            return name
    return None


def _words(name: str) -> tuple[str, ...]:
    """What identifies a name: lower-case words without filler, versions without their ``v`` and ``.0``."""
    words = re.findall(r"[a-z]+|\d+(?:\.\d+)*", name.lower())
    words = [re.sub(r"(\.0)+$", "", word) for word in words]
    return tuple(word for word in words if word not in FILLER)


@cache
def _names() -> dict[tuple[str, ...], str]:
    names: dict[tuple[str, ...], str] = {}
    aliases = data()["aliases"]
    for alias in aliases:
        names[_words(alias)] = aliases[alias]
    for identifier, full_name in reference_names().items():
        names.setdefault(_words(identifier), identifier)
        names.setdefault(_words(full_name), identifier)
    for entry in get_license_index():
        if entry["spdx_license_key"]:
            names.setdefault(_words(entry["license_key"]), entry["spdx_license_key"])
    return {words: name for words, name in names.items() if words}


def _address(url: str) -> str:
    """What two spellings of one address share."""
    address = re.sub(r"^https?://", "", url).lower().removeprefix("www.").rstrip("/.,;:")
    return re.sub(r"(\.(html|txt|php|en)|/legalcode)+$", "", address)


@cache
def _addresses() -> dict[str, str]:
    addresses: dict[str, str] = {}
    for identifier, urls in reference_addresses().items():
        for url in urls:
            addresses.setdefault(_address(url), identifier)
    return addresses


@cache
def data() -> dict:
    """The shipped table: names that change no licence type, aliases."""
    return json.loads(resources.files(__package__).joinpath("license_data.json").read_text(encoding="utf-8"))
