"""Our identifiers against git's own: an implementation that shares no line with ours."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence

import pyarrow as pa

from sc2lib.archive import git_objects

_KINDS = {"dir": b"tree", "rev": b"commit", "file": b"blob"}
_ROOM_BYTES = 1 << 30


def available() -> bool:
    """Whether the program git is installed."""
    return shutil.which("git") is not None


def directories(directory_entry: pa.Table) -> list[tuple[str, str]]:
    """(our identifier, git's) of every directory of a DIRECTORY_ENTRY table, by ``git mktree`` in an empty repository.

    git sorts the entries itself, so that the order is checked too. Roots of published tables (`published_origin`),
    which come without permissions and middle directories, are left out: nobody can hash those again.
    """
    listings: dict[str, list[bytes]] = {}
    partial: set[str] = set()
    for directory, name, kind, target, perms in zip(*(column.to_pylist() for column in directory_entry.columns)):
        if perms is None:
            partial.add(directory)
            continue
        line = b"%06o %s %s\t%s\0" % (perms, _KINDS[kind], target.encode(), name)
        listings.setdefault(directory, []).append(line)
    for directory in partial:
        listings.pop(directory, None)
    if not listings:
        return []
    batch = b"\0".join(b"".join(lines) for lines in listings.values()) + b"\0"
    printed = _in_empty_repository(["mktree", "-z", "--missing", "--batch"], batch)
    return list(zip(listings, printed, strict=True))


def contents(texts: Sequence[bytes]) -> list[str]:
    """git's identifiers of some contents, by ``git hash-object`` on files of their own."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(index)) for index in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "wb") as file:
                file.write(text)
        return _in_empty_repository(["hash-object", "--no-filters", "--stdin-paths"], _lines(paths))


def _lines(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\n" for path in paths)


def _in_empty_repository(arguments: list[str], data: bytes) -> list[str]:
    """Lines git prints for `data` on its standard input; it is told how many objects are not there to look for."""
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        git_objects.run(os.fsencode(folder), "init", "--quiet", "--bare")
        command = ["git", "-C", folder, *arguments]
        finished = subprocess.run(command, input=data, capture_output=True, check=True)
    return finished.stdout.decode().split()


def _memory() -> str | None:
    """A folder in memory where there is room: ``git mktree`` writes every directory as a file. None: the usual one."""
    try:
        free = os.statvfs("/dev/shm").f_bavail * os.statvfs("/dev/shm").f_frsize
    except OSError:
        return None
    return "/dev/shm" if free > _ROOM_BYTES and os.access("/dev/shm", os.W_OK) else None
