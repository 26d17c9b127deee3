"""git's plumbing: objects of a local repository, without a checkout and without running anything of the repository's.

Replaced objects are ignored and missing ones are not fetched; variables of the caller that point git elsewhere
(``GIT_DIR`` inside a hook) are dropped.
"""

import contextlib
import os
import subprocess
from typing import Any

from sc2lib.archive import swhid
from sc2lib.errors import InputError

_KEPT = ("GIT_CONFIG", "GIT_EXEC_PATH", "GIT_SSH", "GIT_SSL", "GIT_ASKPASS")  # how to reach a server, not where to look


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name.startswith(_KEPT)}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=20")
    return kept | {
        "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def run(folder: bytes, *arguments: str) -> bytes:
    """Run one git command in a repository and return what it prints; InputError with git's own words on failure."""
    command = ["git", "-C", os.fsdecode(folder), *arguments]
    try:
        finished = subprocess.run(command, capture_output=True, env=_environment(), check=False)
    except FileNotFoundError as error:
        raise InputError("source=git needs the program git; install it (apt install git)") from error
    if finished.returncode:
        problem = finished.stderr.decode("utf-8", "replace").strip()
        raise InputError(f"git {arguments[0]} failed in {os.fsdecode(folder)!r}: {problem}")
    return finished.stdout


class ObjectReader:
    """One ``git cat-file --batch`` process; a context manager."""

    def __init__(self, folder: bytes) -> None:
        self._process = subprocess.Popen(
            ["git", "-C", os.fsdecode(folder), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._ask, self._answer = self._process.stdin, self._process.stdout

    def __enter__(self) -> "ObjectReader":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # git ended before us: the repository vanished
            self._ask.close()
        self._answer.close()
        self._process.wait()

    def open(self, identifier: str) -> int:
        """Ask for an object and return its length; OSError when the repository does not have it."""
        self._ask.write(identifier.encode() + b"\n")
        self._ask.flush()
        header = self._answer.readline().split()
        if len(header) != 3:
            raise OSError("git does not have the object (a shallow or partial clone? a repository that vanished?)")
        return int(header[2])

    def hash(self, identifier: str) -> swhid.ContentHashes:
        """Hash a blob of any size, a block at a time."""
        length = self.open(identifier)
        hashes = swhid.hash_content(_Bounded(self._answer, length), length)  # type: ignore[arg-type]
        self._answer.read(1)
        return hashes

    def read(self, identifier: str) -> bytes:
        """The whole object."""
        data = self._answer.read(self.open(identifier))
        self._answer.read(1)
        return data


class _Bounded:
    """At most `left` bytes of a stream."""

    def __init__(self, stream: Any, left: int) -> None:
        self._stream, self._left = stream, left

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data
