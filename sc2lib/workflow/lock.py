"""One process at a time in a run directory; the processes it starts may join it."""

import fcntl
import os
import platform
from pathlib import Path
from types import TracebackType
from typing import IO

from sc2lib.errors import RunDirectoryError

VARIABLE = "SC2_LOCKED_RUN"


class RunLock:
    """Advisory lock on ``<run>/.lock``; the operating system frees it when the process ends, however it ends.

    A child process (a notebook's kernel, a training rank) finds the run in the environment and does not lock again.
    `otherwise` ends the message to whoever comes second.
    """

    def __init__(self, run_dir: Path, otherwise: str = "choose another --run-dir") -> None:
        self.run_dir = run_dir.resolve()
        self.otherwise = otherwise
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, or raise RunDirectoryError that names the process holding it."""
        if os.environ.get(VARIABLE) == str(self.run_dir):
            return
        try:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            file = (self.run_dir / ".lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise RunDirectoryError(f"cannot write to {self.run_dir} ({error.strerror}); {self.otherwise}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().strip() or "another process"
            file.close()
            raise RunDirectoryError(
                f"{self.run_dir} is in use by {owner}; wait for it, stop it, or {self.otherwise}"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {platform.node()}")
        file.flush()
        self._file = file
        os.environ[VARIABLE] = str(self.run_dir)

    def release(self) -> None:
        """Give the lock back if this object took it."""
        if self._file is not None:
            os.environ.pop(VARIABLE, None)
            self._file.close()
            self._file = None

    def __enter__(self) -> "RunLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
