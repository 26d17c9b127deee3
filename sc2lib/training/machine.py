"""What the machine gives: threads, determinism, freed memory kept for reuse, and the peak of its matrix products."""

import ctypes
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch

from sc2lib.model.config import ModelConfig

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
LARGEST = 2**31 - 1


@contextmanager
def settings(threads: int, deterministic: bool) -> Iterator[None]:
    """Run the body with that many CPU threads and, if asked, deterministic algorithms only; then restore both.

    The number of threads decides how sums are split, so results are equal bit for bit only with equal threads.
    """
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    memory.fill_uninitialized_memory = False  # writes every new tensor twice
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        memory.fill_uninitialized_memory = fill


def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks of any size for the next request; returns whether it could.

    By default a tensor above 32 MB is mapped from and returned to the kernel each time, which then clears its
    pages again: 30% of a training step at a vocabulary of 8,192. The process stays as large as its largest moment.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(M_TRIM_THRESHOLD, LARGEST))


def accelerator() -> str:
    """Where this machine computes fastest: "cuda" where PyTorch sees a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def matmul_flops(
    device: torch.device | str = "cpu", dtype: torch.dtype = torch.bfloat16, seconds: float = 0.5
) -> float:
    """FLOP/s of the fastest of several square matrix products: the peak that MFU is measured against.

    A measured peak, not a data sheet's: the largest size that is quick on the device (1,024 on a CPU, 8,192 on a
    GPU), repeated for `seconds`.
    """
    device = torch.device(device)
    size = 1024 if device.type == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(4):
            a @ b
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, (time.perf_counter() - start) / 4)
    return 2 * size**3 / best


def memory_bytes(device: torch.device | str = "cpu") -> int:
    """Peak bytes allocated on a GPU; on a CPU the resident memory of the process now."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def utilisation(model: ModelConfig, length: int, tokens_per_second: float, peak_flops: float) -> dict[str, float]:
    """Model FLOPs utilisation, 0 to 1, counting attention as "causal" (visible keys) and as "dense" (all keys).

    `length` is the sequence in tokens, `peak_flops` the FLOP/s of all devices together.
    """
    counted = {"causal": True, "dense": False}
    return {
        name: tokens_per_second * model.flops_per_token(length, windowed) / peak_flops
        for name, windowed in counted.items()
    }
