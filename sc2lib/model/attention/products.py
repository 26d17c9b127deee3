"""Attention in bands on a CPU by plain matrix products: the fast way in bf16.

PyTorch's fused kernel for CPUs multiplies tiles too small for the bf16 units. Large batched products use them: one
block of queries, of all heads that share a key, against all keys that the block sees. The weights of a block are
computed again in the backward pass, so nothing that grows with T² is kept. In fp32 the fused kernel is the faster one.
For the shape suffixes see `sc2lib.model.attention`; M counts the G·t rows of a block of t queries.
"""

from typing import Any

import torch
from torch import Tensor

from sc2lib.model.attention.banded import Band, additive_mask

BLOCK = 128  # queries
SCORES = 1 << 23  # of one block, in elements: more rows of a batch go one after another


# docs: start-products
class ProductAttention(torch.autograd.Function):
    """o_BHTD of q_BHTD, k_BKTD and v_BKTD; only these three are kept for the backward pass.

    Scores are rounded to the type of the inputs, as in unfused attention; the softmax and the sums run in fp32.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, first_BT: Tensor, blocks: tuple[Band, ...]) -> Tensor:
        o = torch.empty_like(q)
        for rows in _rows(q, blocks):
            k_RTD, v_RTD = (x[rows].flatten(0, 1) for x in (k, v))
            for band in blocks:
                _, p_RMS = _weights(q[rows, :, band.queries], k_RTD, first_BT, rows, band)
                o[rows, :, band.queries] = torch.bmm(p_RMS, v_RTD[:, band.keys]).view_as(q[rows, :, band.queries])
        ctx.save_for_backward(q, k, v, first_BT)
        ctx.blocks = blocks
        return o

    @staticmethod
    def backward(ctx: Any, grad_o: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, first_BT = ctx.saved_tensors
        grad_q, grad_k, grad_v = (torch.empty_like(x) for x in (q, k, v))
        zero, scale = q.new_empty(()), q.shape[3] ** -0.5
        for rows in _rows(q, ctx.blocks):
            k_RTD, v_RTD = (x[rows].flatten(0, 1) for x in (k, v))
            # Each key belongs to several blocks: their shares are added in fp32.
            sum_k, sum_v = (torch.zeros_like(x, dtype=torch.float32) for x in (k_RTD, v_RTD))
            for band in ctx.blocks:
                q_RMD, p_RMS = _weights(q[rows, :, band.queries], k_RTD, first_BT, rows, band)
                do_RMD = grad_o[rows, :, band.queries].reshape(q_RMD.shape)
                sum_v[:, band.keys] += torch.bmm(p_RMS.mT, do_RMD)
                dp_RMS = torch.bmm(do_RMD, v_RTD[:, band.keys].mT)
                ds_RMS = torch._softmax_backward_data(dp_RMS, p_RMS, 2, p_RMS.dtype)
                dq_RMD = torch.baddbmm(zero, ds_RMS, k_RTD[:, band.keys], beta=0, alpha=scale)
                grad_q[rows, :, band.queries] = dq_RMD.view_as(grad_q[rows, :, band.queries])
                sum_k[:, band.keys] += torch.baddbmm(zero, ds_RMS.mT, q_RMD, beta=0, alpha=scale)
            grad_k[rows], grad_v[rows] = sum_k.view_as(k[rows]), sum_v.view_as(v[rows])
        return grad_q, grad_k, grad_v, None, None


def _weights(q_BHtD: Tensor, k_RTD: Tensor, first_BT: Tensor, rows: slice, band: Band) -> tuple[Tensor, Tensor]:
    """The queries of a block with the G heads of a key-value head as rows of one matrix, and their softmax."""
    length, size = q_BHtD.shape[2:]
    q_RMD = q_BHtD.reshape(len(k_RTD), -1, size)
    s_RMS = torch.baddbmm(q_RMD.new_empty(()), q_RMD, k_RTD[:, band.keys].mT, beta=0, alpha=size**-0.5)
    s_BHtS = s_RMS.view(len(q_BHtD), -1, length, s_RMS.shape[2])
    first_BT = first_BT[rows] if len(first_BT) > 1 else first_BT
    for number, piece in enumerate(band.masked):
        mask = additive_mask(first_BT, band.queries, piece, q_BHtD.dtype) if band.masks is None else band.masks[number]
        s_BHtS[..., piece.start - band.keys.start : piece.stop - band.keys.start] += mask
    return q_RMD, s_RMS.softmax(2)
    # docs: end-products


def _rows(q_BHTD: Tensor, blocks: tuple[Band, ...]) -> list[slice]:
    """Pieces of the batch whose largest block has about `SCORES` scores, at least one row each."""
    largest = max((band.queries.stop - band.queries.start) * (band.keys.stop - band.keys.start) for band in blocks)
    step = max(1, SCORES // (largest * q_BHTD.shape[1]))
    return [slice(start, min(start + step, len(q_BHTD))) for start in range(0, len(q_BHTD), step)]
