"""Software Heritage identifiers (SWHID, ISO/IEC 18670) of the five kinds of objects.

An identifier is the SHA-1 of a manifest: the object written down byte for byte, its children by their own
identifiers. Contents, directories, revisions and releases share git's manifests, so that `git hash-object`
gives the same numbers; snapshots have one of their own. A manifest is hashed after the header
``<type> <length>\\0``. Identifiers are 40 lowercase hexadecimal digits here, as in the tables.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Self

from sc2lib.errors import ParameterError

FILE, EXECUTABLE, SYMLINK, DIRECTORY, SUBMODULE = 0o100644, 0o100755, 0o120000, 0o040000, 0o160000
BLOCK = 1 << 20

KINDS = {"cnt": "content", "dir": "directory", "rev": "revision", "rel": "release", "snp": "snapshot"}
_CORE = re.compile(r"swh:1:(cnt|dir|rev|rel|snp):([0-9a-f]{40})")
_GIT_TYPES = {
    "content": b"blob",
    "directory": b"tree",
    "revision": b"commit",
    "release": b"tag",
    "snapshot": b"refs",
}


@dataclass(frozen=True, order=True)
class Swhid:
    """A core SWHID: ``swh:1:<kind>:<hash>``; `kind` is one of cnt, dir, rev, rel, snp."""

    kind: str
    hash: str

    def __post_init__(self) -> None:
        if not _CORE.fullmatch(str(self)):
            raise ParameterError(
                f"not a core SWHID: {str(self)!r}; the form is swh:1:(cnt|dir|rev|rel|snp):"
                "<40 lowercase hexadecimal digits>, without qualifiers"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a core SWHID; ParameterError for anything else."""
        parts = text.split(":", 3)
        if len(parts) != 4 or parts[:2] != ["swh", "1"]:
            raise ParameterError(f"not a core SWHID: {text!r}; it must start with 'swh:1:'")
        return cls(parts[2], parts[3])

    def __str__(self) -> str:
        return f"swh:1:{self.kind}:{self.hash}"


class Entry(NamedTuple):
    """One line of a directory: a name (bytes, no slash), git's mode, and the identifier it points at."""

    name: bytes
    mode: int
    target: str


class Branch(NamedTuple):
    """What a snapshot's branch points at: a kind of object and its identifier, or another branch's name.

    `kind` is a value of `KINDS`, or "alias" (then `target` is the other branch's name) or "dangling" (then "").
    """

    kind: str
    target: str | bytes


def git_object(kind: bytes, manifest: bytes) -> str:
    """Identifier of an object from git's name of its type and its manifest."""
    return hashlib.sha1(b"%s %d\0" % (kind, len(manifest)) + manifest, usedforsecurity=False).hexdigest()


def content(data: bytes) -> str:
    """Identifier of a file's bytes; its name and permissions belong to the directory."""
    return git_object(b"blob", data)


class ContentHashes(NamedTuple):
    """The four names Software Heritage gives a content, and its length in bytes.

    `sha1` is The Stack v2's blob_id, `sha1_git` its content_id and the hash in the SWHID.
    """

    sha1: str
    sha1_git: str
    sha256: str
    blake2s256: str
    length: int


def hash_content(stream: BinaryIO, length: int) -> ContentHashes:
    """Hash a stream of known length in blocks of 1 MiB; ValueError when it turns out shorter or longer."""
    hashes = (
        hashlib.sha1(usedforsecurity=False),
        hashlib.sha1(b"blob %d\0" % length, usedforsecurity=False),
        hashlib.sha256(usedforsecurity=False),
        hashlib.blake2s(usedforsecurity=False),
    )
    done = 0
    while done <= length and (block := stream.read(min(BLOCK, length + 1 - done))):  # most files are small
        for hashed in hashes:
            hashed.update(block)
        done += len(block)
    if done != length:
        raise ValueError(f"the file changed while it was read: {length} bytes were announced")
    sha1, sha1_git, sha256, blake2s256 = (hashed.hexdigest() for hashed in hashes)
    return ContentHashes(sha1, sha1_git, sha256, blake2s256, length)


# docs: start-directory
def directory_manifest(entries: Iterable[Entry]) -> bytes:
    """Entries in git's order, one after the other."""
    ordered = sorted(entries, key=place)
    names = [entry.name for entry in ordered]
    if len(set(names)) != len(names):
        raise ParameterError("a directory names an entry twice")
    for name in names:
        if not name or b"/" in name or b"\0" in name:
            raise ParameterError(f"no directory can hold an entry named {name!r}")
    return b"".join(map(_line, ordered))


def place(entry: Entry) -> bytes:
    """What git sorts entries by: a directory counts as if its name ended with a slash."""
    return entry.name + b"/" * (entry.mode == DIRECTORY)


def _line(entry: Entry) -> bytes:
    """One entry as the manifest has it."""
    return b"%o %s\0" % (entry.mode, entry.name) + bytes.fromhex(entry.target)


def directory(entries: Iterable[Entry]) -> str:
    """Identifier of a directory: names, modes and the identifiers of what they point at."""
    return git_object(b"tree", directory_manifest(entries))


# docs: end-directory


def large_directory(entries: Callable[[], Iterable[Entry]]) -> str:
    """Identifier of a directory whose entries, in git's order whenever `entries` is called, are not held in memory."""
    length = sum(len(_line(entry)) for entry in entries())
    hashed = hashlib.sha1(b"tree %d\0" % length, usedforsecurity=False)
    for entry in entries():
        hashed.update(_line(entry))
    return hashed.hexdigest()


def _headers(lines: Iterable[tuple[bytes, bytes]], message: bytes | None) -> bytes:
    """git's header format: one ``key value`` a line, continuation lines indented, then a blank line and the text."""
    text = b"".join(b"%s %s\n" % (key, value.replace(b"\n", b"\n ")) for key, value in lines)
    return text if message is None else text + b"\n" + message


def revision(
    directory: str,
    author: bytes | None,
    committer: bytes | None,
    message: bytes | None,
    parents: Sequence[str] = (),
    extra_headers: Sequence[tuple[bytes, bytes]] = (),
) -> str:
    """Identifier of a revision (a commit).

    `author` and `committer` are git's lines ``Name <address> seconds offset``, such as
    ``b"Ada <ada@example.org> 1700000000 +0100"``.
    """
    lines = [(b"tree", directory.encode()), *((b"parent", parent.encode()) for parent in parents)]
    lines += [(key, who) for key, who in ((b"author", author), (b"committer", committer)) if who is not None]
    return git_object(b"commit", _headers([*lines, *extra_headers], message))


def release(name: bytes, target: str, target_kind: str, message: bytes | None, author: bytes | None = None) -> str:
    """Identifier of a release (an annotated tag) of an object of kind `target_kind` (a value of `KINDS`)."""
    lines = [(b"object", target.encode()), (b"type", _GIT_TYPES[target_kind]), (b"tag", name)]
    if author is not None:
        lines.append((b"tagger", author))
    return git_object(b"tag", _headers(lines, message))


def snapshot(branches: Mapping[bytes, Branch]) -> str:
    """Identifier of a snapshot: every branch and what it points at, in the order of the names' bytes."""
    manifest = bytearray()
    for name, (kind, target) in sorted(branches.items()):
        raw = target if isinstance(target, bytes) else bytes.fromhex(target)
        manifest += b"%s %s\0%d:%s" % (kind.encode(), name, len(raw), raw)
    return git_object(b"snapshot", bytes(manifest))
