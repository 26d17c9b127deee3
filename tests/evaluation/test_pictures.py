import numpy as np
import pytest

from sc2lib.evaluation.pictures import STARCODER2_HUMANEVAL, estimator_means, score_and_size, status_bars


def test_the_mean_of_the_binomial_estimator_is_the_truth():
    """Against simulation for the plain one, against the formula for the other."""
    (plain,), (unbiased,) = estimator_means(10, 0.05, [20])
    assert unbiased == pytest.approx(1 - 0.95**10)
    correct = np.random.default_rng(0).binomial(20, 0.05, 200_000)
    assert plain == pytest.approx(np.mean(1 - (1 - correct / 20) ** 10), abs=2e-3) and plain < unbiased


def test_every_status_but_our_own_faults_has_a_bar():
    axes = status_bars({"passed": 2, "timeout": 1, "harness_error": 5}).axes[0]
    assert len(axes.patches) == 7 and axes.get_xlabel() == "completions, of 3"
    assert [bar.get_width() for bar in axes.patches if bar.get_width()] == [2, 1]


def test_our_score_stands_beside_the_paper_s_only_when_there_is_one():
    assert len(score_and_size(1e6, None, None).axes[0].containers) == 0
    axes = score_and_size(1e6, 0.1, (0.05, 0.2)).axes[0]
    assert len(axes.containers) == 1 and axes.containers[0].lines[0].get_ydata() == pytest.approx([10])
    assert [text.get_text() for text in axes.texts] == list(STARCODER2_HUMANEVAL)
