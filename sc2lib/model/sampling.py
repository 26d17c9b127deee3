"""Sampling: from a row of logits to the next token, by a number that is drawn beforehand.

Shape suffixes:
    B rows · V vocabulary · N tokens still to be written
"""

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from sc2lib.errors import ParameterError

Seed = int | Sequence[int]

# Below this a division by the temperature leaves the range of fp32 for any logits but equal ones.
COLDEST = 1e-6


def sample(logits_BV: Tensor, uniform_B: Tensor, top_k: int | None = None, top_p: float = 1.0) -> Tensor:
    """Draw one token per row by inverting the cumulative distribution at `uniform_B`, numbers in [0, 1).

    `top_k` keeps the k most likely tokens (and all as likely as the last of them). With `top_p` below 1 only the
    nucleus of what is left counts: the shortest list of most likely tokens whose probabilities sum to at least
    `top_p` (with all tokens as likely as its last), renormalised.
    """
    if top_k is not None and top_k < logits_BV.shape[1]:
        edge_B1 = logits_BV.topk(top_k, dim=1).values[:, -1:]
        logits_BV = logits_BV.where(logits_BV >= edge_B1, -torch.inf)
    probability_BV = logits_BV.softmax(dim=1)
    if top_p < 1:
        probability_BV = probability_BV.where(probability_BV >= _nucleus_edge(probability_BV, top_p), 0)
    cumulative_BV = probability_BV.cumsum(dim=1, dtype=torch.float64)
    total_B1 = cumulative_BV[:, -1:]
    threshold_B1 = uniform_B[:, None].double() * total_B1
    threshold_B1 = threshold_B1.minimum(torch.nextafter(total_B1, torch.zeros_like(total_B1)))
    return torch.searchsorted(cumulative_BV, threshold_B1, right=True)[:, 0]


def _nucleus_edge(probability_BV: Tensor, top_p: float) -> Tensor:
    """Probability of the least likely token in each row's nucleus, [B, 1]."""
    sorted_BV = _descending(probability_BV)
    before_BV = sorted_BV.cumsum(dim=1, dtype=torch.float64) - sorted_BV
    return sorted_BV.gather(1, (before_BV < top_p).sum(dim=1, keepdim=True) - 1)


def _descending(values_BV: Tensor) -> Tensor:
    """Rows sorted, largest first. On a CPU by NumPy: it sorts values without their indices, four times as fast."""
    if values_BV.device.type == "cpu":
        return torch.from_numpy(-np.sort(-values_BV.numpy(), axis=1))
    return values_BV.sort(dim=1, descending=True).values


def uniform_numbers(seed: int | Sequence[Seed], rows: int, steps: int) -> Tensor:
    """The numbers in [0, 1) that each row will draw by, uniform_BN.

    An integer seeds row b with (seed, b); a sequence holds one seed per row, each an integer or several. A row's
    numbers depend on its own seed alone, and their beginning not on `steps`.

    Raises:
        ParameterError: not as many seeds as rows.
    """
    seeds: Sequence[Seed] = seed if isinstance(seed, Sequence) else [(int(seed), row) for row in range(rows)]
    if len(seeds) != rows:
        raise ParameterError(f"{len(seeds)} seeds for {rows} prompts; give one integer, or one seed per prompt")
    if min((part for each in seeds for part in np.atleast_1d(each)), default=0) < 0:
        raise ParameterError(f"a seed must be a whole number of at least 0, not {seed!r}")
    return torch.from_numpy(np.stack([np.random.default_rng(each).random(steps) for each in seeds]))


def check_sampling(temperature: float, top_k: int | None, top_p: float) -> None:
    """Raise ParameterError for a setting out of range."""
    if not (temperature == 0 or COLDEST <= temperature < math.inf):
        raise ParameterError(
            f"temperature must be 0, or finite and at least {COLDEST}, not {temperature}; 0 takes the most likely token"
        )
    if top_k is not None and not (isinstance(top_k, Integral) and top_k >= 1):
        raise ParameterError(f"top_k must be a whole number of at least 1, not {top_k}; None keeps all tokens")
    if not 0 < top_p <= 1:
        raise ParameterError(f"top_p must lie in (0, 1], not {top_p}; 1 keeps all tokens")
