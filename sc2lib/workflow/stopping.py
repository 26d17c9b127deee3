"""Stopping on request: a signal to the runner lets the running chapter finish its step, so that nothing is lost.

A time limit, a preempted machine or a person sends SIGUSR1 or SIGTERM. The runner answers with a file, because the
work happens in other processes (a notebook's kernel, training ranks, perhaps on other machines), and all of them see
the run's folder.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

VARIABLE = "SC2_STOP_FILE"
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
STOPPED = 75  # exit code: stopped, the same command goes on (EX_TEMPFAIL of sysexits.h)
NOTICE_SECONDS = 180  # between Slurm's warning and the end of the time
LEAVING_SECONDS = 30  # after an interrupt: the kernel and the ranks end, nothing is saved any more
PATIENCE_SECONDS = float(NOTICE_SECONDS - LEAVING_SECONDS)  # the longest step, and the checkpoint
ADVICE = "stopped on request, everything finished is kept; the same command goes on"


_heard = threading.Event()


def listen(number: signal.Signals) -> None:
    """From now on the signal makes `requested` true instead of ending the process (main thread only)."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(number, lambda _number, _frame: _heard.set())


def requested() -> bool:
    """Whether this process, or the runner that started it, was asked to stop. Costs one look at the file system."""
    return _heard.is_set() or (VARIABLE in os.environ and Path(os.environ[VARIABLE]).exists())


def forget() -> None:
    """Start anew: what was heard before no longer counts."""
    _heard.clear()


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Put back how this process answers signals, after something that installs handlers of its own."""
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGINT)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


class StopSignals:
    """Turns SIGTERM and SIGUSR1 into a file that `requested` finds, in this process and in those it starts.

    What has not stopped after `patience` seconds is interrupted as by Ctrl-C, which a shell makes all deaf to that it
    starts in the background, a job's script too: here it is heard again. Outside the main thread, which alone may
    handle signals, it does nothing.
    """

    def __init__(self, folder: Path, patience: float = PATIENCE_SECONDS) -> None:
        self.file = folder / ".stop"
        self.patience = patience
        self._before: dict[signal.Signals, Any] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            self.file.unlink(missing_ok=True)
            os.environ[VARIABLE] = str(self.file)
            self._before = {number: signal.signal(number, self._stop) for number in SIGNALS}
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._before:
            os.environ.pop(VARIABLE, None)
            self.file.unlink(missing_ok=True)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch()
        if self._timer is None:
            self._timer = threading.Timer(self.patience, os.kill, (os.getpid(), signal.SIGINT))
            self._timer.daemon = True
            self._timer.start()
