"""Counting fill-in-the-middle: sure things are counted exactly, chance within its error."""

import numpy as np
import pytest

from sc2lib.corpus.fim import FimRates
from sc2lib.corpus.fim_rates import FimCounts, count


def documents(number):
    texts = [{"token": "<file_sep>", "text": f"x = {k}\n" * 9} for k in range(3)]
    return [[{"token": "<repo_name>", "text": "a/b"}, *texts, {"token": "<|endoftext|>", "text": ""}]] * number


@pytest.mark.parametrize(("rates", "rate"), [(FimRates(1, 1, 1), 1), (FimRates(0, 1, 1), 0), (FimRates(1, 0, 1), 0)])
def test_certain_rates_are_counted_exactly(tokenizer, rates, rate):
    seen = count(documents(2), tokenizer, rates, np.random.default_rng(0), passes=3)
    assert seen.files.tolist() == [3] * 6
    assert (seen.rate, seen.standard_error, seen.spm_rate) == (rate, 0, rate)


def test_chance_stays_within_its_error(tokenizer):
    seen = count(documents(1), tokenizer, FimRates(), np.random.default_rng(1), passes=800)
    assert abs(seen.rate - 0.25) < 4 * seen.standard_error
    assert abs(seen.spm_rate - 0.5) < 0.08
    variance = 0.5 * 3 * 0.25 + 0.25 * 1.5**2  # of a trial: three coins if the first one says so
    assert seen.standard_error == pytest.approx(np.sqrt(variance / 800) / 3, rel=0.1)


def test_the_error_counts_trials_not_files():
    together = FimCounts(np.full(100, 4), np.array([4, 0] * 50), np.zeros(100, np.int64))
    apart = FimCounts(np.full(100, 4), np.full(100, 2), np.zeros(100, np.int64))
    assert together.rate == apart.rate == 0.5
    assert together.standard_error == pytest.approx(0.05)
    assert apart.standard_error == 0
