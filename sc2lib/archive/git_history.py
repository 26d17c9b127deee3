"""git's commits and annotated tags as rows of the graph.

The fields reproduce the object's bytes, and so its identifier, in almost every case. Where they do not (headers in
an odd order, a damaged date) the bytes themselves are kept as ``raw_manifest``, as Software Heritage does.
"""

import re
from typing import NamedTuple

from sc2lib.archive import swhid
from sc2lib.archive.graph import Graph, person

_SIGNATURE = re.compile(rb"(.*) (-?\d+) ([+-]\d{4,})", re.DOTALL)
_KINDS = {b"commit": "revision", b"tag": "release", b"tree": "directory", b"blob": "content"}
YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800  # a damaged date outside no program can show


class Signature(NamedTuple):
    """Who and when: the person's hash, microseconds since 1970, minutes east of Greenwich, the offset as written.

    None stands for what is damaged or out of range.
    """

    person: bytes | None
    date: int | None
    offset: int | None
    raw_offset: bytes | None


def signature(line: bytes | None) -> Signature:
    """Read git's line ``Name <address> seconds offset``."""
    match = _SIGNATURE.fullmatch(line or b"")
    if match is None:
        return Signature(person(line), None, None, None)
    seconds, offset = int(match[2]), int(match[3])
    minutes = (abs(offset) // 100 * 60 + abs(offset) % 100) * (1 if offset >= 0 else -1)
    date = seconds * 1_000_000 if YEAR_1 <= seconds < YEAR_10000 else None
    return Signature(person(match[1]), date, minutes if abs(minutes) < 1 << 15 else None, match[3])


def headers(raw: bytes) -> tuple[list[tuple[bytes, bytes]], bytes | None]:
    """The headers of a commit or tag in order, continuation lines joined, and the message; None for no message."""
    head, blank, message = raw.partition(b"\n\n")
    if not blank:
        head = head.removesuffix(b"\n")
    lines: list[tuple[bytes, bytes]] = []
    for line in head.split(b"\n"):
        if line.startswith(b" ") and lines:
            key, value = lines[-1]
            lines[-1] = (key, value + b"\n" + line[1:])
        else:
            key, _, value = line.partition(b" ")
            lines.append((key, value))
    return lines, message if blank else None


def add_revision(graph: Graph, identifier: str, raw: bytes) -> str | None:
    """Add a commit with its parents and extra headers; returns its root directory, None when it names none."""
    lines, message = headers(raw)
    fields = dict(reversed(lines))
    parents = [value.decode("ascii", "replace") for key, value in lines if key == b"parent"]
    known = (b"tree", b"parent", b"author", b"committer")
    extra = [(key, value) for key, value in lines if key not in known]
    root = fields[b"tree"].decode("ascii", "replace") if b"tree" in fields else None
    author, committer = fields.get(b"author"), fields.get(b"committer")
    ours = swhid.revision(root or "", author, committer, message, parents, extra)
    manifest = None if ours == identifier else b"commit %d\0" % len(raw) + raw
    who, date, offset, raw_offset = signature(author)
    by, at, east, raw_east = signature(committer)
    row = (message, who, date, offset, raw_offset, by, at, east, raw_east, root, "git", manifest)
    graph.add("revision", identifier, *row)
    for rank, parent in enumerate(parents):
        graph.add("revision_history", identifier, parent, rank)
    for key, value in extra:
        graph.add("revision_extra_headers", identifier, key, value)
    return root


def add_release(graph: Graph, identifier: str, raw: bytes) -> tuple[str, str]:
    """Add an annotated tag; returns the kind (a value of `swhid.KINDS`) and the identifier of what it names."""
    lines, message = headers(raw)
    fields = dict(reversed(lines))
    name, target = fields.get(b"tag", b""), fields.get(b"object", b"").decode("ascii", "replace")
    kind = _KINDS.get(fields.get(b"type", b""), "revision")
    ours = swhid.release(name, target, kind, message, fields.get(b"tagger"))
    manifest = None if ours == identifier else b"tag %d\0" % len(raw) + raw
    graph.add("release", identifier, name, message, target, kind, *signature(fields.get(b"tagger")), manifest)
    return kind, target
