"""Source archives (tar, zip) as streams of members: read without unpacking, hostile ones refused.

Nothing is ever written to disk, so a member cannot land outside a folder. An archive that tries is refused all the
same: whoever unpacks it later may be less careful, and its tree would not be the one its author published.
"""

import bz2
import gzip
import io
import lzma
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, cast

from sc2lib.archive.swhid import EXECUTABLE, FILE, SYMLINK
from sc2lib.errors import InputError

MAX_UNPACKED_BYTES = 1 << 30
MAX_RATIO = 200  # source code packs to a fifth; a ratio of some thousands is a bomb
MAX_MEMBERS = 200_000
_SLACK = 1 << 20  # tiny archives of padded blocks have absurd ratios


class Member(NamedTuple):
    """A file of an archive: its path (bytes, parts joined by "/"), git's mode, its length and its bytes.

    `open` gives the bytes (of a link: the place it names) as a stream, until the next member is asked for. Opening and
    reading raise InputError for a member that is damaged, locked, or of another length than the archive says.
    """

    path: bytes
    mode: int
    length: int
    open: Callable[[], IO[bytes]]


class _Bounded:
    """A readable stream that refuses to give more than `limit` bytes, whatever a header promised."""

    def __init__(self, stream: IO[bytes], limit: int, where: Path) -> None:
        self._stream, self._left, self._where, self._limit = stream, limit, where, limit

    @property
    def taken(self) -> int:
        """Bytes that were read so far."""
        return self._limit - self._left

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(self._left + 1 if size < 0 else min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise _refused(self._where, f"it unpacks to more than {self._limit:,} bytes, like an archive bomb")
        return data


class _Whole:
    """A member's stream that ends where the archive says; errors of a decompressor name the archive."""

    def __init__(self, member: Member, where: Path) -> None:
        self._left, self._length, self._name, self._where = member.length, member.length, member.path, where
        with _readable(where):
            self._stream = member.open()

    def read(self, size: int = -1) -> bytes:
        with _readable(self._where):
            data = self._stream.read(size)
            self._left -= len(data)
            if self._left < 0 or (self._left and size and (size < 0 or not data)):
                raise ValueError(f"{_shown(self._name)} has not the {self._length:,} bytes that it announces")
        return data


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the readers of the standard library raise for a bad archive into an InputError that names it."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except RuntimeError as error:  # a password, or a compression that this Python does not know
        raise _refused(path, str(error)) from error
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError) as error:
        raise InputError(
            f"{path} is damaged or no archive ({error}); delete it and fetch it again, "
            "or take this distribution out of the list"
        ) from error


def members(path: Path) -> Iterator[Member]:
    """The files of an archive in its order, the one folder around all of them left out of their paths.

    Raises InputError, naming the archive, the member and the remedy, for what no honest archive holds: a path that
    is absolute or climbs out, a link that leads out, a device, a name twice, more than `MAX_MEMBERS` members, more
    bytes than `MAX_UNPACKED_BYTES` or `MAX_RATIO` times the archive's own; and for an archive that is damaged.
    """
    top = _common_folder(path)
    for member in _checked(path):
        yield member._replace(path=member.path[len(top) :])


def _common_folder(path: Path) -> bytes:
    """``name-1.0/`` when everything lies below it, else nothing. Checks the whole archive on its way."""
    tops, inside = set(), True
    for member in _checked(path):
        top, slash, _ = member.path.partition(b"/")
        tops.add(top)
        inside = inside and bool(slash)
    return tops.pop() + b"/" if inside and len(tops) == 1 else b""


def _checked(path: Path) -> Iterator[Member]:
    seen: set[bytes] = set()
    folders: set[bytes] = set()
    read = _zip if zipfile.is_zipfile(path) else _tar
    with _readable(path):
        for member in read(path):
            clean = _safe_path(path, member.path)
            if not clean:
                raise _refused(path, f"{_shown(member.path)} names no file")
            if clean in seen or clean in folders:
                raise _refused(path, f"it holds {_shown(clean)} twice")
            parent = clean
            while parent := parent.rpartition(b"/")[0]:
                if parent in seen:
                    raise _refused(path, f"{_shown(parent)} is a file and a folder")
                if parent in folders:
                    break
                folders.add(parent)
            seen.add(clean)
            if len(seen) > MAX_MEMBERS:
                raise _refused(path, f"it holds more than {MAX_MEMBERS:,} files")
            yield member._replace(path=clean, open=partial(_whole, member, path))


def _whole(member: Member, path: Path) -> IO[bytes]:
    return cast(IO[bytes], _Whole(member, path))


# docs: start-members
def _tar(path: Path) -> Iterator[Member]:
    with _decompressed(path) as plain:
        bounded = _Bounded(plain, _limit(path), path)
        stream = cast(IO[bytes], bounded)
        with tarfile.open(fileobj=stream, mode="r|", errors="surrogateescape") as archive:
            for entry in archive:
                name = entry.name.encode("utf-8", "surrogateescape")
                if entry.isdir():
                    _safe_path(path, name)
                elif entry.issym():
                    target = entry.linkname.encode("utf-8", "surrogateescape")
                    _require_inside(path, name, target)
                    yield Member(name, SYMLINK, len(target), partial(io.BytesIO, target))
                elif entry.isreg() and not entry.issparse():
                    mode = EXECUTABLE if entry.mode & stat.S_IXUSR else FILE
                    yield Member(name, mode, entry.size, partial(_extract, archive, entry))
                else:
                    kind = "a hard link" if entry.islnk() else "a device, a sparse file or another special file"
                    raise _refused(path, f"{_shown(name)} is {kind}")
        while stream.read(1 << 16):  # to the checksum at the very end
            pass
        if isinstance(plain, io.BufferedReader) and bounded.taken == archive.offset:  # there is no checksum
            raise tarfile.ReadError("it is cut off between two members, before the mark of its end")


# docs: end-members


def _decompressed(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(6)
    for start, opener in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open)):
        if magic.startswith(start):
            return cast(IO[bytes], opener(path, "rb"))
    return path.open("rb")


def _extract(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> IO[bytes]:
    stream = archive.extractfile(entry)
    assert stream is not None  # None only for what is no file
    return stream


def _zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > _limit(path):
            raise _refused(path, f"it unpacks to more than {_limit(path):,} bytes, like an archive bomb")
        for entry in entries:
            name, attributes = entry.filename.encode(), entry.external_attr >> 16
            if entry.is_dir():
                _safe_path(path, name)
                continue
            if stat.S_ISLNK(attributes):
                target = archive.read(entry)
                _require_inside(path, name, target)
                yield Member(name, SYMLINK, len(target), partial(io.BytesIO, target))
                continue
            if attributes and stat.S_IFMT(attributes) not in (0, stat.S_IFREG):
                raise _refused(path, f"{_shown(name)} is a device or something else that is no file")
            mode = EXECUTABLE if attributes & stat.S_IXUSR else FILE
            yield Member(name, mode, entry.file_size, partial(archive.open, entry))


def _limit(path: Path) -> int:
    return min(MAX_UNPACKED_BYTES, path.stat().st_size * MAX_RATIO + _SLACK)


def _safe_path(archive: Path, name: bytes) -> bytes:
    """The name without ``./`` and doubled slashes; InputError when it is absolute, empty or climbs."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b"\0" in name:
        raise _refused(archive, f"{_shown(name)} is no name of a file")
    if name.startswith(b"/") or b".." in parts:
        raise _refused(archive, f"{_shown(name)} climbs out of it")
    return b"/".join(parts)


def _require_inside(archive: Path, name: bytes, target: bytes) -> None:
    place = posixpath.normpath(posixpath.join(posixpath.dirname(_safe_path(archive, name)), target))
    if target.startswith(b"/") or place.split(b"/")[0] == b"..":
        raise _refused(archive, f"the link {_shown(name)} leads out of it, to {_shown(target)}")


def _shown(name: bytes) -> str:
    return repr(name.decode("utf-8", "backslashreplace"))


def _refused(archive: Path, what: str) -> InputError:
    return InputError(f"{archive} is refused: {what}; take this distribution out of the list, or another version")
