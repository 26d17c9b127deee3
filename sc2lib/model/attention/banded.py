"""Attention in bands on a CPU: blocks of queries, each against only the keys that some query of it sees.

PyTorch's fused kernel knows no windows and no documents, so it is called once per block with the slice of keys that
the block can see. Nothing is copied and no matrix is kept: beside inputs and outputs there is one number per row.
For the shape suffixes see `sc2lib.model.attention`.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

BLOCK = 256  # queries: fewer waste fewer scores, more give larger products

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@dataclass(frozen=True)
class Band:
    """One block: its queries, the keys it meets, and what is added to its scores (0 or -inf), [B or 1, 1, T, S].

    Each mask covers one piece of `masked`: all of `keys`, or only the two ends that some query does not see.
    `masks` None: they are made when needed, because documents make every block's masks others.
    """

    queries: slice
    keys: slice
    masked: tuple[slice, ...]
    masks: tuple[Tensor, ...] | None


# docs: start-banded
def bands(
    first_BT: Tensor, shared: bool, block: int = BLOCK, whole: bool = True, dtype: torch.dtype = torch.float32
) -> tuple[Band, ...]:
    """Cut T queries into blocks and find the keys of each.

    Args:
        first_BT: the first visible key of each query (`first_visible`).
        shared: no documents, so that all blocks inside the sequence have the same masks.
        whole: a mask covers all keys of a block, also those in the middle that every query sees.
        dtype: of the masks; 0 and -inf are exact in any.
    """
    length = first_BT.shape[1]
    least_T, most_T = first_BT.aminmax(dim=0)
    cut: list[Band] = []
    kept: dict[tuple[int, ...], tuple[Tensor, ...]] = {}
    for start in range(0, length, block):
        queries = slice(start, min(start + block, length))
        keys = slice(int(least_T[start]), queries.stop)
        left = slice(keys.start, int(most_T[queries.stop - 1]))  # what the window or a document hides from the last
        masked = (keys,) if whole or left.stop > start else (left, queries) if left.stop > left.start else (queries,)
        form = (queries.stop - start, *(queries.stop - end for piece in masked for end in (piece.start, piece.stop)))
        if shared and form not in kept:
            kept[form] = tuple(additive_mask(first_BT, queries, piece, dtype) for piece in masked)
        cut.append(Band(queries, keys, masked, kept.get(form)))
    return tuple(cut)


def additive_mask(first_BT: Tensor, queries: slice, keys: slice, dtype: torch.dtype = torch.float32) -> Tensor:
    """What is added to the scores of a block: 0 where a query sees a key, else -inf, [B or 1, 1, T, S]."""
    query_T1 = torch.arange(queries.start, queries.stop)[:, None]
    key_S = torch.arange(keys.start, keys.stop)
    hidden_BTS = (key_S > query_T1) | (key_S < first_BT[:, queries, None])
    return torch.zeros(hidden_BTS.shape, dtype=dtype).masked_fill_(hidden_BTS, -math.inf)[:, None]


class BandedAttention(torch.autograd.Function):
    """o_BHTD of q_BHTD, k_BKTD and v_BKTD; the backward pass needs the logsumexp of each row and nothing else."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, first_BT: Tensor, blocks: tuple[Band, ...]) -> Tensor:
        o = torch.empty_like(q)
        logsumexp_BHT = q.new_empty(q.shape[:3], dtype=torch.float32)
        for band in blocks:
            mask = additive_mask(first_BT, band.queries, band.keys) if band.masks is None else band.masks[0]
            near = (q[:, :, band.queries], k[:, :, band.keys], v[:, :, band.keys])
            o[:, :, band.queries], logsumexp_BHT[:, :, band.queries] = _forward(*near, attn_mask=mask)
        ctx.save_for_backward(q, k, v, o, logsumexp_BHT, first_BT)
        ctx.blocks = blocks
        return o

    @staticmethod
    def backward(ctx: Any, grad_o: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, o, logsumexp_BHT, first_BT = ctx.saved_tensors
        grad_q = torch.empty_like(q)
        # Each key belongs to several blocks: their shares are added in fp32, or bf16 would round at every block.
        grad_k, grad_v = (torch.zeros_like(x, dtype=torch.float32) for x in (k, v))
        for band in ctx.blocks:
            mask = additive_mask(first_BT, band.queries, band.keys) if band.masks is None else band.masks[0]
            near = (q[:, :, band.queries], k[:, :, band.keys], v[:, :, band.keys], o[:, :, band.queries])
            rows = (grad_o[:, :, band.queries], *near, logsumexp_BHT[:, :, band.queries])
            grad_q[:, :, band.queries], share_k, share_v = _backward(*rows, 0.0, False, attn_mask=mask)
            grad_k[:, :, band.keys] += share_k
            grad_v[:, :, band.keys] += share_v
        return grad_q, grad_k.to(k.dtype), grad_v.to(v.dtype), None, None
        # docs: end-banded
