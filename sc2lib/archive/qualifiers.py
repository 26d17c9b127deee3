"""SWHIDs with qualifiers: an object, and where it was found (SWHID specification, section on qualified identifiers).

``swh:1:cnt:...;origin=URL;visit=swh:1:snp:...;anchor=swh:1:rev:...;path=/src/a.py;lines=9-15``. A semicolon ends a
value and a percent sign starts an escape, so both are escaped in values; so is what could not stand in a line of text.
"""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from sc2lib.archive.swhid import Swhid
from sc2lib.errors import ParameterError

NAMES = ("origin", "visit", "anchor", "path", "lines")  # in the order they are written
ANCHORS = ("dir", "rev", "rel", "snp")
_UNSAFE = re.compile(r"[%;\s\x00-\x1f\x7f]")
_LINES = re.compile(r"([0-9]+)(?:-([0-9]+))?")


@dataclass(frozen=True)
class QualifiedSwhid:
    """A core SWHID with its context; every qualifier may be missing.

    `visit` is the snapshot of a visit, `anchor` the node that `path` (bytes, from the root) starts at, `lines` the
    first and the last line, counted from one; the last is None for a single line.
    """

    core: Swhid
    origin: str | None = None
    visit: Swhid | None = None
    anchor: Swhid | None = None
    path: bytes | None = None
    lines: tuple[int, int | None] | None = None

    def __post_init__(self) -> None:
        if self.visit is not None and self.visit.kind != "snp":
            raise ParameterError(f"the qualifier visit must be a snapshot (swh:1:snp:...), not {self.visit}")
        if self.anchor is not None and self.anchor.kind not in ANCHORS:
            raise ParameterError(f"the qualifier anchor must be one of {', '.join(ANCHORS)}, not {self.anchor}")
        if self.lines is not None:
            first, last = self.lines
            if first < 1 or (last is not None and last < first):
                raise ParameterError(f"the qualifier lines counts from one, first before last: {self.lines}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a SWHID with or without qualifiers; ParameterError says what is wrong with it."""
        core, *parts = text.split(";")
        given: dict[str, str] = {}
        for part in parts:
            name, equals, value = part.partition("=")
            if not equals or name not in NAMES:
                raise ParameterError(
                    f"not a qualifier: {part!r} in {text!r}; there are {', '.join(NAMES)}, as name=value"
                )
            if name in given:
                raise ParameterError(f"the qualifier {name} stands twice in {text!r}")
            given[name] = value
        return cls(
            Swhid.parse(core),
            unquote_to_bytes(given["origin"]).decode("utf-8", "replace") if "origin" in given else None,
            Swhid.parse(given["visit"]) if "visit" in given else None,
            Swhid.parse(given["anchor"]) if "anchor" in given else None,
            unquote_to_bytes(given["path"]) if "path" in given else None,
            _lines(given["lines"]) if "lines" in given else None,
        )

    def qualifiers(self) -> dict[str, str]:
        """The qualifiers that are there, escaped, in the order they are written."""
        values = {
            "origin": None if self.origin is None else _UNSAFE.sub(_escape, self.origin),
            "visit": None if self.visit is None else str(self.visit),
            "anchor": None if self.anchor is None else str(self.anchor),
            "path": None if self.path is None else quote_from_bytes(self.path),
            "lines": None if self.lines is None else "-".join(str(line) for line in self.lines if line is not None),
        }
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        return ";".join([str(self.core), *(f"{name}={value}" for name, value in self.qualifiers().items())])


def _lines(text: str) -> tuple[int, int | None]:
    match = _LINES.fullmatch(text)
    if match is None:
        raise ParameterError(f"not a range of lines: {text!r}; write lines=9 or lines=9-15")
    return int(match[1]), int(match[2]) if match[2] else None


def _escape(match: re.Match[str]) -> str:
    return quote_from_bytes(match[0].encode())
