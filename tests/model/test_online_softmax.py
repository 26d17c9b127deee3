import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.model.attention import AttentionPlan, attend, visible
from sc2lib.model.online_softmax import tile_is_empty, tiled_attention


def draw(length, scale=1.0):
    generator = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(length, 8, generator=generator) for _ in range(3))
    return scale * q, scale * k, v


@settings(max_examples=40)
@given(length=st.integers(1, 40), block=st.integers(1, 45), window=st.none() | st.integers(1, 45))
def test_tiles_equal_naive(length, block, window):
    q, k, v = draw(length)
    plan = AttentionPlan.build(length, window, backend="naive")
    expected = attend(q[None, None], k[None, None], v[None, None], plan)[0, 0]
    result = tiled_attention(q, k, v, block, window)
    torch.testing.assert_close(result.o_TD, expected, atol=1e-5, rtol=1e-5)
    scores = (q @ k.T / 8**0.5).masked_fill(~plan.mask, -torch.inf)
    torch.testing.assert_close(result.logsumexp_T, scores.logsumexp(1), atol=1e-5, rtol=1e-5)
    blocks = -(-length // block)
    assert result.computed + result.skipped == blocks**2


def test_scores_far_beyond_the_range_of_exp_do_not_overflow():
    q, k, v = draw(20, scale=100.0)
    assert (q @ k.T).max() > 1000
    assert tiled_attention(q, k, v, 4).o_TD.isfinite().all()


@pytest.mark.parametrize("window", [None, 1, 5, 12])
def test_exactly_the_empty_tiles_are_skipped(window):
    for query in range(0, 24, 4):
        for key in range(0, 24, 4):
            pairs = [visible(q, k, window) for q in range(query, query + 4) for k in range(key, key + 4)]
            assert tile_is_empty(query, query + 3, key, key + 3, window) is not any(pairs)
