import warnings

import pytest
import torch

from sc2lib.errors import ParameterError, UnsupportedError
from sc2lib.model.attention import AttentionPlan, attend, attend_cached, visible

HEADS, SIZE, WINDOW = 4, 16, 8


def draw(length, groups, dtype=torch.float32, batch=2):
    generator = torch.Generator().manual_seed(length * 10 + groups)
    shapes = [(batch, HEADS, length, SIZE)] + 2 * [(batch, groups, length, SIZE)]
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def loop(q, k, v, window):
    """Attention with one Python loop per query: independent of masks, blocks and grouped heads."""
    _, heads, length, size = q.shape
    out = torch.zeros_like(q)
    for t in range(length):
        keys = [s for s in range(length) if 0 <= t - s < (window or length)]
        for head in range(heads):
            group = head * k.shape[1] // heads
            scores = torch.einsum("bd,bsd->bs", q[:, head, t], k[:, group, keys]) / size**0.5
            out[:, head, t] = torch.einsum("bs,bsd->bd", scores.softmax(-1), v[:, group, keys])
    return out


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("length", [1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 3 * WINDOW + 5])
@pytest.mark.parametrize("window", [None, WINDOW, 1])
@torch.no_grad()
def test_naive_equals_the_loop(groups, length, window):
    q, k, v = draw(length, groups)
    plan = AttentionPlan.build(length, window, backend="naive")
    torch.testing.assert_close(attend(q, k, v, plan), loop(q, k, v, window))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("length", [WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW - 1, 2 * WINDOW, 37])
@pytest.mark.parametrize("window", [None, WINDOW, 1])
@pytest.mark.parametrize("backend", ["auto", "masked"])
def test_every_back_end_equals_naive_in_values_and_gradients(groups, length, window, backend):
    results = []
    for name in ("naive", backend):
        q, k, v = draw(length, groups)
        out = attend(q, k, v, AttentionPlan.build(length, window, backend=name))
        (out * torch.arange(out.numel()).view_as(out).sin()).sum().backward()
        results.append((out, q.grad, k.grad, v.grad))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("window", [None, WINDOW])
def test_bfloat16_stays_near_fp32(window):
    q, k, v = draw(40, 2)
    plan = AttentionPlan.build(40, window)
    low = attend(q.bfloat16(), k.bfloat16(), v.bfloat16(), plan)
    torch.testing.assert_close(low.float(), attend(q, k, v, plan), atol=3e-2, rtol=3e-2)


@pytest.mark.parametrize("window", [None, 100])
@torch.no_grad()
def test_flex_mask_equals_naive_on_cpu(window):
    q, k, v = (x.detach() for x in draw(300, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = attend(q, k, v, AttentionPlan.build(300, window, backend="flex"))
    naive = attend(q, k, v, AttentionPlan.build(300, window, backend="naive"))
    torch.testing.assert_close(ours, naive, atol=2e-5, rtol=1e-4)


def test_a_window_of_w_shows_w_keys_in_rows_around_w():
    plan = AttentionPlan.build(3 * WINDOW, WINDOW, backend="naive")
    for row in (0, WINDOW - 2, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW - 1):
        seen = [key for key in range(3 * WINDOW) if visible(row, key, WINDOW)]
        assert seen == list(range(max(0, row - WINDOW + 1), row + 1))
        assert plan.mask[row].nonzero().flatten().tolist() == seen
    assert len([key for key in range(3 * WINDOW) if visible(WINDOW, key, WINDOW)]) == WINDOW


def test_auto_never_masks_more_than_needed():
    assert AttentionPlan.build(WINDOW, WINDOW).backend == "sdpa"
    assert AttentionPlan.build(WINDOW + 1, WINDOW).backend == "banded"
    assert AttentionPlan.build(WINDOW + 1).backend == "sdpa"


@pytest.mark.parametrize(
    ("arguments", "alternative"),
    [
        ({"length": 9, "window": 8, "backend": "sdpa"}, "banded"),
        ({"length": 8, "window": 8, "backend": "banded"}, "use sdpa"),
        ({"length": 9, "window": 8, "backend": "flex"}, "banded or sdpa"),
        ({"length": 9, "window": 8, "backend": "banded", "device": "cuda"}, "use flex"),
        ({"length": 9, "window": 8, "backend": "masked", "device": "cuda"}, "use flex"),
        ({"length": 9, "dropout": 0.1}, "set it to 0"),
    ],
)
def test_what_a_back_end_cannot_do_is_refused_when_the_plan_is_built(arguments, alternative):
    with pytest.raises(UnsupportedError, match=alternative):
        AttentionPlan.build(**arguments)


def test_numbers_out_of_range_and_wrong_lengths_are_refused():
    for arguments in ({"length": 0}, {"length": 4, "window": 0}, {"length": 4, "backend": "fast"}):
        with pytest.raises(ParameterError):
            AttentionPlan.build(**arguments)
    with pytest.raises(ParameterError, match="one plan per length"):
        attend(*draw(5, 2), AttentionPlan.build(6))


@torch.no_grad()
def test_one_cached_token_equals_the_last_row():
    q, k, v = draw(12, 2)
    plan = AttentionPlan.build(12, WINDOW, backend="naive")
    inside = torch.arange(12) >= 12 - WINDOW
    last = attend_cached(q[:, :, -1:], k, v, inside.expand(2, 12))
    torch.testing.assert_close(last, attend(q, k, v, plan)[:, :, -1:])
