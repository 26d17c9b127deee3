"""git's plumbing: objects of a local repository, without a checkout and without running anything of the repository's.

Replaced objects are ignored and missing ones are not fetched; variables of the caller that point git elsewhere
(``GIT_DIR`` inside a hook) are dropped.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

from sc2lib.archive import swhid
from sc2lib.errors import InputError

# how to reach a server, not where to look
_KEPT = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSL", "GIT_ASKPASS", "GIT_HTTP_LOW_SPEED")
SILENCE = 60  # seconds without a byte after which git gives an HTTP server up; by itself it waits for ever
_IDENTIFIER = re.compile(r"[0-9a-f]{40}")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20")
    kept.setdefault("GIT_HTTP_LOW_SPEED_LIMIT", "1")  # bytes a second
    kept.setdefault("GIT_HTTP_LOW_SPEED_TIME", str(SILENCE))
    return kept | {
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def run(folder: bytes, *arguments: str, seconds: float | None = None) -> bytes:
    """Run one git command in a repository and return what it prints.

    Raises InputError with git's own words on failure, or when it does not end within so many seconds (None: no limit).
    """
    return answer(folder, *arguments, seconds=seconds)[0]


def answer(folder: bytes, *arguments: str, data: bytes = b"", seconds: float | None = None) -> tuple[bytes, bytes]:
    """What one git command prints for `data` on its standard input, and what it warns of; InputError as `run`."""
    command = ["git", "-C", os.fsdecode(folder), *arguments]
    options: dict[str, Any] = {"input": data, "capture_output": True, "env": _environment(), "timeout": seconds}
    try:
        finished = subprocess.run(command, check=False, **options)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"git {arguments[0]} had no answer for {arguments[-1]!r} within {seconds:.0f} s") from error
    except FileNotFoundError as error:
        raise InputError("source=git needs the program git; install it (apt install git)") from error
    if finished.returncode:
        problem = finished.stderr.decode("utf-8", "replace").strip()
        raise InputError(f"git {arguments[0]} failed in {os.fsdecode(folder)!r}: {problem}")
    return finished.stdout, finished.stderr


def describe(folder: bytes, identifiers: Sequence[str]) -> Iterator[tuple[str, int] | None]:
    """git's name of the type of each object, and its length in bytes, without reading it; None where git lacks it.

    A million objects take some ten seconds: a look into the pack for each.
    """
    listing = "".join(f"{identifier}\n" for identifier in identifiers).encode()
    for line in answer(folder, "cat-file", "--batch-check=%(objecttype) %(objectsize)", data=listing)[0].splitlines():
        kind, _, length = line.partition(b" ")
        yield (kind.decode(), int(length)) if length.isdigit() else None


class DamagedObject(OSError):
    """The repository has the object, but its bytes are not those that the identifier names."""


class ObjectReader:
    """One ``git cat-file --batch`` process; a context manager.

    git ends at the first damaged object, in the middle of its answer. Another process is then started for the next
    object, so that one costs one. Every object is hashed: git prints what a damaged one still holds without a word.
    """

    def __init__(self, folder: bytes) -> None:
        self.folder = folder
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            ["git", "-C", os.fsdecode(self.folder), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._ask, self._answer = self._process.stdin, self._process.stdout
        self._in_step, self._answered = True, False

    def __enter__(self) -> "ObjectReader":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # git ended before us: the repository vanished
            self._ask.close()
        self._answer.close()
        self._process.wait()

    def open(self, identifier: str, kind: bytes | None = None) -> tuple[bytes, int]:
        """Ask for an object and return git's name of its type, and its length.

        Raises OSError when the repository does not have it, DamagedObject when it is none of the type `kind`.
        """
        if not _IDENTIFIER.fullmatch(identifier):  # git would look for a branch of that name
            raise DamagedObject(f"{identifier!r} is no identifier of an object")
        if not self._in_step and self._answered:  # a git that never answered has no repository any more
            self.__exit__()
            self._start()
        self._in_step = False
        header: list[bytes] = []
        with contextlib.suppress(BrokenPipeError):  # git ended before it answered anything
            self._ask.write(identifier.encode() + b"\n")
            self._ask.flush()
            header = self._answer.readline().split()
        self._answered = self._answered or bool(header)
        if len(header) != 3:
            self._in_step = bool(header)
            raise OSError("git does not have the object (a shallow or partial clone? a repository that vanished?)")
        if kind is not None and header[1] != kind:
            raise DamagedObject(f"it is a {header[1].decode()} where a {kind.decode()} must be; run git fsck")
        return header[1], int(header[2])

    def hash(self, identifier: str) -> swhid.ContentHashes:
        """Hash a blob of any size, a block at a time; DamagedObject when git gives less of it, or another."""
        _, length = self.open(identifier, b"blob")
        try:
            hashes = swhid.hash_content(_Bounded(self._answer, length), length)  # type: ignore[arg-type]
        except ValueError as error:
            raise _damaged(f"git ends before its {length:,} bytes") from error
        self._finish(identifier, hashes.sha1_git)
        return hashes

    def read(self, identifier: str, kind: bytes | None = None) -> bytes:
        """The whole object; DamagedObject when git gives less of it, or another."""
        found, length = self.open(identifier, kind)
        data = self._answer.read(length)
        if len(data) != length:
            raise _damaged(f"git gives {len(data):,} of its {length:,} bytes")
        self._finish(identifier, swhid.git_object(found, data))
        return data

    def _finish(self, identifier: str, found: str) -> None:
        if found != identifier:
            raise _damaged(f"its bytes have the identifier {found}")
        self._answer.read(1)
        self._in_step = True


def _damaged(how: str) -> DamagedObject:
    return DamagedObject(f"the object is damaged: {how}; run git fsck, then fetch it from another clone")


class _Bounded:
    """At most `left` bytes of a stream."""

    def __init__(self, stream: Any, left: int) -> None:
        self._stream, self._left = stream, left

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data
