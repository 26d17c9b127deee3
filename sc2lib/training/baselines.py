"""Two models that need no training, to know what a loss means: token frequencies, and pairs of tokens."""

import numpy as np


def unigram_losses(train: np.ndarray, targets: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """Loss of each target in nats under the frequencies of the training tokens, each counted once more than seen."""
    counts = np.bincount(train, minlength=vocabulary_size) + 1.0
    losses: np.ndarray = -np.log(counts / counts.sum())[targets]
    return losses


# docs: start-bigram
def bigram_losses(
    train: np.ndarray, contexts: np.ndarray, targets: np.ndarray, vocabulary_size: int, strength: float = 64.0
) -> np.ndarray:
    """Loss of each target in nats after the token before it: pair frequencies mixed with token frequencies.

    ``p(b|a) = (count(ab) + strength · p(b)) / (count(a) + strength)``, Bayes' rule with a Dirichlet prior around
    the unigram model: a context seen rarely leans on it. Memory: 8 bytes per training token while counting.
    """
    prior = np.exp(-unigram_losses(train, targets, vocabulary_size))
    pairs, counts = np.unique(train[:-1].astype(np.int64) * vocabulary_size + train[1:], return_counts=True)
    wanted = contexts.astype(np.int64) * vocabulary_size + targets
    found = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    pair_counts = np.where(pairs[found] == wanted, counts[found], 0)
    context_counts = np.bincount(train[:-1], minlength=vocabulary_size)[contexts]
    losses: np.ndarray = -np.log((pair_counts + strength * prior) / (context_counts + strength))
    return losses
    # docs: end-bigram
