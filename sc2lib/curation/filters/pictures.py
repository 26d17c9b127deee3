"""The pictures of chapter 03: signals with their thresholds, what each rule removes, and other thresholds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sc2lib import figures
from sc2lib.curation.filters.quality import Columns, Thresholds
from sc2lib.curation.filters.threshold_sweeps import SWEEPS
from sc2lib.workflow.profiles import knob

MANY_FILES = 1_000  # above, counts are drawn on a logarithmic axis


def draw_signals(column: Columns, limits: Thresholds) -> Figure:
    """A histogram of each signal that a rule compares; the side that the rule would remove is red."""
    html = column["language"] == "HTML"
    kinds = ("base64", "hexadecimal", "unicode_escape")
    run = np.maximum.reduce([column[f"{kind}_longest"] for kind in kinds])
    panels = [  # label, values, threshold, logarithmic, the side that goes
        ("lines", column["num_lines"], limits.max_lines, True, 1),
        ("average line, characters", column["avg_line_length"], limits.max_average_line_length, True, 1),
        ("longest line, characters", column["max_line_length"], limits.max_line_length, True, 1),
        ("share of letters", column["alpha_fraction"], limits.min_alpha_fraction, False, -1),
        ("longest encoded run, characters", run, limits.max_encoded_run, True, 1),
        ("share of encoded runs", column["encoded_fraction"], limits.max_encoded_fraction, False, 1),
        (
            "visible characters of HTML",
            column["html_visible_characters"][html],
            limits.min_html_visible_characters,
            True,
            -1,
        ),
        ("visible share of HTML", column["html_visible_fraction"][html], limits.min_html_visible_fraction, False, -1),
    ]
    fig, axes = figures.new(aspect=0.62, rows=4, columns=2)
    for ax, (name, values, limit, is_log, side) in zip(axes.flat, panels, strict=True):
        high = max(values.max(initial=1), limit) * (1.3 if is_log else 1)
        bins = np.geomspace(1, high, 50) if is_log else np.linspace(0, 1, 50)
        ax.hist(np.clip(values, bins[0], bins[-1]), bins=bins, color=figures.BLUE)
        ax.axvline(limit, color=figures.RED)
        beyond = (limit, bins[-1]) if side > 0 else (bins[0], limit)
        ax.axvspan(*beyond, color=figures.RED, alpha=0.12, linewidth=0)
        many = "log" if len(values) > MANY_FILES else "linear"
        ax.set(xlabel=name, xscale="log" if is_log else "linear", yscale=many, xlim=(bins[0], bins[-1]))
        figures.ticks(ax.xaxis, figures.count if is_log else figures.number)
        figures.ticks(ax.yaxis, figures.number)
    fig.supylabel("files", fontsize="medium")
    return fig


def draw_effects(effects: Sequence[Mapping[str, Any]], column: Columns) -> Figure:
    """Shares of files and bytes that each rule removes, alone and in order (rows of `quality.effects`)."""
    fig, axes = figures.new(aspect=0.9, columns=2, sharey=True)
    rules = [row["rule"] for row in effects]
    place, size = np.arange(len(rules)), column["length_bytes"]
    for ax, what, total in zip(axes, ("files", "bytes"), (len(size), size.sum()), strict=True):
        for offset, way, color in ((-0.2, "alone", figures.ORANGE), (0.2, "in_order", figures.BLUE)):
            share = np.array([row[f"{what}_{way}"] for row in effects]) / max(total, 1)
            ax.barh(place + offset, share, height=0.38, color=color, label=way.replace("_", " "))
        ax.set_xlabel(f"removed, share of all {what}")
        figures.ticks(ax.xaxis, lambda share: figures.percent(share, 0))
        ax.grid(axis="y", visible=False)
    axes[0].set_yticks(place, rules)
    axes[0].invert_yaxis()
    axes[1].legend(loc="lower right")
    return fig


def draw_sweeps(column: Columns, limits: Thresholds) -> Figure:
    """Shares of files and bytes that each rule alone removes at other thresholds; dotted: those of `limits`."""
    fig, axes = figures.new(aspect=0.55, rows=-(-len(SWEEPS) // 2), columns=2)
    for ax, sweep in zip(axes.flat, SWEEPS, strict=True):
        by_files, by_bytes = sweep.shares(column, limits)
        ax.plot(sweep.values, by_files, color=figures.BLUE, label="files")
        ax.plot(sweep.values, by_bytes, color=figures.ORANGE, label="bytes")
        ax.axvline(getattr(limits, sweep.field), color=figures.RED, linestyle=":")
        ax.set_xlabel(f"{sweep.field} ({knob(sweep.field).unit})", fontsize="small")
        ax.set(xscale="linear" if sweep.is_fraction else "log", ylim=(0, None))
        figures.ticks(ax.xaxis, figures.number if sweep.is_fraction else figures.count)
        figures.ticks(ax.yaxis, lambda share: f"{100 * share:.3g}%")
    axes[0, 0].legend()
    fig.supylabel("share removed", fontsize="medium")
    return fig
