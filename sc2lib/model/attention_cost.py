"""What attention costs here: seconds and bytes of one forward and backward pass, by back end and length."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sc2lib.model.attention import AttentionPlan, attend
from sc2lib.model.memory import peak_bytes

MEMORY_LIMIT = 2 << 30


@dataclass(frozen=True)
class AttentionShape:
    """One layer's attention: B = 1, H and K heads of D channels, window W, element type."""

    heads: int
    kv_heads: int
    head_size: int
    window: int
    dtype: torch.dtype = torch.bfloat16

    def tensors(self, length: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Random q_BHTD, k_BKTD and v_BKTD that want gradients."""
        generator = torch.Generator().manual_seed(seed)
        heads = (self.heads, self.kv_heads, self.kv_heads)
        drawn = (torch.randn(1, count, length, self.head_size, generator=generator) for count in heads)
        q, k, v = (tensor.to(self.dtype).requires_grad_() for tensor in drawn)
        return q, k, v


@dataclass(frozen=True)
class AttentionCost:
    """Best time of a few passes in seconds, and the most bytes held at once beyond the inputs, the mask included."""

    backend: str
    length: int
    seconds: float
    peak_bytes: int


def measure(backend: str, length: int, shape: AttentionShape, seconds: float = 0.3) -> AttentionCost:
    """Time forward and backward until `seconds` are spent (at least once), then measure memory in one more pass.

    The back end `sdpa` cannot take a window: it is measured without one, over all earlier keys.
    """
    inputs = shape.tensors(length)
    window = None if backend == "sdpa" or shape.window >= length else shape.window
    plan = AttentionPlan.build(length, window, backend="sdpa" if window is None and backend == "banded" else backend)

    def step() -> None:
        attend(*inputs, plan).sum().backward()
        for tensor in inputs:
            tensor.grad = None

    best, spent = math.inf, 0.0
    while not spent or spent < seconds:
        start = time.perf_counter()
        step()
        elapsed = time.perf_counter() - start
        best, spent = min(best, elapsed), spent + elapsed
    return AttentionCost(backend, length, best, peak_bytes(step) + plan.mask_bytes)


def sweep(
    backends: Sequence[str], lengths: Sequence[int], shape: AttentionShape, limit_seconds: float
) -> Iterator[AttentionCost]:
    """Measure each back end at growing lengths, until the next step would pass `limit_seconds` or 2 GiB.

    A length is timed for 0.3 s, or for a 25th of a limit below 7.5 s. The next length is predicted from the last one:
    linear growth for `banded` and `products`, quadratic for the others.
    """
    measure(backends[0], min(lengths), shape, seconds=0.0)  # the first pass pays for threads and buffers
    for backend in backends:
        last: AttentionCost | None = None
        for length in sorted(lengths):
            growth = 1.0 if last is None else (length / last.length) ** (1 if backend in ("banded", "products") else 2)
            if last and (last.seconds * growth > limit_seconds or last.peak_bytes * growth > MEMORY_LIMIT):
                break
            last = measure(backend, length, shape, seconds=min(0.3, limit_seconds / 25))
            yield last


def exponent(costs: Sequence[AttentionCost], of: str, longest: int = 3) -> float:
    """Slope of log(`of`) over log(length) through the `longest` longest lengths: 1 is linear, 2 quadratic."""
    chosen = sorted(costs, key=lambda cost: cost.length)[-longest:]
    lengths = np.log([cost.length for cost in chosen])
    values = np.log([float(getattr(cost, of)) for cost in chosen])
    return float(np.polyfit(lengths, values, 1)[0])
