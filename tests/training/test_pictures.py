import numpy as np
import pyarrow as pa
import pytest

from sc2lib import figures
from sc2lib.training.metrics import METRICS
from sc2lib.training.pictures import (
    difference_curves,
    gain_curves,
    gradient_curve,
    label_bars,
    label_curves,
    loss_by_position_curves,
    loss_curve,
    running_mean,
    throughput_curves,
)
from sc2lib.training.retrieval import Gain
from sc2lib.training.validation import LabelledLoss


def test_running_mean_equals_the_loop() -> None:
    values = np.random.default_rng(0).normal(size=50)
    expected = [values[max(0, k - 6) : k + 1].mean() for k in range(50)]
    assert running_mean(values, 7) == pytest.approx(expected)


def test_figures_are_drawn() -> None:
    """Every curve, label and line of the figures is there."""
    train = [{"step": k, "tokens": 10 * k, "split": "train", "loss": 5 / k, "grad_norm": 1 / k} for k in range(1, 9)]
    held_out = [{"step": k, "tokens": 10 * k, "split": "validation", "loss": 6.0} for k in (0, 8)]
    metrics = pa.Table.from_pylist(train + held_out, schema=METRICS)
    svg = figures.svg(loss_curve(metrics, {"unigram": 5.0}), "fig-a")
    assert svg == figures.svg(loss_curve(metrics, {"unigram": 5.0}), "fig-a")
    axes = loss_curve(metrics, {"unigram": 5.0}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["unigram"] and len(axes.lines) == 4
    assert len(gradient_curve(metrics, 1.0).axes[0].lines) == 2
    losses = np.random.default_rng(0).normal(5, 1, (6, 32))
    edges = np.array([0, 4, 16, 32])
    assert len(loss_by_position_curves({"a": losses, "b": losses}, edges, 16).axes[0].lines) == 3
    assert len(loss_by_position_curves({"a": losses}, edges, 8, 16).axes[0].lines) == 3
    assert len(difference_curves({"a": losses}, edges, 16).axes[0].lines) == 3


def test_without_needles_the_figure_says_so() -> None:
    (ax,) = gain_curves({}, 40).axes
    assert ax.get_title(loc="left") == "no needle in the held-out text" and not ax.containers


def test_gains_are_drawn_at_the_middle_of_their_distances() -> None:
    gains = [Gain(32, 64, 9, 0.5, 0.1, 0.0, 0.0), Gain(64, 128, 9, 0.25, 0.05, 0.0, 0.0)]
    names, planted = gain_curves({"names": {"one": gains, "two": gains[:1]}, "planted": {"one": gains}}, 40).axes
    assert [ax.get_title(loc="left") for ax in (names, planted)] == ["names", "planted"]
    (line,) = (box.lines[0] for box in planted.containers)
    assert list(line.get_ydata()) == [0.5, 0.25]
    assert [low.low < x < low.high for low, x in zip(gains, line.get_xdata(), strict=True)] == [True, True]
    assert len(names.containers) == 2 and list(names.lines[0].get_xdata()) == [40, 40]


def test_labels_are_drawn_from_the_easiest() -> None:
    rows = [LabelledLoss("C", 10, 20, 30.0), LabelledLoss("JSON", 10, 40, 10.0)]
    (ax,) = label_bars(rows, 1.5).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["JSON", "C"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([row.bits_per_byte for row in rows[::-1]])
    assert ax.yaxis_inverted() and list(ax.lines[0].get_xdata()) == [1.5, 1.5]


def test_the_largest_languages_and_sources_get_a_curve_each() -> None:
    """Python and C have most targets; a label of sentinels only has no bits per byte."""
    kinds = {
        "language": {"C": (5, 2.0), "Python": (9, 3.0), "(x)": (99, None), "Lua": (1, 4.0)},
        "source": {"pull_requests": (1, 5.0), "code": (14, 2.5)},
    }
    rows = [
        {"tokens": step, "split": kind, "label": name, "targets": size, "bits_per_byte": bits and bits / step}
        for step in (1, 2)
        for kind, labels in kinds.items()
        for name, (size, bits) in labels.items()
    ]
    left, right = label_curves(pa.Table.from_pylist(rows, schema=METRICS), count=2).axes
    assert [line.get_label() for line in left.lines] == ["Python", "C"]
    assert left.lines[1].get_ydata().tolist() == [2.0, 1.0]
    assert [line.get_label() for line in right.lines] == ["code", "pull requests"]
    assert right.lines[1].get_ydata().tolist() == [5.0, 2.5]
    empty = label_curves(pa.Table.from_pylist([], schema=METRICS)).axes
    assert not any(ax.lines for ax in empty), "a run without a token index has no labels"


def test_throughput_and_memory_are_drawn_by_tokens() -> None:
    columns = {"tokens": [8, 16, 24], "tokens_per_second": [4.0, 2.0, 4.0], "memory_bytes": [2**20, 2**21, 2**21]}
    rate, memory = throughput_curves(pa.table(columns)).axes
    assert [list(line.get_ydata()) for line in rate.lines] == [[4, 2, 4], [4, 2, 4]]
    assert list(memory.lines[0].get_ydata()) == [1, 2, 2] and list(memory.lines[0].get_xdata()) == [8, 16, 24]
