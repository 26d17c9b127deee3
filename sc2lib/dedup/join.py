"""The second step: files that share a band key, range of keys by range of keys, as a forest of links.

A bucket of m files gives m - 1 links, not m (m - 1) / 2 pairs. Links may be too many, never too few: two files that are
candidates end in one tree, and the last step compares them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sc2lib.dedup import arrays
from sc2lib.dedup.components import forest_of, mirrored, save_links
from sc2lib.dedup.exchange import Move, Source
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.shingles import Hashes, Offsets

ENUMERATED = 64  # in buckets up to this size, files unlike the first are compared with all others
CHUNK = 1 << 15  # pairs compared at a time: 2 × 8 MB of sketches


def join_range(task: tuple[Path, tuple[Source, ...], int, int, Path]) -> None:
    """Write the forest of one of `count` ranges of keys; task: (work, sources, number, count, target)."""
    work, sources, number, count, target = task
    layout = Layout.load(work)
    keys, rows = shared_keys(*read_keys(sources, number, number + 1, count))
    left, right = links(layout, keys, rows)
    save_links(target, *mirrored(*forest_of(left, right)), shared=np.array(len(keys)))


def move_keys(task: Move) -> None:
    """Write the keys that some ranges want of some sources as one source; task: see `sc2lib.dedup.exchange`."""
    _, sources, first, last, count, target = task
    keys, rows = read_keys(sources, first, last, count)
    arrays.save(target, sorted_keys=keys, sorted_rows=rows)


def read_keys(sources: Sequence[Source], first: int, last: int, count: int) -> tuple[Hashes, Offsets]:
    """Band keys from the range `first` to before `last` of `count`, sorted, and their rows."""
    low, high = (first << 64) // count, ((last << 64) // count) - 1
    parts = []
    for folder, base in sources:
        stored = arrays.load(folder, "sorted_keys")
        start = np.searchsorted(stored, np.uint64(low), side="left")
        stop = np.searchsorted(stored, np.uint64(high), side="right")
        rows = arrays.load(folder, "sorted_rows")[start:stop].astype(np.int64) + base
        parts.append((np.asarray(stored[start:stop]), rows))
    keys, rows = (np.concatenate(column) for column in zip(*parts))
    order = np.argsort(keys, kind="stable")
    return keys[order], rows[order]


def shared_keys(keys: Hashes, rows: Offsets) -> tuple[Hashes, Offsets]:
    """What at least two rows have; `keys` are sorted."""
    starts = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    shared = ~(starts & np.append(starts[1:], True)[: len(keys)])
    return keys[shared], rows[shared]


# docs: start-links
def links(layout: Layout, keys: Hashes, rows: Offsets) -> tuple[Offsets, Offsets]:
    """Links (left, right) that connect all candidates of each bucket; `keys` are sorted."""
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
    sizes = np.diff(np.append(starts, len(keys)))
    head = np.repeat(starts, sizes)
    member = np.flatnonzero(np.arange(len(keys)) != head)
    left, right = rows[head[member]], rows[member]
    if not layout.options.verifies or len(member) == 0:
        return left, right
    agree = agreeing(layout, left, right)
    keep = agree | (np.repeat(sizes, sizes)[member] > ENUMERATED)
    unlike = member[~keep]
    others = np.repeat(sizes, sizes)[unlike]
    first = np.repeat(unlike, others)
    second = np.arange(len(first)) - np.repeat(np.cumsum(others) - others, others) + np.repeat(head[unlike], others)
    different = (second != first) & (second != head[first])
    more_left, more_right = rows[first[different]], rows[second[different]]
    found = agreeing(layout, more_left, more_right)
    return np.concatenate([left[keep], more_left[found]]), np.concatenate([right[keep], more_right[found]])


# docs: end-links


def agreeing(layout: Layout, left: Offsets, right: Offsets) -> npt.NDArray[np.bool_]:
    """Which pairs of rows agree in enough positions of their sketches."""
    codes, inverse = np.unique(np.minimum(left, right) * layout.rows + np.maximum(left, right), return_inverse=True)
    result = np.zeros(len(codes), bool)
    for start in range(0, len(codes), CHUNK):
        pair = np.divmod(codes[start : start + CHUNK], layout.rows)
        rows, places = np.unique(np.concatenate(pair), return_inverse=True)
        sketches = layout.gather("agreement", rows)
        a, b = np.split(places, 2)
        common = np.count_nonzero(sketches[a] == sketches[b], axis=1)
        result[start : start + CHUNK] = common >= layout.options.agreement_floor
    return result[inverse]
