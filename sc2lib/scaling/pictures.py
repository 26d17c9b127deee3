"""Figures of the scaling chapter: memory by part, and a fitted law with its runs, bands and optimum."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np
from matplotlib.figure import Figure

from sc2lib import figures
from sc2lib.scaling.fit import Fit
from sc2lib.scaling.law import Law
from sc2lib.scaling.memory import TrainingMemory


def memory_bars(plans: Mapping[str, TrainingMemory], limit: float) -> Figure:
    """Memory of each model while it trains, part by part, with a line at `limit` bytes."""
    fig, ax = figures.new(width=1.0, aspect=0.36)
    names = [field.name for field in fields(TrainingMemory)]
    parts = [name for name in names if any(getattr(plan, name) for plan in plans.values())]
    for row, plan in enumerate(plans.values()):
        left = 0.0
        for part, color in zip(parts, figures.COLORS):
            width = getattr(plan, part)
            ax.barh(row, width, left=left, color=color, height=0.6, label=part if row == 0 else None)
            left += width
    ax.axvline(limit, color=figures.GREY, linestyle="--")
    ax.text(1.025 * limit, 0.5, f"{limit / 1e9:.0f} GB, one device", fontsize=9, va="center")
    ax.set_yticks(range(len(plans)), list(plans))
    ax.invert_yaxis()
    figures.ticks(ax.xaxis, figures.size)
    ax.legend(ncols=len(parts), loc="lower center", bbox_to_anchor=(0.5, 1.0), handlelength=1)
    return fig


def law_curves(fitted: Fit) -> Figure:
    """Held-out loss against tokens, one color a size: dots are runs, lines the law, shades its band of 90%."""
    runs = fitted.runs
    fig, ax = figures.new(width=0.9, aspect=0.6)
    tokens = np.geomspace(runs.tokens.min() / 1.5, runs.tokens.max() * 1.5, 40)
    sizes = np.unique(runs.parameters)
    for size, color in zip(sizes, figures.COLORS * (1 + len(sizes) // len(figures.COLORS))):
        own = runs.parameters == size
        ax.plot(runs.tokens[own], runs.loss[own], "o", color=color, label=f"{figures.count(size)} parameters")
        ax.plot(tokens, fitted.law.loss(size, tokens), color=color, linewidth=1.2)
        low, high = fitted.band(lambda law, size=size: law.loss(size, tokens))  # type: ignore[misc]
        ax.fill_between(tokens, low, high, color=color, alpha=0.15, linewidth=0)
    ax.set(xscale="log", xlabel="training tokens", ylabel="held-out loss, nats per token")
    ax.minorticks_off()
    ax.set_xticks(np.unique(runs.tokens))
    figures.ticks(ax.xaxis, figures.count)
    ax.legend(fontsize=9)
    return fig


def optimum_lines(fitted: Fit, flops: np.ndarray) -> Figure:
    """The best number of parameters for each budget by the fitted law, with its band; the runs as dots."""
    runs = fitted.runs
    fig, ax = figures.new(width=0.9, aspect=0.55)
    best = np.array([fitted.law.best(float(budget))[0] for budget in flops])
    low, high = fitted.band(lambda law: np.array([law.best(float(budget))[0] for budget in flops]))
    ax.plot(6 * runs.parameters * runs.tokens, runs.parameters, "o", color=figures.GREY, label="runs")
    inside = runs.parameters.min() / 30, runs.parameters.max() * 30
    where = ", below the picture" if best.max() < inside[0] else ", above the picture" if best.min() > inside[1] else ""
    ax.plot(flops, best, color=figures.BLUE, label=f"best for the budget, fitted here{where}")
    ax.fill_between(flops, low, high, color=figures.BLUE, alpha=0.15, linewidth=0)
    ax.plot(flops, np.sqrt(flops / 120), color=figures.ORANGE, linestyle="--", label="20 tokens per parameter")
    ax.set(xscale="log", yscale="log", ylim=inside, xlabel="budget 6ND, FLOPs", ylabel="parameters")
    figures.ticks(ax.yaxis, figures.count)
    ax.legend(fontsize=9)
    return fig


def budgets(models: Sequence[tuple[str, float, float]], laws: Mapping[str, Law]) -> Figure:
    """(name, parameters, tokens) of each model as a dot with its line of equal cost; one line of optima a law."""
    fig, ax = figures.new(width=0.9, aspect=0.7)
    axis = np.geomspace(1e9, 3e11, 50)
    for (name, law), style in zip(laws.items(), ("-", "--", ":")):
        points = np.array([law.best(float(budget)) for budget in np.geomspace(1e20, 1e25, 50)])
        ax.plot(*points.T, color=figures.GREY, linestyle=style, label=f"best by {name}")
    for (name, parameters, tokens), color in zip(models, figures.COLORS):
        ax.plot(axis, parameters * tokens / axis, color=color, linestyle=":", linewidth=1.2)
        ax.plot(parameters, tokens, "o", color=color, markersize=8, label=name)
    ax.set(xscale="log", yscale="log", xlabel="parameters", ylabel="training tokens")
    ax.set(xlim=(axis[0], axis[-1]), ylim=(1e10, 1e13))
    figures.ticks(ax.xaxis, figures.count)
    figures.ticks(ax.yaxis, figures.count)
    ax.legend(loc="lower center", fontsize=9)
    return fig
