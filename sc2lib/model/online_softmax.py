"""Attention without ever holding a row of scores: the algorithm inside every fused kernel, in plain PyTorch.

One head, one sequence, loops in Python: made to be read, and to be tested against the naive form. A fused kernel does
the same with one tile of queries per processor and everything but the inputs and outputs in fast memory.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sc2lib.model.attention import visible


@dataclass(frozen=True)
class TiledResult:
    """Output o_TD, logsumexp of every row, and how many tiles of scores were computed and skipped."""

    o_TD: Tensor
    logsumexp_T: Tensor
    computed: int
    skipped: int


def tile_is_empty(first_query: int, last_query: int, first_key: int, last_key: int, window: int | None) -> bool:
    """Whether no query of a tile sees any of its keys: all keys are in the future, or all have left the window."""
    return first_key > last_query or (window is not None and first_query - last_key >= window)


# docs: start-tiled
def tiled_attention(q_TD: Tensor, k_SD: Tensor, v_SD: Tensor, block: int, window: int | None = None) -> TiledResult:
    """Causal attention of T queries with S = T keys, one `block` x `block` tile of scores at a time.

    Three running numbers per query are enough: the largest score m, the sum l of exp(score - m), and the output o
    weighted by the same exponentials. A larger m rescales l and o by exp(old m - new m).
    """
    length, size = q_TD.shape
    position_T = torch.arange(length)
    o_TD, logsumexp_T = torch.empty_like(q_TD), q_TD.new_empty(length)
    computed = skipped = 0
    for query_T in position_T.split(block):
        m_T = q_TD.new_full((len(query_T),), -math.inf)
        l_T, acc_TD = torch.zeros_like(m_T), q_TD.new_zeros(len(query_T), size)
        for key_S in position_T.split(block):
            if tile_is_empty(int(query_T[0]), int(query_T[-1]), int(key_S[0]), int(key_S[-1]), window):
                skipped += 1
                continue
            scores_TS = q_TD[query_T] @ k_SD[key_S].T / math.sqrt(size)
            scores_TS.masked_fill_(~visible(query_T[:, None], key_S[None, :], window), -math.inf)
            new_m_T = torch.maximum(m_T, scores_TS.amax(dim=1))
            # A row that has seen no key yet keeps m = -inf; subtracting 0 instead gives exp(-inf) = 0, not NaN.
            safe_m_T = new_m_T.where(new_m_T.isfinite(), 0)
            weights_TS = torch.exp(scores_TS - safe_m_T[:, None])
            shrink_T = torch.exp(m_T - safe_m_T)
            l_T = l_T * shrink_T + weights_TS.sum(dim=1)
            acc_TD = acc_TD * shrink_T[:, None] + weights_TS @ v_SD[key_S]
            m_T = new_m_T
            computed += 1
        o_TD[query_T] = acc_TD / l_T[:, None]
        logsumexp_T[query_T] = m_T + l_T.log()
    return TiledResult(o_TD, logsumexp_T, computed, skipped)
    # docs: end-tiled
