"""Licence names: the SPDX identifiers behind what people write, from ``GPLv3`` to a line of prose.

Names come from ScanCode's licence index (shipped by ``license-expression``), the SPDX list and the aliases of
`license_data.json`; none of them is guessed: a name that is not in a table means nothing.
"""

import json
import re
from functools import cache
from importlib import resources
from typing import Any

from license_expression import ExpressionError, Licensing, get_license_index, get_spdx_licensing

from sc2lib.curation.license_texts import reference_addresses, reference_names

NOASSERTION = "NOASSERTION"  # a licence is stated, but not one that is known

SPDX_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+() :-]+)")
# "released under the terms of the Apache License, Version 2.0"; and a heading "License" with one short line below.
MENTION = re.compile(
    r"\b(?:licen[sc]ed|released|distributed|available|provided|published|covered|made available)\s+"
    r"under\s+(?:the\s+)?(?:terms\s+(?:and\s+conditions\s+)?of\s+)?(?:both\s+)?(?:the\s+|an?\s+)?"
    r"([A-Za-z0-9][^\n;\"`*_\[\]<>]{1,60}(?:\n[^\n;\"`*_\[\]<>]{1,30})?)",
    re.IGNORECASE,
)
HEADING = re.compile(r"^\W*licen[sc]e\W*\n+[-=~^#*\s]*([A-Za-z0-9][^\n]{1,60})$", re.IGNORECASE | re.MULTILINE)
PUBLIC_DOMAIN = re.compile(
    r"\b(?:placed|released|put|dedicat(?:ed|es?))\b[^.;]{0,160}?\b(?:in|into|to)\s+the\s+public\s+domain", re.IGNORECASE
)
URL = re.compile(r"https?://([^\s<>()\[\]\"'`]+)")
FILLER = {"the", "license", "licence", "software", "version", "v", "style", "terms", "open", "source", "for", "of"}
LONGEST_NAME = 9  # words


def spdx_tags(text: str) -> list[str]:
    """Licences named by ``SPDX-License-Identifier`` tags, in order of appearance."""
    found: dict[str, None] = {}
    for tag in SPDX_TAG.findall(text):
        found |= dict.fromkeys(licenses_of(tag.strip(" -*/")) or ())
    return list(found)


def mentions(text: str) -> list[str]:
    """Licences that a text says it is under, names below a heading "License", or links to, in that order.

    A text of a few words is taken for a name (``Apache 2.0`` is a whole LICENSE file in the wild).
    """
    found: dict[str, None] = {}
    if len(text) < LONGEST_NAME * 10 and (name := resolve(text)):
        found[name] = None
    if PUBLIC_DOMAIN.search(text):
        found["LicenseRef-scancode-public-domain"] = None
    for pattern in (MENTION, HEADING):
        for phrase in pattern.findall(text):
            name = _leading_name(phrase)
            if name:
                found[name] = None
    for url in URL.findall(text):
        if name := _addresses().get(_address(url)):
            found[name] = None
    return list(found)


def licenses_of(expression: str) -> list[str] | None:
    """The licences of an SPDX or ScanCode expression, each once; None when it does not parse to known names.

    ``MIT OR GPL-2.0-only WITH Classpath-exception-2.0`` has three, as ScanCode's symbols in the paper's code.
    """
    parsed = parse(expression)
    if parsed is None:
        return None
    return list(dict.fromkeys(symbol.key for symbol in _licensing().license_symbols(parsed, decompose=True)))


def parse(expression: str) -> Any:
    """A parsed licence expression with current SPDX keys (a ``license_expression`` node), or None."""
    try:
        return _licensing().parse(expression, validate=True)
    except ExpressionError:
        return None


def resolve(name: str) -> str | None:
    """The SPDX identifier of a licence name as people write it (``Apache License, Version 2.0``), or None."""
    shorter = re.sub(r"\([^)]*\)", " ", name)
    return _names().get(_words(shorter)) or _names().get(_words(name))


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
def _licensing() -> Licensing:
    return get_spdx_licensing()


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
    """The shipped table: Blue Oak's list, names that change no licence type, aliases."""
    return json.loads(resources.files(__package__).joinpath("license_data.json").read_text(encoding="utf-8"))
