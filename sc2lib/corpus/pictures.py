"""Pictures of the mixture: how unequal repositories are, and which languages the code is in."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from sc2lib import figures


def cumulative_share(sizes: np.ndarray) -> np.ndarray:
    """Share of the total that the k+1 largest sizes hold, [n]."""
    largest_first = np.sort(sizes)[::-1]
    share: np.ndarray = np.cumsum(largest_first) / largest_first.sum()
    return share


def holding_half(sizes: np.ndarray) -> int:
    """The smallest number of sizes that together are half of the total or more."""
    return int(np.searchsorted(cumulative_share(sizes), 0.5)) + 1


def repository_sizes(sizes: np.ndarray) -> Figure:
    """Share of the bytes in the largest repositories, against their share of all; the diagonal is equality."""
    share = cumulative_share(sizes)
    rank = np.arange(1, len(share) + 1) / len(share)
    half = holding_half(sizes)
    fig, ax = figures.new(aspect=0.45)
    ax.plot(np.r_[0, rank], np.r_[0, share])
    ax.plot([0, 1], [0, 1], color=figures.GREY, linestyle="--", linewidth=1)
    ax.plot(half / len(share), share[half - 1], "o")
    ax.text(half / len(share) + 0.03, share[half - 1] - 0.07, f"half of the bytes in {half} of {len(share)}")
    ax.set(xlabel="repositories, largest first (fraction)", ylabel="share of the code (fraction of bytes)")
    return fig


def language_shares(ours: Mapping[str, float], paper: Mapping[str, float], largest: int = 9) -> Figure:
    """Shares of the languages that are among the `largest` of ours or of the paper's, on a logarithmic axis."""
    names = [language for sizes in (ours, paper) for language in sorted(sizes, key=lambda name: -sizes[name])[:largest]]
    names = list(dict.fromkeys(names))
    place = np.arange(len(names))
    fig, ax = figures.new(aspect=0.062 * len(names))
    for offset, label, sizes in ((-0.2, "this run", ours), (0.2, "paper (V)", paper)):
        total = sum(sizes.values())
        ax.barh(place + offset, [100 * sizes.get(name, 0) / total for name in names], 0.38, label=label)
    ax.set_yticks(place, names)
    ax.set(xlabel="share of the code (% of bytes)", xscale="log", xlim=(0.01, 100), ylim=(len(names) - 0.4, -0.6))
    figures.ticks(ax.xaxis, figures.number)
    ax.grid(axis="y", visible=False)
    ax.legend()
    return fig
