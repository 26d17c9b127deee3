"""From many sources to many takers, when there are too many of both for every taker to open every source.

The join takes a range of keys from every piece, the comparison a group of files: with 2 million pieces and 50,000
ranges that is 10^11 openings. Sources are sorted by what takers ask for, so they are merged in rounds. A round merges
`FAN` sources at a time, once for each of `FAN` spans of takers. A taker then finds all it needs in a `FAN`-th of the
sources, which are as large as before. Each round writes everything once more; up to `FAN` sources nothing is moved.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from sc2lib.dedup.steps import Step

FAN = 128  # sources that a task opens

Source = tuple[Path, int]  # a folder, and what is to be added to the row numbers in it
Move = tuple[Path, tuple[Source, ...], int, int, int, Path]  # work, sources, first taker, last, all takers, target


def exchange(
    step: Step, move: Callable[[Move], None], work: Path, name: str, sources: Sequence[Source], takers: int
) -> list[tuple[Source, ...]]:
    """The sources of every taker, at most `FAN`, in order; `move` merges what some takers want of some sources."""
    spans = [(0, takers, tuple(sources))]
    rounds = 0
    while any(len(mine) > FAN for *_, mine in spans):
        rounds += 1
        tasks: list[Move] = []
        narrower = []
        for first, last, mine in spans:
            packs = [mine[start : start + FAN] for start in range(0, len(mine), FAN)]
            for low, high in pairwise(cuts(first, last)):
                targets = [work / name / f"{rounds}-{low:07d}-{pack:05d}" for pack in range(len(packs))]
                tasks += [(work, pack, low, high, takers, target) for pack, target in zip(packs, targets)]
                narrower.append((low, high, tuple((target, 0) for target in targets)))
        step(move, tasks, 5, "exchange")
        spans = narrower
    return [mine for first, last, mine in spans for _ in range(first, last)]


def cuts(first: int, last: int) -> list[int]:
    """Where a span of takers is cut, its ends included: into `FAN` spans, or one for each taker."""
    parts = max(1, min(FAN, last - first))
    return np.linspace(first, last, parts + 1).astype(int).tolist()


def openings(sources: int, takers: int) -> int:
    """How often a source is opened in all, by the rounds and by the takers."""
    total, spans = 0, 1
    while sources > FAN:
        spans = min(spans * FAN, takers)
        total += sources * spans
        sources = -(-sources // FAN)
    return total + sources * takers
