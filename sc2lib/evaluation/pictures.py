"""Figures of the evaluation chapters: verdicts, scores, holes that were filled, bits, and what a run cost."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sc2lib import figures
from sc2lib.evaluation.compression import MODES
from sc2lib.evaluation.growth import exponent_of, factor_of, measurable
from sc2lib.evaluation.judge import Status
from sc2lib.evaluation.pass_at_k import bootstrap_interval, pass_at_k
from sc2lib.evaluation.peers import Comparison

# HumanEval pass@1 in percent by parameters, as the model cards and the public leaderboard give it (V).
STARCODER2_HUMANEVAL = {"3B": (3.03e9, 31.7), "7B": (7.17e9, 35.4), "15B": (15.96e9, 46.3)}
LABEL_CHARACTERS = 38  # of a line of a long label: more would leave no room for the axis


def estimator_means(k: int, p: float, sizes: Sequence[int]) -> tuple[list[float], list[float]]:
    """Mean of the plain and of the binomial estimator of pass@k over all outcomes of n samples, for each n."""
    plain, unbiased = [], []
    for n in sizes:
        chances = np.array([math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)])
        plain.append(float(chances @ (1 - (1 - np.arange(n + 1) / n) ** k)))
        unbiased.append(float(chances @ [pass_at_k(n, c, k) for c in range(n + 1)]))
    return plain, unbiased


def estimator_bias(k: int, p: float, sizes: Sequence[int]) -> Figure:
    """`estimator_means` against the number of samples, and the true pass@k of a problem that a sample solves with p."""
    plain, unbiased = estimator_means(k, p, sizes)
    fig, ax = figures.new(aspect=0.45)
    ax.plot(sizes, unbiased, linewidth=5, alpha=0.5, color=figures.ORANGE, label="1 − C(n−c, k) / C(n, k)")
    ax.plot(sizes, plain, label="1 − (1 − c/n)^k")
    ax.axhline(1 - (1 - p) ** k, color=figures.GREY, linestyle=":", label=f"true pass@{k}")
    ax.set(xlabel="samples drawn, n", ylabel=f"mean estimate of pass@{k}")
    ax.legend()
    return fig


def status_bars(counts: Mapping[str, int]) -> Figure:
    """How many completions ended in each status, the passed ones in a colour of their own."""
    shown = {str(status): counts.get(str(status), 0) for status in Status if status != Status.HARNESS_ERROR}
    colors = [figures.GREEN if status == Status.PASSED else figures.BLUE for status in shown]
    fig, ax = figures.new(aspect=0.4)
    bars = ax.barh(list(shown), list(shown.values()), color=colors)
    ax.bar_label(bars, padding=3, color=figures.GREY)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"completions, of {sum(shown.values())}")
    return fig


def score_and_size(parameters: float, score: float | None, interval: tuple[float, float] | None) -> Figure:
    """HumanEval against parameters: the paper's three models, and ours with its interval where there is a score.

    `score` and `interval` are fractions, 0 to 1.
    """
    fig, ax = figures.new(aspect=0.5)
    ax.semilogx(*zip(*STARCODER2_HUMANEVAL.values()), "o-", label="StarCoder2 (V)")
    if score is not None and interval is not None:
        bar = [[100 * (score - interval[0])], [100 * (interval[1] - score)]]
        style = {"fmt": "s", "capsize": 4, "color": figures.ORANGE, "label": "ours, with its 95% interval"}
        ax.errorbar([parameters], [100 * score], bar, **style)
    for name, place in STARCODER2_HUMANEVAL.items():
        ax.annotate(name, place, textcoords="offset points", xytext=(6, -12))
    ax.set(xlabel="parameters", ylabel="HumanEval pass@1, %", ylim=(-2, 55))
    ax.legend(loc="upper left")
    return fig


def infilling_by_language(lines: pd.DataFrame, languages: Sequence[str]) -> Figure:
    """Exact match with its bootstrap interval, and Indel similarity beside its baseline, one row per language.

    `lines` are INFILLING rows of one kind; a language without any keeps its row empty.
    """
    fig, (left, right) = figures.new(columns=2, aspect=0.9, sharey=True)
    for row, language in enumerate(languages):
        part = lines[lines.language == language]
        if not len(part):
            continue
        low, high = bootstrap_interval([(1, int(match)) for match in part.exact_match], 1)
        left.plot([100 * low, 100 * high], [row, row], color=figures.GREY, linewidth=1)
        left.plot(100 * part.exact_match.mean(), row, "o", color=figures.BLUE)
        baseline = part.baseline_similarity.mean()
        right.plot(baseline, row, "|", color=figures.GREY, markersize=14, markeredgewidth=2)
        right.plot(part.indel_similarity.mean(), row, "o", color=figures.BLUE)
    left.set(yticks=range(len(languages)), yticklabels=languages, ylim=(len(languages) - 0.5, -0.5))
    left.set(xlabel="exact match, %", xlim=(-1, max(10, left.get_xlim()[1])))
    right.set(xlabel="Indel similarity", xlim=(0, 1))
    return fig


def bits_bars(bits: pd.DataFrame, languages: Sequence[str]) -> Figure:
    """Bits per byte, one panel per mode, one bar per coder and language.

    `bits` has the index (language, mode) and a column for each coder, as a pivot of COMPRESSION rows gives it.
    """
    fig, axes = figures.new(columns=len(MODES), aspect=0.55 + 0.09 * len(languages), sharey=True, sharex=True)
    for ax, mode in zip(axes, MODES, strict=True):
        for offset, coder in enumerate(bits.columns):
            values = [bits.loc[(language, mode), coder] for language in languages]
            place = np.arange(len(languages)) + 0.2 * (offset - 1.5)
            ax.barh(place, values, 0.18, color=figures.COLORS[offset], label=coder)
        ax.set(title=mode.replace("_", " "), xlabel="bits per byte")
        ax.grid(axis="y", visible=False)
    axes[0].set(yticks=range(len(languages)), yticklabels=languages)
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(bits.columns))
    return fig


def growth_lines(stages: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Seconds of processor time against bytes, both logarithmic, a line per stage (`growth.read_growth`).

    The dotted line is what linear growth looks like. A label ends with the factor from the smallest sample in the fit
    to the largest.
    """
    fig, ax = figures.new(aspect=0.55)
    for stage, rows in stages.items():
        label = f"{stage.replace('_', ' ')}: {exponent_of(rows):.2f}, ×{factor_of(rows):.0f}"
        used = measurable(rows)
        ax.loglog([row["bytes"] for row in used], [row["seconds"] for row in used], "o-", label=label)
    every = [row for rows in stages.values() for row in measurable(rows)]
    low, high = (pick((row["bytes"] for row in every), default=1) for pick in (min, max))
    start = min((row["seconds"] for row in every), default=1) / 2
    ax.loglog([low, high], [start, start * high / low], ":", color=figures.GREY, label="linear: 1")
    ax.set(xlabel="text", ylabel="processor time, seconds")
    figures.ticks(ax.xaxis, figures.size)
    figures.ticks(ax.yaxis, figures.number)
    ax.legend(title="stage: exponent, range of bytes")
    return fig


def corpus_curve(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Time and peak memory of one command over corpora of several sizes: rows of the harness, amounts in megabytes.

    The dotted line is what time would be if it grew with the text alone, from the largest corpus down.
    """
    ordered = sorted(rows, key=lambda row: row["amount"])
    sizes = [row["amount"] * 1e6 for row in ordered]
    seconds = [row["seconds"] for row in ordered]
    fig, (left, right) = figures.new(columns=2, aspect=0.75)
    left.loglog(sizes, seconds, "o-", color=figures.BLUE)
    left.loglog(sizes, [seconds[-1] * size / sizes[-1] for size in sizes], ":", color=figures.GREY)
    right.semilogx(sizes, [row["peak_memory_bytes"] for row in ordered], "o-", color=figures.ORANGE)
    right.set(ylim=(0, None))
    for ax, label, ticks in ((left, "wall time, seconds", figures.number), (right, "peak memory", figures.size)):
        ax.set(xlabel="text", ylabel=label)
        figures.ticks(ax.xaxis, figures.size)
        figures.ticks(ax.yaxis, ticks)
    return fig


def cost_bars(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Wall time and peak memory of COSTS rows, one bar each per stage."""
    names = [row["stage"].replace("_", " ") for row in rows]
    fig, (left, right) = figures.new(columns=2, aspect=0.3 + 0.065 * len(names), sharey=True)
    left.barh(names, [row["wall_seconds"] for row in rows], color=figures.BLUE)
    right.barh(names, [row["peak_memory_bytes"] / 1e9 for row in rows], color=figures.ORANGE)
    left.invert_yaxis()
    for ax, label in ((left, "wall time, s"), (right, "peak memory, GB")):
        ax.set_xlabel(label)
        ax.grid(axis="y", visible=False)
    return fig


def flow_bars(flow: Mapping[str, float]) -> Figure:
    """Bytes of text that each stage let through."""
    fig, ax = figures.new(aspect=0.45)
    bars = ax.barh([name.replace("_", " ") for name in flow], list(flow.values()), color=figures.GREEN)
    ax.bar_label(bars, [figures.size(value) for value in flow.values()], padding=3, color=figures.GREY)
    ax.invert_yaxis()
    figures.ticks(ax.xaxis, figures.size)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="text kept", xlim=(0, 1.15 * max(flow.values(), default=1)))
    return fig


def peer_ratios(comparisons: Sequence[Comparison]) -> Figure:
    """Time of every peer over ours, on a logarithmic axis: blue where we are faster, red where the peer is.

    The line through a dot spans the fastest and the slowest call of the peer.
    """
    shown = [(found.ours, peer) for found in comparisons for peer in found.peers]
    labels = [textwrap.fill(f"{peer['what']}: {peer['contender']}", LABEL_CHARACTERS) for _, peer in shown]
    lines = sum(label.count("\n") + 1 for label in labels)
    fig, ax = figures.new(aspect=0.15 + 0.02 * len(shown) + 0.03 * max(1, lines))
    for row, (ours, peer) in enumerate(shown):
        color = figures.RED if peer["ratio"] < 1 else figures.BLUE
        span = [peer[name] / ours["seconds"] for name in ("seconds_low", "seconds_high")]
        ax.plot(span, [row, row], color=figures.GREY, linewidth=1)
        ax.plot(peer["ratio"], row, "o", color=color)
    ax.axvline(1, color=figures.GREY, linestyle=":")
    ax.set_yticks(range(len(shown)), labels)
    ax.set(xscale="log", xlabel="time of the peer over ours", ylim=(len(shown) - 0.5, -0.5))
    figures.ticks(ax.xaxis, figures.number)
    return fig
