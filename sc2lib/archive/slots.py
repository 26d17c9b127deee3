"""Slots that the processes of a machine share: at most so many do one thing at once, however many workers there are.

A slot is a lock on a file of the cache folder. The system gives it back when its process dies.
"""

import fcntl
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sc2lib.errors import RunDirectoryError


class Slots:
    """`count` slots in a folder. Safe to use from many threads and processes."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._count = folder, count

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold a slot while the body runs; wait when all are taken."""
        numbers = random.sample(range(self._count), self._count)  # whoever waits does not all wait for the first
        with self._first_free(numbers) or self._locked(numbers[0], fcntl.LOCK_EX):
            yield

    def _first_free(self, numbers: list[int]) -> IO[bytes] | None:
        for number in numbers:
            try:
                return self._locked(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
        return None

    def _locked(self, number: int, how: int) -> IO[bytes]:
        path = self._folder / f"slot-{number:02d}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = path.open("wb")
        except OSError as error:
            raise RunDirectoryError(
                f"cannot write {path} ({error.strerror}): set SC2_CACHE to a folder that can be written, and run again"
            ) from error
        try:
            fcntl.flock(file, how)
        except BaseException:
            file.close()
            raise
        return file
