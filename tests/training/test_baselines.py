import math
from collections import Counter

import numpy as np
import pytest

from sc2lib.training.baselines import bigram_losses, unigram_losses
from tests.training.conftest import VOCABULARY, Corpus


@pytest.fixture(scope="module")
def tokens(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    return np.fromfile(corpus.train, np.uint16)[:5000], np.fromfile(corpus.validation, np.uint16)[:400]


def test_unigram_equals_counting_by_hand(tokens: tuple[np.ndarray, np.ndarray]) -> None:
    train, held_out = tokens
    counts = Counter(train.tolist())
    expected = [-math.log((counts[t] + 1) / (len(train) + VOCABULARY)) for t in held_out.tolist()]
    assert unigram_losses(train, held_out, VOCABULARY) == pytest.approx(expected)


def test_bigram_equals_counting_by_hand(tokens: tuple[np.ndarray, np.ndarray]) -> None:
    train, held_out = tokens
    pairs = Counter(zip(train[:-1].tolist(), train[1:].tolist(), strict=True))
    first, single = Counter(train[:-1].tolist()), Counter(train.tolist())
    expected = []
    for a, b in zip(held_out[:-1].tolist(), held_out[1:].tolist(), strict=True):
        prior = (single[b] + 1) / (len(train) + VOCABULARY)
        expected.append(-math.log((pairs[a, b] + 3 * prior) / (first[a] + 3)))
    losses = bigram_losses(train, held_out[:-1], held_out[1:], VOCABULARY, strength=3)
    assert losses == pytest.approx(expected)


def test_probabilities_after_a_token_add_up_to_one(tokens: tuple[np.ndarray, np.ndarray]) -> None:
    train, _ = tokens
    every = np.arange(VOCABULARY)
    for context in (int(train[0]), 1):  # a frequent one, and one that never occurs
        losses = bigram_losses(train, np.full(VOCABULARY, context), every, VOCABULARY)
        assert np.exp(-losses).sum() == pytest.approx(1)


def test_pairs_know_more_than_single_tokens(tokens: tuple[np.ndarray, np.ndarray]) -> None:
    train, held_out = tokens
    bigram = bigram_losses(train, held_out[:-1], held_out[1:], VOCABULARY)
    assert bigram.mean() < unigram_losses(train, held_out[1:], VOCABULARY).mean() < math.log(VOCABULARY)
