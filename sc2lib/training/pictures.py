"""Figures of a training run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from sc2lib import figures
from sc2lib.training.config import TrainingConfig
from sc2lib.training.metrics import rows_of
from sc2lib.training.positions import binned
from sc2lib.training.retrieval import Gain
from sc2lib.training.validation import LabelledLoss


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Mean over the last `width` values (fewer at the start)."""
    total = np.cumsum(np.insert(values, 0, 0.0))
    end = np.arange(1, len(values) + 1)
    begin = np.maximum(0, end - width)
    means: np.ndarray = (total[end] - total[begin]) / (end - begin)
    return means


def loss_curve(metrics: pa.Table, lines: Mapping[str, float]) -> Figure:
    """Training and validation loss against tokens, with named horizontal lines to compare."""
    train, held_out = rows_of(metrics, "train"), rows_of(metrics, "validation")
    x, y = train["tokens"].to_numpy(), train["loss"].to_numpy()
    fig, ax = figures.new(aspect=0.55)
    ax.plot(x, y, color=figures.BLUE, alpha=0.3, linewidth=0.8)
    ax.plot(x, running_mean(y, max(1, len(y) // 25)), color=figures.BLUE, label="training, running mean")
    ax.plot(held_out["tokens"].to_numpy(), held_out["loss"].to_numpy(), "o-", color=figures.ORANGE, label="held out")
    for name, level in lines.items():
        ax.axhline(level, color=figures.GREY, linestyle=":")
        ax.annotate(name, (x[-1], level), ha="right", va="bottom", fontsize=9)
    ax.set(xlabel="tokens", ylabel="loss, nats per token")
    figures.ticks(ax.xaxis, figures.count)
    ax.legend()
    return fig


def learning_rate_curve(config: TrainingConfig) -> Figure:
    """Learning rate of every step of a run against tokens."""
    steps = np.arange(config.optimizer.steps)
    rates = [config.optimizer.learning_rate_at(int(step)) for step in steps]
    fig, ax = figures.new(aspect=0.35)
    ax.plot((steps + 1) * config.data.tokens_per_step, rates)
    ax.set(xlabel="tokens", ylabel="learning rate", ylim=(0, None))
    figures.ticks(ax.xaxis, figures.count)
    return fig


def label_bars(rows: Sequence[LabelledLoss], average: float) -> Figure:
    """Bits per byte of each label, the smallest on top; a dotted line at `average`."""
    chosen = sorted(rows, key=lambda row: row.bits_per_byte)
    fig, ax = figures.new(aspect=0.1 + 0.035 * len(chosen))
    bars = ax.barh([row.label for row in chosen], [row.bits_per_byte for row in chosen])
    ax.bar_label(bars, fmt="{:.2f}", padding=-30, color="white")
    ax.axvline(average, color=figures.GREY, linestyle=":")
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="bits per byte of held-out text (dotted: all together)")
    return fig


def label_curves(metrics: pa.Table, count: int = 6) -> Figure:
    """Bits per byte of held-out text against tokens, by language on the left and by source on the right.

    A line for each of the `count` labels with most text; what is no text, sentinels alone, has none.
    """
    fig, axes = figures.new(aspect=0.9, columns=2, sharey=True)
    for ax, kind in zip(axes, ("language", "source"), strict=True):
        rows = rows_of(metrics, kind).to_pylist()
        sizes = {row["label"]: row["targets"] for row in rows if row["bits_per_byte"] is not None}
        for name in sorted(sizes, key=lambda name: (-sizes[name], name))[:count]:
            own = [row for row in rows if row["label"] == name]
            x, y = ([row[key] for row in own] for key in ("tokens", "bits_per_byte"))
            ax.plot(x, y, "o-", markersize=3, label=name.replace("_", " "))
        ax.set(xlabel="tokens", title=f"by {kind}")
        figures.ticks(ax.xaxis, figures.count)
        if sizes:
            ax.legend()
    axes[0].set_ylabel("bits per byte")
    return fig


def gradient_curve(metrics: pa.Table, clip: float) -> Figure:
    """Norm of the gradient before clipping against tokens."""
    train = rows_of(metrics, "train")
    fig, ax = figures.new(aspect=0.35)
    ax.semilogy(train["tokens"].to_numpy(), train["grad_norm"].to_numpy(), linewidth=0.9)
    ax.axhline(clip, color=figures.GREY, linestyle=":")
    ax.set(xlabel="tokens", ylabel="norm of the gradient")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_minor_locator(NullLocator())
    figures.ticks(ax.xaxis, figures.count)
    figures.ticks(ax.yaxis, figures.number)
    return fig


def throughput_curves(steps: pa.Table) -> Figure:
    """Tokens per second of every step and their running median, and memory, against tokens (`TrainingRun.steps`)."""
    x, rate = steps["tokens"].to_numpy(), steps["tokens_per_second"].to_numpy()
    width = max(1, len(rate) // 25)
    middle = [np.median(rate[max(0, k - width + 1) : k + 1]) for k in range(len(rate))]
    fig, (left, right) = figures.new(aspect=0.7, columns=2)
    left.plot(x, rate, color=figures.BLUE, alpha=0.3, linewidth=0.8)
    left.plot(x, middle, color=figures.BLUE)
    left.set(xlabel="tokens", ylabel="tokens per second", ylim=(0, None))
    right.plot(x, steps["memory_bytes"].to_numpy() / 2**20, color=figures.ORANGE)
    right.set(xlabel="tokens", ylabel="memory, MiB", ylim=(0, None))
    for ax in (left, right):
        figures.ticks(ax.xaxis, figures.count)
    return fig


def loss_by_position_curves(losses: Mapping[str, np.ndarray], edges: np.ndarray, *marks: int) -> Figure:
    """Mean loss of each entry's windows, [windows, T], over the position ranges between `edges`; lines at `marks`."""
    fig, ax = _against_tokens("position in the window, tokens", "loss, nats per token", *marks)
    for name, values in losses.items():
        ax.plot(_middles(edges), binned(values, edges)[0], "o-", markersize=3, label=name)
    ax.legend()
    return fig


def difference_curves(differences: Mapping[str, np.ndarray], edges: np.ndarray, *marks: int) -> Figure:
    """Paired differences of loss, [windows, T], by position, with bars of two standard errors over windows."""
    fig, ax = _against_tokens("position in the window, tokens", "difference in loss, nats per token", *marks)
    ax.axhline(0, color=figures.GREY, linewidth=0.8)
    for index, (name, values) in enumerate(differences.items()):
        mean, error = binned(values, edges)
        shift = 1 + 0.03 * (index - len(differences) / 2)
        _error_bars(ax, _middles(edges) * shift, mean, error, name)
    ax.legend()
    return fig


def gain_curves(forms: Mapping[str, Mapping[str, Sequence[Gain]]], *marks: int) -> Figure:
    """Gain from a needle by distance, a panel for each form and a line for each model of it; lines at `marks`.

    Without any form there is one panel, which says so.
    """
    forms = forms or {"no needle in the held-out text": {}}
    fig, axes = _against_tokens("distance, tokens", "gain, nats per token", *marks, columns=len(forms))
    for ax, (form, models) in zip(np.atleast_1d(axes), forms.items(), strict=True):
        ax.axhline(0, color=figures.GREY, linewidth=0.8)
        ax.set_title(form)
        for index, (name, found) in enumerate(models.items()):
            middle = np.sqrt([gain.low * gain.high for gain in found]) * (1 + 0.06 * (index - len(models) / 2))
            _error_bars(ax, middle, [gain.mean for gain in found], np.array([gain.error for gain in found]), name)
    if any(forms.values()):
        np.atleast_1d(axes)[-1].legend()
    return fig


def _against_tokens(label: str, value: str, *marks: int, columns: int = 1) -> tuple[Figure, Any]:
    """Axes with tokens on a logarithmic scale below and dotted lines at `marks`."""
    fig, axes = figures.new(aspect=0.55 if columns == 1 else 0.9, columns=columns, sharey=True)
    for ax in np.atleast_1d(axes):
        ax.set(xscale="log", xlabel=label)
        for mark in marks:
            ax.axvline(mark, color=figures.GREY, linestyle=":")
        figures.ticks(ax.xaxis, figures.number)
    np.atleast_1d(axes)[0].set_ylabel(value)
    return fig, axes


def _middles(edges: np.ndarray) -> np.ndarray:
    middles: np.ndarray = np.sqrt(np.maximum(edges[:-1], 1) * edges[1:])
    return middles


def _error_bars(ax: Any, x: np.ndarray, mean: Any, error: np.ndarray, name: str) -> None:
    """Points with bars of two standard errors."""
    ax.errorbar(x, mean, 2 * error, fmt="o-", markersize=3, linewidth=1.2, elinewidth=0.8, label=name)
