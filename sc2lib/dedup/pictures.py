"""The figures of chapter 04, and what a rule removed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sc2lib import figures, queries
from sc2lib.dedup.engine import Result
from sc2lib.dedup.minhash import candidate_probability
from sc2lib.dedup.recall import RecallBin
from sc2lib.queries import Stored


def cluster_sizes(result: Result) -> npt.NDArray[np.int64]:
    """Files per group of two or more, largest first."""
    counts = result.removals["cluster_id"].value_counts().field("counts")
    return np.sort(counts.to_numpy() + 1)[::-1]


@dataclass(frozen=True)
class Outcome:
    """What a rule removes: files, their bytes, the largest group, and how similar they are to what stays for them."""

    files: int
    bytes: int
    largest: int
    below_threshold: int
    least_similarity: float

    def row(self) -> tuple[Any, ...]:
        """The cells of a table."""
        below = f"{self.below_threshold:,}"
        return self.files, figures.size(self.bytes), self.largest, below, f"{self.least_similarity:.2f}"


def outcome(result: Result, files: Stored, threshold: float) -> Outcome:
    """Judge a result by the exact similarity of each removed file to its keeper; `files` know the lengths."""
    sql = "SELECT coalesce(sum(f.length_bytes), 0) FROM removals r JOIN files f USING (blob_id)"
    ((length,),) = queries.rows(sql, removals=result.removals, files=files)
    jaccard = result.removals["jaccard"].to_numpy()
    return Outcome(
        files=len(jaccard),
        bytes=int(length),
        largest=int(cluster_sizes(result).max(initial=1)),
        below_threshold=int((jaccard < threshold).sum()),
        least_similarity=float(jaccard.min(initial=1.0)),
    )


def s_curves(shapes: Mapping[str, tuple[int, int]], threshold: float) -> None:
    """Probability of becoming a candidate, by similarity, for (bands, rows) by name."""
    similarity = np.linspace(0, 1, 201)
    fig, ax = figures.new(aspect=0.5)
    for name, (bands, rows) in shapes.items():
        ax.plot(similarity, candidate_probability(similarity, bands, rows), label=name)
    ax.axvline(threshold, color=figures.GREY, linestyle=":")
    ax.set(xlabel="Jaccard similarity $J$ of a pair", ylabel="probability of becoming a candidate")
    ax.legend(loc="upper left")
    caption = "A threshold of LSH is a slope: what lies above a curve, right of the dotted line, is missed."
    figures.show(fig, caption, "fig-s-curve")


def similarities(histogram: npt.NDArray[np.int64]) -> None:
    """Histogram of exact similarities, shape (below the threshold or not, bins), near-duplicates in another colour."""
    fig, ax = figures.new(aspect=0.5)
    bins = histogram.shape[1]
    left = np.arange(bins) / bins
    for counts, color, label in zip(histogram, (figures.ORANGE, figures.BLUE), ("different", "near-duplicates")):
        ax.bar(left, counts, width=1 / bins, align="edge", color=color, label=label)
    ax.set(xlabel="exact Jaccard similarity", ylabel="comparisons with files that stay")
    figures.ticks(ax.yaxis, figures.number)
    ax.legend(loc="upper left")
    share = figures.percent(histogram[0].sum() / max(histogram.sum(), 1))
    caption = f"Signatures cannot tell blue from orange: {share} of the pairs they let pass are different."
    figures.show(fig, caption, "fig-candidate-similarity")


def group_sizes(results: Mapping[str, Result]) -> None:
    """Files per group under several rules."""
    fig, ax = figures.new(aspect=0.5)
    sizes = {name: cluster_sizes(result) for name, result in results.items()}
    for name, ordered in sizes.items():
        ax.plot(np.arange(1, len(ordered) + 1), ordered, label=name)
    scale = "log" if any(map(len, sizes.values())) else "linear"  # an archive may hold no near-duplicates
    ax.set(xscale=scale, yscale=scale, ylabel="files in the group", xlabel="groups of two files or more, largest first")
    ax.legend()
    caption = "Group sizes under each rule. Chains let the largest groups swallow their neighbours."
    figures.show(fig, caption, "fig-cluster-sizes")


def recall(
    measured: Mapping[str, Sequence[RecallBin]], shapes: Mapping[str, tuple[int, int]], threshold: float
) -> None:
    """Measured recall with intervals, beside the curve of theory."""
    similarity = np.linspace(0, 1, 201)
    fig, ax = figures.new(aspect=0.5)
    for (name, bins), color in zip(measured.items(), (figures.BLUE, figures.ORANGE)):
        ax.plot(similarity, candidate_probability(similarity, *shapes[name]), color=color, alpha=0.5)
        share = np.array([found.found for found in bins])
        bars = [share - [found.least for found in bins], [found.most for found in bins] - share]
        ax.errorbar([found.mean for found in bins], share, np.maximum(bars, 0), fmt="o", color=color, label=name)
    ax.axvline(threshold, color=figures.GREY, linestyle=":")
    ax.set(xlabel="exact Jaccard similarity", ylabel="share found as candidates")
    ax.legend(loc="upper left")
    caption = "Recall on the sample (points, with 99% intervals) and in theory (lines), by similarity."
    figures.show(fig, caption, "fig-near-dup-recall")


def languages(files: Stored, removed: Stored, most: int = 15) -> None:
    """Share of the files that leave, for the languages with the most files."""
    sql = "SELECT coalesce(language, 'unknown'), count(*) FROM listed GROUP BY 1"
    counts, gone = (dict(queries.rows(sql, listed=table)) for table in (files, removed))
    names = sorted(counts, key=lambda name: (-counts[name], name))[:most]
    shares = [gone.get(name, 0) / counts[name] for name in names]
    fig, ax = figures.new(aspect=0.6)
    ax.barh(names, shares, color=figures.ORANGE)
    for y, (name, share) in enumerate(zip(names, shares)):
        ax.text(share + 0.005, y, f"{gone.get(name, 0):,} of {counts[name]:,}", va="center")
    ax.set(xlabel="share of the language's files that leaves", xlim=(0, max(shares, default=0.0) * 1.25 + 0.02))
    figures.ticks(ax.xaxis, lambda share: figures.percent(share, 0))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    caption = f"Near-duplicates by language, for the {most} languages with the most files."
    figures.show(fig, caption, "fig-near-dup-languages")
