"""Chapter 11: attention in bands against a dense mask, forward and backward in bf16, and how bands grow.

One layer with the heads and the window of the laptop profile on random inputs: the cost does not depend on them.
"""

from functools import partial
from pathlib import Path

import torch

from benchmarks.harness import compare, report, save_quality
from sc2lib.model.attention import AttentionPlan, attend
from sc2lib.model.attention_cost import AttentionShape, exponent, sweep
from sc2lib.workflow import profiles

WINDOW, LONGEST = 1024, 16_384
LENGTHS = (4096, 8192, 16_384, 32_768)


def main(corpus: Path, repeats: int) -> None:
    """Compare at 16,384 tokens, then fit the exponent of bands from 4,096 to 32,768 tokens; `corpus` is not read."""
    contenders = {"sc2lib": partial(step, "products"), "torch dense mask": partial(step, "masked")}
    what = f"windowed attention, forward and backward, bf16, window {WINDOW:,}"
    print(report(compare("attention", "11", what, "tokens", LONGEST, contenders, repeats)))
    costs = list(sweep(("products",), LENGTHS, shape(), limit_seconds=120.0))
    found = {name: exponent(costs, name, len(costs)) for name in ("seconds", "peak_bytes")}
    for cost in costs:
        print(f"  {cost.length:6,} tokens {cost.seconds:8.3f} s {cost.peak_bytes / 2**20:8,.1f} MiB")
    print(f"attention: time ~ tokens^{found['seconds']:.2f}, memory ~ tokens^{found['peak_bytes']:.2f}")
    rows = {f"exponent of {name}": value for name, value in found.items()}
    save_quality("attention", [{"name": f"bands, window {WINDOW:,}, {LENGTHS[0]:,} to {LENGTHS[-1]:,} tokens", **rows}])


def shape() -> AttentionShape:
    """The heads of the laptop profile."""
    knobs = profiles.load("laptop")
    heads = knobs["num_attention_heads"]
    return AttentionShape(heads, knobs["num_key_value_heads"], knobs["hidden_size"] // heads, WINDOW)


def step(backend: str) -> None:
    """One pass of one back end at the longest length, its mask included."""
    inputs = shape().tensors(LONGEST)
    attend(*inputs, AttentionPlan.build(LONGEST, WINDOW, backend=backend)).sum().backward()
    assert all(torch.isfinite(tensor.grad).all() for tensor in inputs if tensor.grad is not None)
