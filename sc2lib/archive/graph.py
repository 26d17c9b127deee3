"""The Software Heritage graph as tables: the columns of its public export that the walk needs.

Objects are stored once, however often they occur: a Merkle DAG, not a forest. Identifiers are hexadecimal
strings; names and messages are bytes, because nothing guarantees that they are text. Persons are stored as the
SHA-256 of their name and address, as in the public export.
"""

import hashlib
from collections.abc import Iterable, Mapping

import pyarrow as pa

from sc2lib.archive import swhid
from sc2lib.archive.swhid import Branch, ContentHashes, Entry
from sc2lib.tables import TIMESTAMP

ORIGIN = pa.schema([("id", pa.string()), ("url", pa.string())])
ORIGIN_VISIT_STATUS = pa.schema(
    [
        ("origin", pa.string()),
        ("visit", pa.int64()),
        ("date", TIMESTAMP),
        ("status", pa.string()),
        ("snapshot", pa.string()),
        ("type", pa.string()),
    ]
)
SNAPSHOT_BRANCH = pa.schema(
    [
        ("snapshot_id", pa.string()),
        ("name", pa.binary()),
        ("target", pa.string()),
        ("target_type", pa.string()),
    ]
)
REVISION = pa.schema(
    [
        ("id", pa.string()),
        ("message", pa.binary()),
        ("author", pa.string()),
        ("date", TIMESTAMP),
        ("date_offset", pa.int16()),
        ("committer", pa.string()),
        ("committer_date", TIMESTAMP),
        ("committer_offset", pa.int16()),
        ("directory", pa.string()),
        ("type", pa.string()),
    ]
)
RELEASE = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.binary()),
        ("message", pa.binary()),
        ("target", pa.string()),
        ("target_type", pa.string()),
        ("author", pa.string()),
        ("date", TIMESTAMP),
        ("date_offset", pa.int16()),
    ]
)
DIRECTORY_ENTRY = pa.schema(
    [
        ("directory_id", pa.string()),
        ("name", pa.binary()),
        ("type", pa.string()),
        ("target", pa.string()),
        ("perms", pa.int32()),
    ]
)
CONTENT = pa.schema([("sha1", pa.string()), ("sha1_git", pa.string()), ("length", pa.int64())])
# What a visit could not read. Such a file has no identifier, so the directory above is recorded without it.
SKIPPED = pa.schema([("origin", pa.string()), ("path", pa.binary()), ("reason", pa.string())])

GRAPH = {
    "origin": ORIGIN,
    "origin_visit_status": ORIGIN_VISIT_STATUS,
    "snapshot_branch": SNAPSHOT_BRANCH,
    "revision": REVISION,
    "release": RELEASE,
    "directory_entry": DIRECTORY_ENTRY,
    "content": CONTENT,
    "skipped": SKIPPED,
}
_TYPES = {swhid.DIRECTORY: "dir", swhid.SUBMODULE: "rev"}


def person(fullname: bytes | None) -> str | None:
    """A person's column: the SHA-256 of ``Name <address>``."""
    return None if fullname is None else hashlib.sha256(fullname).hexdigest()


class Graph:
    """Collects the objects of one or more origins; each object is kept once."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[tuple, None]] = {name: {} for name in GRAPH}
        self._directories: set[str] = set()

    def add(self, table: str, *row: object) -> None:
        """Add one row, in the order of the table's schema."""
        self._rows[table][row] = None

    def add_content(self, hashes: ContentHashes) -> str:
        """Add a file's bytes; returns the identifier."""
        self.add("content", hashes.sha1, hashes.sha1_git, hashes.length)
        return hashes.sha1_git

    def add_directory(self, entries: Iterable[Entry]) -> str:
        """Add one directory; returns its identifier."""
        entries = list(entries)
        identifier = swhid.directory(entries)
        if identifier not in self._directories:
            self._directories.add(identifier)
            for name, mode, target in entries:
                self.add("directory_entry", identifier, name, _TYPES.get(mode, "file"), target, mode)
        return identifier

    def add_tree(self, files: Mapping[bytes, tuple[int, str]], empty: Iterable[bytes] = ()) -> str:
        """Add every directory above the given files; returns the root's identifier.

        `files` maps a path (bytes, parts joined by "/") to mode and target; `empty` names directories to add
        even when no file lies below. No recursion: a path may be as deep as it likes.
        """
        below: dict[bytes, list[Entry]] = {b"": []}

        def folder(path: bytes) -> list[Entry]:
            missing = path
            while missing not in below:
                below[missing] = []
                missing = missing.rpartition(b"/")[0]
            return below[path]

        for path, (mode, target) in files.items():
            parent, _, name = path.rpartition(b"/")
            folder(parent).append(Entry(name, mode, target))
        for path in empty:
            folder(path)
        for path in sorted(below, key=lambda path: (-path.count(b"/"), path)):
            if path:
                identifier = self.add_directory(below[path])
                parent, _, name = path.rpartition(b"/")
                below[parent].append(Entry(name, swhid.DIRECTORY, identifier))
        return self.add_directory(below[b""])

    def add_release(self, name: bytes, root: str, message: bytes) -> str:
        """Add a release of a root directory that nobody signed and nobody dated."""
        identifier = swhid.release(name, root, "directory", message)
        self.add("release", identifier, name, message, root, "directory", None, None, None)
        return identifier

    def add_visit(self, url: str, visit_type: str, branches: Mapping[bytes, Branch]) -> str:
        """Add an origin with one full visit that saw these branches; returns the snapshot's identifier.

        The visit has no date: the sources are copies that carry none, and the hour of reading them would
        make every run different.
        """
        snapshot = swhid.snapshot(branches)
        self._add_origin(url)
        self.add("origin_visit_status", url, 1, None, "full", snapshot, visit_type)
        for name, (kind, target) in branches.items():
            shown = target.decode("utf-8", "backslashreplace") if isinstance(target, bytes) else target
            self.add("snapshot_branch", snapshot, name, shown, kind)
        return snapshot

    def add_failed_visit(self, url: str, visit_type: str, reason: str) -> None:
        """Add an origin whose visit saw nothing; the walk passes it over, `skipped` says why."""
        self._add_origin(url)
        self.add("origin_visit_status", url, 1, None, "failed", None, visit_type)
        self.add("skipped", url, b"", reason)

    def _add_origin(self, url: str) -> None:
        self.add("origin", hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest(), url)

    def tables(self) -> tuple[pa.Table, ...]:
        """The tables in the order of `GRAPH`, rows sorted."""
        result = []
        for name, schema in GRAPH.items():
            rows = sorted(self._rows[name], key=lambda row: tuple((value is not None, value) for value in row))
            columns = zip(*rows) if rows else ((),) * len(schema)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema)]
            result.append(pa.Table.from_arrays(arrays, schema=schema))
        return tuple(result)
