"""What this process may use of the machine, and what it and everything it started use of its memory."""

import contextlib
import os
import platform
import threading
from pathlib import Path

import psutil


def usable_cores() -> int:
    """Cores this process may run on: a container or a Slurm job may have fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


CPUINFO = Path("/proc/cpuinfo")
MATRIX_UNITS = ("amx_bf16", "avx512_bf16", "bf16", "i8mm")  # x86 and Arm: products in bf16 are faster than in fp32


def processor() -> str:
    """The processor by name, family and model, and what it has for products in bf16: ratios of speed depend on it."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = (line.partition(":") for line in CPUINFO.read_text(encoding="utf-8").partition("\n\n")[0].splitlines())
        found = {key.strip(): value.strip() for key, _, value in lines}
        name = found.get("model name", platform.machine())
        units = set(MATRIX_UNITS) & set(found.get("flags", found.get("Features", "")).split())
        details = [f"{key} {found[key]}" for key in ("cpu family", "model") if key in found]
        details += sorted(units) or ["no unit for bf16"]
        name += f" ({', '.join(details)})"
    return name


class MemorySampler:
    """Samples the resident memory of the process tree twice a second (shared pages count in each process)."""

    def __init__(self, interval_seconds: float = 0.5) -> None:
        self._interval = interval_seconds
        self._peak = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin sampling in a daemon thread."""
        self._thread = threading.Thread(target=self._sample_forever, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """End sampling; return the peak in bytes."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None
            self._sample()
        return self._peak

    def _sample_forever(self) -> None:
        while not self._stop.wait(self._interval):
            self._sample()

    def _sample(self) -> None:
        process = psutil.Process()
        total = process.memory_info().rss
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it may end while we look
                total += child.memory_info().rss
        self._peak = max(self._peak, total)
