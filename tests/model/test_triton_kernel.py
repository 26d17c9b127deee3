"""The kernel runs in Triton's interpreter, which must be switched on before Triton is imported: in a child process."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest
import torch

from sc2lib.errors import UnsupportedError
from sc2lib.model.attention import AttentionPlan

INSTALLED = importlib.util.find_spec("triton") is not None
needs_triton = pytest.mark.skipif(not INSTALLED, reason="Triton has no wheel for this system")
# Tiles have 64 rows. Tokens, window, documents of two rows (where each row is cut), query and key-value heads, channels
# of a head and element type.
CASES = [
    (5, None, None, 2, 2, 16, "float32"),
    (64, 63, None, 2, 1, 16, "float32"),
    (129, 64, None, 2, 1, 16, "float32"),
    (129, 65, [[50], [3, 100]], 2, 1, 16, "float32"),
    (70, None, [[64], [1, 2, 69]], 3, 1, 16, "float32"),
    (1, None, None, 4, 2, 16, "float32"),
    (66, 20, [[7], [65]], 12, 1, 32, "float32"),
    (66, 1, None, 9, 3, 16, "float32"),
    (66, 40, [[7], [65]], 6, 2, 64, "float32"),
    (66, 40, [[7], [65]], 6, 2, 16, "float16"),
]
LARGEST = {"float32": 1e-5, "float16": 5e-3}  # difference from naive in fp32; fp16 keeps 11 bits of a number
CHILD = """
import json, sys, torch
from sc2lib.model.attention import AttentionPlan, attend

def results(name, length, window, cuts, heads, groups, size, kind):
    generator = torch.Generator().manual_seed(length)
    shapes = [(2, count, length, size) for count in (heads, groups, groups)]
    inputs = (torch.randn(shape, generator=generator).to(getattr(torch, kind)) for shape in shapes)
    q, k, v = (x.float().requires_grad_() if name == "naive" else x.requires_grad_() for x in inputs)
    position = torch.arange(length)
    documents = cuts and torch.stack([(position[:, None] >= torch.tensor(cut)).sum(1) for cut in cuts])
    out = attend(q, k, v, AttentionPlan.build(length, window, backend=name, documents_BT=documents))
    (out * torch.arange(out.numel()).view_as(out).sin()).sum().backward()
    return out.detach(), q.grad, k.grad, v.grad

for case in json.loads(sys.argv[1]):
    pairs = zip(results("triton", *case), results("naive", *case), strict=True)
    print(json.dumps([float((ours - naive).abs().max()) for ours, naive in pairs]))
"""


@pytest.fixture(scope="module")
def gaps():
    """Of every case: the largest differences from naive in the output and the gradients of q, k and v."""
    command = [sys.executable, "-c", CHILD, json.dumps(CASES)]
    found = subprocess.run(command, env=os.environ | {"TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


@needs_triton
@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_interpreted_kernel_equals_naive_in_values_and_gradients(gaps, case):
    assert len(gaps[case]) == 4 and max(gaps[case]) < LARGEST[CASES[case][-1]]


@needs_triton
def test_without_interpreter_or_gpu_the_plan_is_refused(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(UnsupportedError, match="use banded or sdpa, or set TRITON_INTERPRET=1"):
        AttentionPlan.build(9, 8, backend="triton")


@needs_triton
def test_what_the_kernel_or_its_interpreter_would_compute_wrongly_is_refused(monkeypatch):
    from sc2lib.model.attention.triton_kernel import IntervalAttention

    first, last = torch.zeros(1, 4, dtype=torch.long), torch.full((1, 4), 3)
    for size, dtype, remedy in ((24, torch.float32, "use flex"), (16, torch.bfloat16, "use fp32")):
        with pytest.raises(UnsupportedError, match=remedy):
            IntervalAttention.apply(*torch.zeros(3, 1, 1, 4, size, dtype=dtype), first, last)
