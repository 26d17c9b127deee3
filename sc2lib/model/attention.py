"""Attention: which keys a query sees, and four ways to compute the same result.

Shape suffixes, here and in the rest of the model:
    B batch · T tokens (queries) · S keys · E channels of the residual stream · F channels of the MLP · V vocabulary
    H query heads · K key-value heads · G query heads per key-value head · D channels of a head
    N tokens of a flattened batch · W window · L layers
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from sc2lib.errors import ParameterError, UnsupportedError

BACKENDS = ("naive", "sdpa", "masked", "banded", "flex")


def visible(query: Any, key: Any, window: int | None) -> Any:
    """Whether the query at one position sees the key at another: causal, and within the window.

    A window of W shows W keys, the token itself included: ``0 <= query - key < W``. Works on integers and
    on tensors of positions that broadcast.
    """
    seen = key <= query
    return seen if window is None else seen & (key > query - window)


# docs: start-plan
@dataclass(frozen=True)
class AttentionPlan:
    """One decision per batch, shared by all layers: the visible keys and the code that computes them.

    Built by `AttentionPlan.build`, which refuses what a back end cannot do; `attend` then never chooses.

    Attributes:
        length: T, queries and keys of the sequence.
        window: W, or None when every earlier key is visible (also when W >= T: the mask is then the same).
        backend: one of `BACKENDS`.
        mask: the mask in the form the back end wants (a boolean tensor, a FlexAttention BlockMask), or None.
    """

    length: int
    window: int | None
    backend: str
    mask: Any = None
    # docs: end-plan

    @classmethod
    def build(
        cls,
        length: int,
        window: int | None = None,
        device: torch.device | str = "cpu",
        backend: str = "auto",
        dropout: float = 0.0,
    ) -> "AttentionPlan":
        """Choose and prepare a back end for one sequence length.

        auto: `sdpa` when the window does not bind, else `flex` on CUDA and `banded` elsewhere.

        Raises:
            UnsupportedError: the back end cannot do this; the message names one that can.
            ParameterError: a length, window or name out of range.
        """
        device = torch.device(device)
        if length < 1 or (window is not None and window < 1):
            raise ParameterError(f"length and window must be at least 1, not {length} and {window}")
        if dropout:
            raise UnsupportedError(
                f"attention dropout {dropout} is not supported: the paper trains without it, "
                "and the back ends draw it differently; set it to 0"
            )
        if window is not None and window >= length:
            window = None
        if backend == "auto":
            backend = "sdpa" if window is None else ("flex" if device.type == "cuda" else "banded")
        _refuse(backend, length, window, device)
        mask: Any = None
        if backend in ("naive", "masked"):
            position_T = torch.arange(length, device=device)
            mask = visible(position_T[:, None], position_T[None, :], window)
        elif backend == "banded":
            assert window is not None
            mask = _band(window, device)
        elif backend == "flex":
            mask = _block_mask(length, window, str(device))
        return cls(length, window, backend, mask)


def _refuse(backend: str, length: int, window: int | None, device: torch.device) -> None:
    if backend not in BACKENDS:
        raise ParameterError(f"unknown attention back end {backend!r}; choose auto or one of {BACKENDS}")
    if backend == "sdpa" and window is not None:
        raise UnsupportedError(
            f"sdpa computes causal attention only and would drop the window {window} at length {length}; "
            "use banded (CPU) or flex (CUDA)"
        )
    if backend == "banded" and window is None:
        raise UnsupportedError(f"banded needs a window below the length {length}; use sdpa")
    if backend in ("masked", "banded") and device.type == "cuda":
        raise UnsupportedError(
            f"{backend} falls back to unfused attention on CUDA (a mask with grouped heads); use flex"
        )
    if backend == "flex" and device.type != "cuda" and torch.is_grad_enabled():
        raise UnsupportedError(
            "FlexAttention has no backward pass on this device; use banded or sdpa, or build the plan under "
            "torch.no_grad()"
        )


def attend(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    """Grouped-query attention of one sequence with itself, o_BHTD; H must be a multiple of K.

    The scale is 1/sqrt(D), the softmax runs in fp32 (section 6.1, note c).

    Raises:
        ParameterError: the plan was built for another length.
    """
    if q_BHTD.shape[2] != plan.length or k_BKTD.shape[2] != plan.length:
        raise ParameterError(
            f"the plan is for {plan.length} tokens, the queries have {q_BHTD.shape[2]} and the keys "
            f"{k_BKTD.shape[2]}; build one plan per length"
        )
    return _COMPUTE[plan.backend](q_BHTD, k_BKTD, v_BKTD, plan)


# docs: start-naive
def _naive(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    group = q_BHTD.shape[1] // k_BKTD.shape[1]
    k_BHTD = k_BKTD.repeat_interleave(group, dim=1)
    v_BHTD = v_BKTD.repeat_interleave(group, dim=1)
    scores_BHTS = q_BHTD @ k_BHTD.transpose(2, 3) / math.sqrt(q_BHTD.shape[3])
    scores_BHTS = scores_BHTS.masked_fill(~plan.mask, -math.inf)
    weights_BHTS = scores_BHTS.float().softmax(dim=3).to(v_BHTD.dtype)
    return weights_BHTS @ v_BHTD
    # docs: end-naive


def _sdpa(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    return F.scaled_dot_product_attention(q_BHTD, k_BKTD, v_BKTD, is_causal=True, enable_gqa=True)


def _masked(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    return F.scaled_dot_product_attention(q_BHTD, k_BKTD, v_BKTD, attn_mask=plan.mask, enable_gqa=True)


def _band(window: int, device: torch.device) -> Tensor:
    """The mask of one block of W queries against the key block before it and its own, [W, 2W]."""
    query_W = torch.arange(window, 2 * window, device=device)
    key_S = torch.arange(2 * window, device=device)
    return visible(query_W[:, None], key_S[None, :], window)


# docs: start-banded
def _banded(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    """Blocks of W queries see at most two blocks of W keys: cost and memory grow with T·W, not T²."""
    assert plan.window is not None
    window, length = plan.window, plan.length
    first_BHWD = F.scaled_dot_product_attention(
        q_BHTD[:, :, :window], k_BKTD[:, :, :window], v_BKTD[:, :, :window], is_causal=True, enable_gqa=True
    )
    blocks = -(-length // window) - 1
    padding = (blocks + 1) * window - length
    q_XHWD = _blocks(F.pad(q_BHTD[:, :, window:], (0, 0, 0, padding)), window, window)
    k_XKSD = _blocks(F.pad(k_BKTD, (0, 0, 0, padding)), 2 * window, window)
    v_XKSD = _blocks(F.pad(v_BKTD, (0, 0, 0, padding)), 2 * window, window)
    o_XHWD = F.scaled_dot_product_attention(q_XHWD, k_XKSD, v_XKSD, attn_mask=plan.mask, enable_gqa=True)
    o_BXHWD = o_XHWD.unflatten(0, (q_BHTD.shape[0], blocks))
    o_BHTD = o_BXHWD.transpose(1, 2).flatten(2, 3)
    return torch.cat((first_BHWD, o_BHTD[:, :, : length - window]), dim=2)


def _blocks(x_BHTD: Tensor, size: int, step: int) -> Tensor:
    """Pieces of `size` tokens every `step` tokens, moved into the batch: X = B · pieces."""
    return x_BHTD.unfold(2, size, step).permute(0, 2, 1, 4, 3).flatten(0, 1)
    # docs: end-banded


@functools.lru_cache(maxsize=8)
def _block_mask(length: int, window: int | None, device: str) -> Any:
    """Kept between batches: to find the empty tiles costs more than a layer's attention."""
    from torch.nn.attention.flex_attention import create_block_mask

    def mask_mod(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return visible(query, key, window)

    return create_block_mask(mask_mod, None, None, length, length, device=device)


@functools.cache
def _flex_kernel(compiled: bool) -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    kernel: Any = flex_attention
    if compiled:
        kernel = torch.compile(flex_attention, dynamic=False)
    return cast(Callable[..., Any], kernel)


def _flex(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    """FlexAttention: skips blocks that the mask empties. Written for CUDA, not yet run on a GPU."""
    kernel = _flex_kernel(q_BHTD.device.type == "cuda")
    output: Tensor = kernel(q_BHTD, k_BKTD, v_BKTD, block_mask=plan.mask, enable_gqa=True)
    return output


_COMPUTE: dict[str, Callable[[Tensor, Tensor, Tensor, AttentionPlan], Tensor]] = {
    "naive": _naive,
    "sdpa": _sdpa,
    "masked": _masked,
    "banded": _banded,
    "flex": _flex,
}


def attend_cached(q_BH1D: Tensor, k_BKSD: Tensor, v_BKSD: Tensor, visible_BS: Tensor) -> Tensor:
    """Attention of one new token with the cache, o_BH1D; `visible_BS` says which slots hold a visible key.

    The G query heads of a key-value head take the place of the query axis, so no key is copied and
    no back end has to support grouped heads.
    """
    groups = k_BKSD.shape[1]
    q_BKGD = q_BH1D.squeeze(2).unflatten(1, (groups, -1))
    o_BKGD = F.scaled_dot_product_attention(q_BKGD, k_BKSD, v_BKSD, attn_mask=visible_BS[:, None, None, :])
    return o_BKGD.flatten(1, 2).unsqueeze(2)
