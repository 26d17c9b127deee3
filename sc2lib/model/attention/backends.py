"""`attend`: the computation that a plan has chosen. For the shape suffixes see `sc2lib.model.attention`."""

import functools
import math
from collections.abc import Callable
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from sc2lib.errors import ParameterError, UnsupportedError
from sc2lib.model.attention.banded import BandedAttention
from sc2lib.model.attention.plan import AttentionPlan
from sc2lib.model.attention.products import ProductAttention

FUSED = [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]
FLEX_SHAPES = 32  # for which FlexAttention is compiled: lengths, batch sizes, element types, with gradients or without


def attend(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    """Grouped-query attention of one sequence with itself, o_BHTD; H must be a multiple of K.

    The scale is 1/sqrt(D), the softmax runs in fp32 (section 6.1, note c).

    Raises:
        ParameterError: queries, keys and values do not belong together, or the plan was built for another length or
            another batch.
        UnsupportedError: the kernel of the plan takes no such element type or head size.
    """
    _check(q_BHTD, k_BKTD, v_BKTD)
    if q_BHTD.shape[2] != plan.length or k_BKTD.shape[2] != plan.length:
        raise ParameterError(
            f"the plan is for {plan.length} tokens, the queries have {q_BHTD.shape[2]} and the keys "
            f"{k_BKTD.shape[2]}; build one plan per length"
        )
    if plan.batch not in (None, q_BHTD.shape[0]):
        raise ParameterError(
            f"the plan has the documents of {plan.batch} rows, the queries have {q_BHTD.shape[0]}; "
            "build one plan per batch"
        )
    return _COMPUTE[plan.backend](q_BHTD, k_BKTD, v_BKTD, plan)


def _check(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Raises ParameterError for what the kernels do not look at: some read past the end of the keys and return it."""
    shape, keys = q.shape, k.shape
    if not len(shape) == len(keys) == 4 or keys != v.shape or shape[0] != keys[0] or shape[3] != keys[3]:
        fault = "keys and values must have one shape [B, K, T, D], and the queries their B and D"
    elif not keys[1] or shape[1] % keys[1]:
        fault = "the query heads H must be a multiple of the key-value heads K"
    elif not q.dtype == k.dtype == v.dtype or not q.device == k.device == v.device:
        fault = "all three must have one element type and lie on one device"
    else:
        return
    found = (f"{name} {list(x.shape)} {x.dtype} {x.device}" for name, x in (("q", q), ("k", k), ("v", v)))
    raise ParameterError(f"{', '.join(found)}: {fault}")


def _naive(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    group = q_BHTD.shape[1] // k_BKTD.shape[1]
    k_BHTD = k_BKTD.repeat_interleave(group, dim=1)
    v_BHTD = v_BKTD.repeat_interleave(group, dim=1)
    scores_BHTS = q_BHTD @ k_BHTD.transpose(2, 3) / math.sqrt(q_BHTD.shape[3])
    scores_BHTS = scores_BHTS.masked_fill(~plan.mask, -math.inf)
    weights_BHTS = scores_BHTS.float().softmax(dim=3).to(v_BHTD.dtype)
    return weights_BHTS @ v_BHTD


def _sdpa(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    if not q_BHTD.is_cuda:
        return F.scaled_dot_product_attention(q_BHTD, k_BKTD, v_BKTD, is_causal=True, enable_gqa=True)
    if q_BHTD.dtype == torch.float32:  # the one fused kernel for fp32 knows no groups: copy the keys and values
        group = q_BHTD.shape[1] // k_BKTD.shape[1]
        k_BKTD, v_BKTD = (x.repeat_interleave(group, dim=1) for x in (k_BKTD, v_BKTD))
    with sdpa_kernel(FUSED):  # raises instead of falling back to the matrix of scores
        return F.scaled_dot_product_attention(
            q_BHTD, k_BKTD, v_BKTD, is_causal=True, enable_gqa=q_BHTD.shape[1] != k_BKTD.shape[1]
        )


def _masked(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    return F.scaled_dot_product_attention(q_BHTD, k_BKTD, v_BKTD, attn_mask=plan.mask, enable_gqa=True)


def _banded(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    return cast(Tensor, BandedAttention.apply(q_BHTD, k_BKTD, v_BKTD, plan.first_BT, plan.mask))


def _products(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    return cast(Tensor, ProductAttention.apply(q_BHTD, k_BKTD, v_BKTD, plan.first_BT, plan.mask))


@functools.cache
def _flex_kernel(compiled: bool) -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    kernel: Any = flex_attention
    if compiled:
        kernel = torch.compile(flex_attention, dynamic=False)
    return cast(Callable[..., Any], kernel)


def _flex(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    """FlexAttention: skips blocks that the mask empties. Written for CUDA, not yet run on a GPU.

    The kernel is compiled for each shape. Beyond a limit PyTorch would compute the matrix of scores, with a warning
    at most: here that is an error.
    """
    kernel = _flex_kernel(q_BHTD.device.type == "cuda")
    beyond = plan.mask.seq_lengths[0] - plan.length
    if beyond:
        q_BHTD, k_BKTD, v_BKTD = (F.pad(x, (0, 0, 0, beyond)) for x in (q_BHTD, k_BKTD, v_BKTD))
    try:
        with torch._dynamo.config.patch(recompile_limit=FLEX_SHAPES, fail_on_recompile_limit_hit=True):
            output: Tensor = kernel(q_BHTD, k_BKTD, v_BKTD, block_mask=plan.mask, enable_gqa=True)
    except torch._dynamo.exc.FailOnRecompileLimitHit as error:
        raise UnsupportedError(
            f"FlexAttention was compiled for {FLEX_SHAPES} shapes and gets another one, {list(q_BHTD.shape)}; "
            "use batches of fewer sizes, or varlen"
        ) from error
    return output[:, :, : plan.length]


def _varlen(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    """FlashAttention over documents laid end to end. Written for CUDA, not yet run on a GPU.

    Its window counts the keys to the left *beside* the token: W visible keys are ``(W - 1, 0)``.
    """
    from torch.nn.attention import varlen

    if q_BHTD.dtype not in (torch.bfloat16, torch.float16):
        raise UnsupportedError(f"varlen computes in bf16 or fp16, not in {q_BHTD.dtype}; use flex")
    batch, length = q_BHTD.shape[0], plan.length
    ends = plan.mask
    if ends is None:
        ends = torch.arange(0, (batch + 1) * length, length, dtype=torch.int32, device=q_BHTD.device)
    q_NHD, k_NKD, v_NKD = (x.transpose(1, 2).flatten(0, 1) for x in (q_BHTD, k_BKTD, v_BKTD))
    near = (-1 if plan.window is None else plan.window - 1, 0)
    o_NHD = varlen.varlen_attn(q_NHD, k_NKD, v_NKD, ends, ends, length, length, window_size=near, enable_gqa=True)
    return cast(Tensor, o_NHD).unflatten(0, (batch, length)).transpose(1, 2)


def _triton(q_BHTD: Tensor, k_BKTD: Tensor, v_BKTD: Tensor, plan: AttentionPlan) -> Tensor:
    from sc2lib.model.attention.triton_kernel import IntervalAttention

    return cast(Tensor, IntervalAttention.apply(q_BHTD, k_BKTD, v_BKTD, plan.first_BT, plan.mask))


_COMPUTE: dict[str, Callable[[Tensor, Tensor, Tensor, AttentionPlan], Tensor]] = {
    "naive": _naive,
    "sdpa": _sdpa,
    "masked": _masked,
    "banded": _banded,
    "products": _products,
    "flex": _flex,
    "varlen": _varlen,
    "triton": _triton,
}


def attend_cached(q_BH1D: Tensor, k_BKSD: Tensor, v_BKSD: Tensor, visible_BS: Tensor) -> Tensor:
    """Attention of one new token with the cache, o_BH1D; `visible_BS` says which slots hold a visible key.

    The G query heads of a key-value head take the place of the query axis, so no key is copied and
    no back end has to support grouped heads.

    Raises:
        ParameterError: the query, keys and values do not belong together.
    """
    _check(q_BH1D, k_BKSD, v_BKSD)
    groups = k_BKSD.shape[1]
    q_BKGD = q_BH1D.squeeze(2).unflatten(1, (groups, -1))
    o_BKGD = F.scaled_dot_product_attention(q_BKGD, k_BKSD, v_BKSD, attn_mask=visible_BS[:, None, None, :])
    return o_BKGD.flatten(1, 2).unsqueeze(2)
