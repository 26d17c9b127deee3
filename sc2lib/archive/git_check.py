"""Our identifiers against git's own: an implementation that shares no line with ours."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO

from sc2lib import queries
from sc2lib.archive import git_objects
from sc2lib.queries import Stored

_KINDS = {"dir": b"tree", "rev": b"commit", "file": b"blob"}
_WHOLE = """
SELECT * FROM entry
WHERE directory_id NOT IN (SELECT directory_id FROM entry WHERE perms IS NULL)
ORDER BY directory_id, name
"""
_ROOM_BYTES = 1 << 30


def available() -> bool:
    """Whether the program git is installed."""
    return shutil.which("git") is not None


def directories(directory_entry: Stored) -> list[tuple[str, str]]:
    """(our identifier, git's) of every directory of a DIRECTORY_ENTRY table, by ``git mktree`` in an empty repository.

    git sorts the entries itself, so that the order is checked too. Roots of published tables (`published_origin`),
    which come without permissions and middle directories, are left out: nobody can hash those again. One batch of
    entries is in memory, however large a directory is.
    """
    ours: list[str] = []
    with tempfile.TemporaryFile() as batch, queries.opened(entry=directory_entry) as database:
        for table in queries.stream(database, _WHOLE):
            for directory, name, kind, target, perms in zip(*(column.to_pylist() for column in table.columns)):
                if not ours or directory != ours[-1]:
                    batch.write(b"\0" if ours else b"")
                    ours.append(directory)
                batch.write(b"%06o %s %s\t%s\0" % (perms, _KINDS[kind], target.encode(), name))
        if not ours:
            return []
        batch.write(b"\0")
        printed = _in_empty_repository(["mktree", "-z", "--missing", "--batch"], batch)
    return list(zip(ours, printed, strict=True))


def contents(texts: Sequence[bytes]) -> list[str]:
    """git's identifiers of some contents, by ``git hash-object`` on files of their own."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(index)) for index in range(len(texts))]
        for path, text in zip(paths, texts):
            with open(path, "wb") as file:
                file.write(text)
        with tempfile.TemporaryFile() as names:
            names.write(_lines(paths))
            return _in_empty_repository(["hash-object", "--no-filters", "--stdin-paths"], names)


def _lines(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\n" for path in paths)


def _in_empty_repository(arguments: list[str], given: IO[bytes]) -> list[str]:
    """Lines git prints for a file on its standard input; it is told how many objects are not there to look for."""
    given.seek(0)
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        git_objects.run(os.fsencode(folder), "init", "--quiet", "--bare")
        command = ["git", "-C", folder, *arguments]
        finished = subprocess.run(command, stdin=given, capture_output=True, check=True)
    return finished.stdout.decode().split()


def _memory() -> str | None:
    """A folder in memory where there is room: ``git mktree`` writes every directory as a file. None: the usual one."""
    try:
        free = os.statvfs("/dev/shm").f_bavail * os.statvfs("/dev/shm").f_frsize
    except OSError:
        return None
    return "/dev/shm" if free > _ROOM_BYTES and os.access("/dev/shm", os.W_OK) else None
