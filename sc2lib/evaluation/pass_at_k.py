"""pass@k: the chance that one of k samples solves a problem, without bias (Chen et al. 2021)."""

from collections.abc import Sequence

import numpy as np

from sc2lib.errors import ParameterError


# docs: start-estimator
def pass_at_k(samples: int, correct: int, k: int) -> float:
    """1 - C(n-c, k) / C(n, k) for n samples of which c are correct, as a product that cannot overflow.

    Raises ParameterError when fewer than k samples were drawn: the estimate does not exist.
    """
    if not 0 <= correct <= samples or not 1 <= k <= samples:
        raise ParameterError(
            f"pass@{k} needs at least {k} samples and 0 to n correct ones, got n={samples}, c={correct}"
        )
    if samples - correct < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(samples - correct + 1, samples + 1)))
    # docs: end-estimator


def mean_pass_at_k(counts: Sequence[tuple[int, int]], k: int) -> float:
    """The mean over problems of pass@k, for (samples, correct) of each problem."""
    if not counts:
        raise ParameterError("pass@k of no problem at all: judge at least one")
    return float(np.mean([pass_at_k(samples, correct, k) for samples, correct in counts]))


def bootstrap_interval(
    counts: Sequence[tuple[int, int]], k: int, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of `mean_pass_at_k` when the problems are drawn again with replacement.

    It tells how much another 164 problems could have changed the score. Where every problem scored the same (0 of
    164) all resamples agree and the interval has no width; `rule_of_three` says what is still possible then.
    """
    values = np.array([pass_at_k(samples, correct, k) for samples, correct in counts])
    draws = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(values[draws].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def rule_of_three(problems: int, confidence: float = 0.95) -> float:
    """Largest pass@1 that still gives no success in that many problems with probability 1 - confidence."""
    return float(1 - (1 - confidence) ** (1 / problems))
