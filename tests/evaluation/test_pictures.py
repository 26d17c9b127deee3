import numpy as np
import pandas as pd
import pytest

from sc2lib.evaluation.pictures import (
    STARCODER2_HUMANEVAL,
    bits_bars,
    corpus_curve,
    cost_bars,
    estimator_means,
    flow_bars,
    infilling_by_language,
    score_and_size,
    status_bars,
)


def test_the_mean_of_the_binomial_estimator_is_the_truth():
    """Against simulation for the plain one, against the formula for the other."""
    (plain,), (unbiased,) = estimator_means(10, 0.05, [20])
    assert unbiased == pytest.approx(1 - 0.95**10)
    correct = np.random.default_rng(0).binomial(20, 0.05, 200_000)
    assert plain == pytest.approx(np.mean(1 - (1 - correct / 20) ** 10), abs=2e-3) and plain < unbiased


def test_the_curve_of_a_corpus_goes_from_the_smallest_to_the_largest_beside_linear_growth():
    rows = [{"amount": mb, "seconds": s, "peak_memory_bytes": 10**9 + mb} for mb, s in ((5000, 50), (50, 2), (500, 6))]
    left, right = corpus_curve(rows).axes
    measured, linear = left.lines
    assert measured.get_xydata().tolist() == [[5e7, 2], [5e8, 6], [5e9, 50]]
    assert linear.get_ydata() == pytest.approx([0.5, 5, 50])
    assert right.lines[0].get_ydata().tolist() == [10**9 + mb for mb in (50, 500, 5000)]
    assert right.get_ylim()[0] == 0


def test_every_status_but_our_own_faults_has_a_bar():
    axes = status_bars({"passed": 2, "timeout": 1, "harness_error": 5}).axes[0]
    assert len(axes.patches) == 7 and axes.get_xlabel() == "completions, of 3"
    assert [bar.get_width() for bar in axes.patches if bar.get_width()] == [2, 1]


def test_our_score_stands_beside_the_paper_s_only_when_there_is_one():
    assert len(score_and_size(1e6, None, None).axes[0].containers) == 0
    axes = score_and_size(1e6, 0.1, (0.05, 0.2)).axes[0]
    assert len(axes.containers) == 1 and axes.containers[0].lines[0].get_ydata() == pytest.approx([10])
    assert [text.get_text() for text in axes.texts] == list(STARCODER2_HUMANEVAL)


def test_a_language_without_holes_keeps_its_row():
    columns = ("language", "exact_match", "indel_similarity", "baseline_similarity")
    lines = pd.DataFrame([("A", True, 0.8, 0.3), ("A", False, 0.4, 0.1)], columns=columns)
    left, right = infilling_by_language(lines, ["A", "B"]).axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["A", "B"]
    interval, dot = (line.get_xdata() for line in left.lines)
    assert dot == pytest.approx([50]) and interval[0] <= 50 <= interval[1]
    assert [line.get_xdata()[0] for line in right.lines] == pytest.approx([0.2, 0.6])


def test_every_coder_has_a_bar_in_every_mode():
    index = pd.MultiIndex.from_product([["A", "B"], ["concatenated", "per_file"]])
    bits = pd.DataFrame({"model": [1.0, 2, 3, 4], "xz -9e": [5.0, 6, 7, 8]}, index=index)
    first, second = bits_bars(bits, ["B", "A"]).axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("per file", "concatenated")
    assert [bar.get_width() for bar in first.patches] == [4, 2, 8, 6]
    assert [bar.get_width() for bar in second.patches] == [3, 1, 7, 5]


def test_costs_and_flow_have_a_bar_for_each_stage():
    rows = [{"stage": f"0{n}_a", "wall_seconds": n, "peak_memory_bytes": n * 10**9} for n in (1, 2)]
    left, right = cost_bars(rows).axes
    assert [bar.get_width() for bar in left.patches] == [bar.get_width() for bar in right.patches] == [1, 2]
    axes = flow_bars({"01_archive": 2_000_000, "02_rest": 500}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["2.00 MB", "500 B"]
    assert flow_bars({}).axes[0].get_xlim()[1] > 0
