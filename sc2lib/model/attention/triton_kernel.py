"""The tiled algorithm as a fused kernel in Triton, forward and backward. Interpreted in tests, not yet run on a GPU.

A program of the GPU owns one tile of queries (or of keys) and keeps it in fast memory, while tiles of the other kind
pass by. Which ones must pass is read from the plan: a query sees the keys ``first[query]`` to itself, so a tile of
queries needs the tiles of keys from the smallest `first` of its rows on, and a tile of keys the tiles of queries up to
the largest `last` of its columns. Window and documents come in through these two lists alone.

`online_softmax` has the same algorithm in plain PyTorch and derives the names: m, l, logsumexp. Tensors are contiguous,
[B, H or K, T, D]. For the shape suffixes see `sc2lib.model.attention`; M and N are the rows and columns of a tile.
"""
# mypy: disable-error-code="no-untyped-def"

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from sc2lib.errors import UnsupportedError

LOG2_E = math.log2(math.e)  # a GPU computes 2^x, so scores are multiplied by log2(e) beforehand


# docs: start-forward
@triton.jit
def forward_kernel(Q, K, V, Out, Lse, First, T, rows, scale, H: tl.constexpr, G: tl.constexpr, D: tl.constexpr,
                   M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """One tile of M queries of one head: the output and the logsumexp (base 2) of each row."""
    tile, head = tl.program_id(0), tl.program_id(1)  # head counts b * H + h
    query, d = tile * M + tl.arange(0, M), tl.arange(0, D)
    inside = query < T  # the last tile may reach beyond the sequence
    q_MD = tl.load(Q + (head * T + query[:, None]) * D + d[None, :], mask=inside[:, None], other=0.0)
    first_M = tl.load(First + (head // H % rows) * T + query, mask=inside, other=T)
    m_M, l_M = tl.full([M], float("-inf"), tl.float32), tl.zeros([M], tl.float32)
    acc_MD = tl.zeros([M, D], tl.float32)
    low, high = tl.min(first_M, 0), tl.minimum((tile + 1) * M, T)
    for start in range(low // N * N, high, N):
        key = start + tl.arange(0, N)
        at = (head // G * T + key[:, None]) * D + d[None, :]  # G query heads read the same keys
        k_ND = tl.load(K + at, mask=key[:, None] < T, other=0.0)
        v_ND = tl.load(V + at, mask=key[:, None] < T, other=0.0)
        s_MN = tl.dot(q_MD, tl.trans(k_ND), input_precision="ieee") * scale
        seen = (key[None, :] <= query[:, None]) & (key[None, :] >= first_M[:, None])
        s_MN = tl.where(seen, s_MN, float("-inf"))
        new_M = tl.maximum(m_M, tl.max(s_MN, 1))
        safe_M = tl.where(new_M == float("-inf"), 0.0, new_M)  # no key seen yet: exp2(-inf - 0) is 0, not NaN
        p_MN, shrink_M = tl.exp2(s_MN - safe_M[:, None]), tl.exp2(m_M - safe_M)
        l_M = l_M * shrink_M + tl.sum(p_MN, 1)
        acc_MD = acc_MD * shrink_M[:, None] + tl.dot(p_MN.to(v_ND.dtype), v_ND, input_precision="ieee")
        m_M = new_M
    o_MD = (acc_MD / l_M[:, None]).to(q_MD.dtype)
    tl.store(Out + (head * T + query[:, None]) * D + d[None, :], o_MD, mask=inside[:, None])
    tl.store(Lse + head * T + query, m_M + tl.log2(l_M), mask=inside)
    # docs: end-forward


@triton.jit
def query_kernel(Q, K, V, dO, dQ, Lse, Delta, First, T, rows, scale, factor, H: tl.constexpr, G: tl.constexpr,
                 D: tl.constexpr, M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """The gradient of one tile of M queries: the keys that it saw pass by once more."""
    tile, head = tl.program_id(0), tl.program_id(1)
    query, d = tile * M + tl.arange(0, M), tl.arange(0, D)
    inside, own = query < T, (head * T + query[:, None]) * D + d[None, :]
    q_MD = tl.load(Q + own, mask=inside[:, None], other=0.0)
    do_MD = tl.load(dO + own, mask=inside[:, None], other=0.0)
    lse_M = tl.load(Lse + head * T + query, mask=inside, other=0.0)
    delta_M = tl.load(Delta + head * T + query, mask=inside, other=0.0)
    first_M = tl.load(First + (head // H % rows) * T + query, mask=inside, other=T)
    dq_MD = tl.zeros([M, D], tl.float32)
    low, high = tl.min(first_M, 0), tl.minimum((tile + 1) * M, T)
    for start in range(low // N * N, high, N):
        key = start + tl.arange(0, N)
        at = (head // G * T + key[:, None]) * D + d[None, :]
        k_ND = tl.load(K + at, mask=key[:, None] < T, other=0.0)
        v_ND = tl.load(V + at, mask=key[:, None] < T, other=0.0)
        s_MN = tl.dot(q_MD, tl.trans(k_ND), input_precision="ieee") * scale
        seen = (key[None, :] <= query[:, None]) & (key[None, :] >= first_M[:, None])
        p_MN = tl.where(seen, tl.exp2(s_MN - lse_M[:, None]), 0.0)  # rebuilt from one number per row
        dp_MN = tl.dot(do_MD, tl.trans(v_ND), input_precision="ieee")
        ds_MN = p_MN * (dp_MN - delta_M[:, None])
        dq_MD += tl.dot(ds_MN.to(k_ND.dtype), k_ND, input_precision="ieee")
    tl.store(dQ + own, (dq_MD * factor).to(q_MD.dtype), mask=inside[:, None])


@triton.jit
def key_kernel(Q, K, V, dO, dK, dV, Lse, Delta, First, Last, T, rows, scale, factor, H: tl.constexpr,
               G: tl.constexpr, D: tl.constexpr, M: tl.constexpr, N: tl.constexpr):  # fmt: skip
    """The gradients of one tile of N keys and values: all queries that saw it pass by, of all G heads of its group.

    The program that owns a key adds up everything for it, so nothing is added atomically and every run adds alike.
    """
    tile, group = tl.program_id(0), tl.program_id(1)  # group counts b * K + k
    key, d = tile * N + tl.arange(0, N), tl.arange(0, D)
    inside, own = key < T, (group * T + key[:, None]) * D + d[None, :]
    k_ND = tl.load(K + own, mask=inside[:, None], other=0.0)
    v_ND = tl.load(V + own, mask=inside[:, None], other=0.0)
    dk_ND, dv_ND = tl.zeros([N, D], tl.float32), tl.zeros([N, D], tl.float32)
    row = group * G // H % rows
    high = tl.max(tl.load(Last + row * T + key, mask=inside, other=0), 0) + 1
    for head in range(group * G, group * G + G):
        for start in range(tile * N // M * M, high, M):
            query = start + tl.arange(0, M)
            at = (head * T + query[:, None]) * D + d[None, :]
            q_MD = tl.load(Q + at, mask=query[:, None] < T, other=0.0)
            do_MD = tl.load(dO + at, mask=query[:, None] < T, other=0.0)
            lse_M = tl.load(Lse + head * T + query, mask=query < T, other=0.0)
            delta_M = tl.load(Delta + head * T + query, mask=query < T, other=0.0)
            first_M = tl.load(First + row * T + query, mask=query < T, other=T)
            s_MN = tl.dot(q_MD, tl.trans(k_ND), input_precision="ieee") * scale
            seen = (key[None, :] <= query[:, None]) & (key[None, :] >= first_M[:, None])
            p_MN = tl.where(seen, tl.exp2(s_MN - lse_M[:, None]), 0.0)
            dv_ND += tl.dot(tl.trans(p_MN.to(do_MD.dtype)), do_MD, input_precision="ieee")
            dp_MN = tl.dot(do_MD, tl.trans(v_ND), input_precision="ieee")
            ds_MN = p_MN * (dp_MN - delta_M[:, None])
            dk_ND += tl.dot(tl.trans(ds_MN.to(q_MD.dtype)), q_MD, input_precision="ieee")
    tl.store(dK + own, (dk_ND * factor).to(k_ND.dtype), mask=inside[:, None])
    tl.store(dV + own, dv_ND.to(k_ND.dtype), mask=inside[:, None])


class IntervalAttention(torch.autograd.Function):
    """o_BHTD of q_BHTD, k_BKTD and v_BKTD, where each query sees the keys from its first one to itself."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, first: Tensor, last: Tensor) -> Tensor:
        (batch, heads, length, size), groups = q.shape, k.shape[1]
        if size not in (16, 32, 64, 128, 256):
            raise UnsupportedError(f"triton takes heads of 16 to 256 channels in powers of two, not {size}; use flex")
        if q.dtype == torch.bfloat16 and not q.is_cuda:
            raise UnsupportedError(
                "triton's interpreter multiplies the bits of bf16 as if they were integers; use fp32"
            )
        q, k, v, first = (x.contiguous() for x in (q, k, v, first.int()))
        o, lse = torch.empty_like(q), q.new_empty(batch, heads, length, dtype=torch.float32)
        ctx.fixed = {"H": heads, "G": heads // groups, "D": size, "M": 64, "N": 64 if size <= 128 else 32}
        grid = (triton.cdiv(length, ctx.fixed["M"]), batch * heads)
        forward_kernel[grid](q, k, v, o, lse, first, length, len(first), LOG2_E / math.sqrt(size), **ctx.fixed)
        ctx.save_for_backward(q, k, v, o, lse, first, last)
        return o

    @staticmethod
    def backward(ctx: Any, do: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, o, lse, first, last = ctx.saved_tensors
        (batch, heads, length, size), groups = q.shape, k.shape[1]
        do = do.contiguous()
        # The gradient of a softmax needs the sum of p * dp over each row, which equals the sum of o * do.
        delta = (o.float() * do.float()).sum(3)
        dq, dk, dv = (torch.empty_like(x) for x in (q, k, v))
        factor = 1 / math.sqrt(size)
        sizes = (length, len(first), LOG2_E * factor, factor)
        over_queries = (triton.cdiv(length, ctx.fixed["M"]), batch * heads)
        query_kernel[over_queries](q, k, v, do, dq, lse, delta, first, *sizes, **ctx.fixed)
        over_keys = (triton.cdiv(length, ctx.fixed["N"]), batch * groups)
        key_kernel[over_keys](q, k, v, do, dk, dv, lse, delta, first, last, *sizes, **ctx.fixed)
        return dq, dk, dv, None, None
