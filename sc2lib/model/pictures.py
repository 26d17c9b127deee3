"""Drawings of the model for the book: a block, its parameters, its rotations, its mask."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sc2lib import figures
from sc2lib.model.attention import AttentionPlan
from sc2lib.model.attention_cost import AttentionCost
from sc2lib.model.config import ModelConfig
from sc2lib.model.online_softmax import tile_is_empty
from sc2lib.model.transformer import rope_frequencies
from sc2lib.model.wavelengths import wavelengths

PARTS = {
    "embedding": figures.SLATE,
    "attention": figures.BLUE,
    "mlp": figures.ORANGE,
    "norms": figures.GREEN,
    "head": figures.VIOLET,
}


def block_diagram(axes: Any, config: ModelConfig) -> None:
    """One block as boxes along the residual stream, with the shapes of `config`."""
    axes.set_axis_off()
    axes.set_xlim(0, 12)
    axes.set_ylim(-0.4, 5)
    kv_size = config.num_key_value_heads * config.head_size
    axes.annotate("", (11.7, 0.6), (0.2, 0.6), arrowprops={"arrowstyle": "->", "color": figures.GREY, "lw": 2})
    axes.text(0.2, 0.05, f"residual stream, {config.hidden_size:,} numbers per token", fontsize=9)
    boxes = [
        (1.0, 1.3, 1.5, "LayerNorm", figures.GREEN),
        (1.0, 2.5, 1.5, f"Q {config.hidden_size:,}\nK {kv_size:,}\nV {kv_size:,}", figures.BLUE),
        (
            3.0,
            3.5,
            2.4,
            f"RoPE, attention\n{config.num_attention_heads} query heads\n{config.num_key_value_heads} key-value heads",
            figures.BLUE,
        ),
        (4.2, 1.9, 1.4, f"output\n{config.hidden_size:,}", figures.BLUE),
        (6.9, 1.3, 1.5, "LayerNorm", figures.GREEN),
        (6.9, 2.5, 1.5, f"widen to\n{config.intermediate_size:,}", figures.ORANGE),
        (8.75, 3.5, 1.2, "GELU\n(tanh)", figures.ORANGE),
        (9.8, 1.9, 1.5, f"narrow to\n{config.hidden_size:,}", figures.ORANGE),
    ]
    for left, bottom, width, text, color in boxes:
        height = 0.45 + 0.35 * text.count("\n")
        box = axes.text(
            left + width / 2, bottom + height / 2, text, ha="center", va="center", fontsize=8.5, color=figures.GREY
        )
        box.set_bbox({"boxstyle": "round,pad=0.35", "facecolor": "none", "edgecolor": color, "lw": 1.6})
    paths = [
        ((1.75, 0.65), (1.75, 1.2)),
        ((1.75, 1.95), (1.75, 2.35)),
        ((2.45, 3.2), (2.9, 3.75)),
        ((4.6, 3.4), (4.8, 2.85)),
        ((4.95, 1.75), (4.95, 0.7)),
        ((7.65, 0.65), (7.65, 1.2)),
        ((7.65, 1.95), (7.65, 2.35)),
        ((8.4, 3.1), (8.7, 3.6)),
        ((9.9, 3.5), (10.3, 2.85)),
        ((10.55, 1.75), (10.55, 0.7)),
    ]
    for start, end in paths:
        axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": figures.GREY, "lw": 1.1})
    for x in (4.95, 10.55):
        axes.plot(x, 0.6, "o", markersize=11, markerfacecolor="none", markeredgecolor=figures.GREY)
        axes.text(x, 0.6, "+", ha="center", va="center", fontsize=9)


def parameter_bars(axes: Any, configs: Mapping[str, ModelConfig]) -> None:
    """Share of each part in the parameters of each model, one bar per model."""
    for row, config in enumerate(configs.values()):
        table, total, left = config.parameter_table(), config.parameter_count(), 0.0
        for part, color in PARTS.items():
            share = table[part] / total
            axes.barh(row, share, left=left, color=color, height=0.6, label=part if row == 0 else None)
            if share > 0.06:
                axes.text(
                    left + share / 2, row, figures.count(table[part]), ha="center", va="center", fontsize=8, color="w"
                )
            left += share
    axes.set_yticks(range(len(configs)))
    axes.set_yticklabels([f"{name}\n{figures.count(config.parameter_count())}" for name, config in configs.items()])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    figures.ticks(axes.xaxis, lambda value: figures.percent(value, 0))
    axes.set_xlabel("share of the parameters")
    axes.grid(False)
    axes.legend(ncols=len(PARTS), loc="lower center", bbox_to_anchor=(0.5, 1.0), handlelength=1)


def rope_wavelengths(axes: Any, bases: Sequence[float], head_size: int, contexts: Sequence[int]) -> None:
    """Tokens in which each pair of channels turns once round, for several RoPE bases."""
    for base in bases:
        axes.plot(wavelengths(head_size, base), label=f"θ = {base:,.0f}")
    for context in contexts:
        axes.axhline(context, color=figures.GREY, linestyle="--", linewidth=1)
        above = {"xytext": (0, 2), "textcoords": "offset points", "va": "bottom"}
        axes.annotate(f"{context:,} tokens", (0, context), fontsize=8, **above)
    axes.set_yscale("log")
    axes.set_xlabel("pair of channels")
    axes.set_ylabel("tokens per turn")
    axes.legend()


def rope_similarity(axes: Any, bases: Sequence[float], head_size: int, longest: int) -> None:
    """Score of a vector with itself, turned by each distance, averaged over pairs: 1 at distance 0."""
    distance = np.unique(np.geomspace(1, longest, 400).astype(int))
    for base in bases:
        frequency = rope_frequencies(head_size, base).numpy()
        axes.plot(distance, np.cos(distance[:, None] * frequency).mean(1), label=f"θ = {base:,.0f}")
    axes.set_xscale("log")
    axes.set_xlabel("distance in tokens")
    axes.set_ylabel("similarity left")


def mask_picture(axes: Any, plan: AttentionPlan, block: int) -> dict[str, int]:
    """The plan's mask, a dot per visible pair, over tiles of `block`: empty, partial or full. Returns their counts.

    The plan must hold the mask as a matrix (back ends naive and masked).
    """
    mask = plan.mask.numpy()
    counts = {"empty": 0, "partial": 0, "full": 0}
    for query in range(0, plan.length, block):
        for key in range(0, plan.length, block):
            tile = mask[query : query + block, key : key + block]
            kind = "full" if tile.all() else "partial" if tile.any() else "empty"
            empty = tile_is_empty(query, query + block - 1, key, key + block - 1, plan.window)
            assert empty is (kind == "empty")
            counts[kind] += 1
            if kind != "empty":
                color = figures.BLUE if kind == "full" else figures.ORANGE
                corner = (key - 0.5, query - 0.5)
                axes.add_patch(_rectangle(corner, tile.shape[1], tile.shape[0], color))
    rows, columns = np.nonzero(mask)
    axes.scatter(columns, rows, s=2, color=figures.GREY, linewidths=0, rasterized=True)
    axes.set_xlim(-0.5, plan.length - 0.5)
    axes.set_ylim(plan.length - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_xlabel("key position")
    axes.set_ylabel("query position")
    axes.grid(False)
    return counts


def mask_pictures(plans: Mapping[str, AttentionPlan], block: int) -> tuple[Figure, dict[str, dict[str, int]]]:
    """`mask_picture` of each plan, side by side under its name, and the counts of tiles by name."""
    fig, axes = figures.new(aspect=1.05, columns=len(plans), squeeze=False)
    counts = {}
    for ax, (name, plan) in zip(axes[0], plans.items(), strict=True):
        counts[name] = mask_picture(ax, plan, block)
        ax.set_title(name)
    return fig, counts


def attention_cost_curves(costs: Mapping[str, Sequence[AttentionCost]], names: Mapping[str, str], mark: int) -> Figure:
    """Time and memory against length for each back end of `names` (back end to label); a line at `mark` tokens."""
    fig, axes = figures.new(aspect=0.9, columns=2)
    for backend, label in names.items():
        tokens = [cost.length for cost in costs[backend]]
        axes[0].plot(tokens, [1000 * cost.seconds for cost in costs[backend]], "o-", label=label)
        axes[1].plot(tokens, [cost.peak_bytes for cost in costs[backend]], "o-", label=label)
    lengths = sorted({cost.length for found in costs.values() for cost in found})
    for ax, label in zip(axes, ("milliseconds", "peak memory"), strict=True):
        ax.set(xscale="log", yscale="log", xlabel="tokens", ylabel=label)
        ax.axvline(mark, color=figures.GREY, linestyle="--", linewidth=1)
        ax.minorticks_off()
        ax.set_xticks(lengths[::-2], [f"{length:,}" for length in lengths[::-2]])  # the longest has a number
    figures.ticks(axes[1].yaxis, figures.size)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=-(-len(names) // 2))
    return fig


def _rectangle(corner: tuple[float, float], width: float, height: float, color: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, width, height, facecolor=color, alpha=0.35, edgecolor=color, linewidth=0.8)
