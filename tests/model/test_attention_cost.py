import math

import pytest
import torch

from sc2lib.model.attention import AttentionPlan
from sc2lib.model.attention_cost import AttentionCost, AttentionShape, exponent, measure, sweep
from sc2lib.workflow import profiles

SHAPE = AttentionShape(heads=2, kv_heads=1, head_size=16, window=32, dtype=torch.float32)


def test_naive_memory_is_quadratic_and_banded_at_most_linear():
    growth = {}
    for backend, lengths in {"naive": (256, 512), "banded": (1024, 2048)}.items():
        short, long = (measure(backend, length, SHAPE, seconds=0.0).peak_bytes for length in lengths)
        growth[backend] = long / short
    assert growth["naive"] == pytest.approx(4, rel=0.1)
    assert 1 < growth["banded"] < 2.1  # a part of it, the buffers of one block, does not grow


@pytest.mark.parametrize("backend", ["banded", "products"])
def test_bands_compute_a_number_of_scores_that_is_linear_in_the_length(backend):
    costs = []
    for length in (4096, 8192, 16_384, 32_768):
        blocks = AttentionPlan.build(length, 1024, backend=backend).mask
        lengths = [(band.queries.stop - band.queries.start, band.keys.stop - band.keys.start) for band in blocks]
        costs.append(AttentionCost(backend, length, seconds=sum(map(math.prod, lengths)), peak_bytes=0))
    assert 1 < exponent(costs, "seconds", len(costs)) < 1.15


def test_the_profiles_for_a_computer_time_attention_up_to_32768_tokens():
    assert [profiles.load(name)["attention_longest"] for name in ("laptop", "workstation")] == 2 * [32_768]


def test_sweep_stops_before_the_limit():
    assert [cost.length for cost in sweep(["naive"], (16, 32, 64), SHAPE, limit_seconds=0.0)] == [16]
    assert len(list(sweep(["naive", "banded"], (16, 64), SHAPE, limit_seconds=1.0))) == 4


def test_exponent_of_a_known_power():
    costs = [AttentionCost("x", length, 1e-6 * length**2, 5 * length) for length in (64, 128, 256, 512)]
    assert exponent(costs, "seconds") == pytest.approx(2)
    assert exponent(costs, "peak_bytes") == pytest.approx(1)
