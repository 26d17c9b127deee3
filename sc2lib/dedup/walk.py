"""The leader walk of `sc2lib.dedup.leaders.by_leader`, compiled: the same comparisons in the same order.

A bucket is a chain: `newest` names the last entry that joined it, `before` the entry that joined before that one.
"""

from typing import Any

import numba
import numpy as np

from sc2lib.dedup.kernels import I64, SKETCHES, U64, common, compiled
from sc2lib.dedup.options import BINS

BUCKETS = numba.types.Array(numba.types.int64, 2, "C", readonly=True)
FOUND = numba.types.Tuple(
    (
        numba.types.int64[::1],
        numba.types.float64[::1],
        numba.types.int64[::1],
        numba.types.int64[::1],
        numba.types.float64[::1],
        numba.types.int64[:, ::1],
        numba.types.boolean[::1],
        numba.types.int64,
    )
)


@compiled(numba.int64(I64, SKETCHES, numba.int64, numba.int64, numba.float64, numba.int64))
def agreement(offsets: Any, sketches: Any, file: Any, other: Any, threshold: Any, floor: Any) -> Any:
    """Positions in which two sketches agree; -1 where size or sketch already tell that the files are too unlike."""
    a, b = offsets[file + 1] - offsets[file], offsets[other + 1] - offsets[other]
    if min(a, b) < threshold * max(a, b):
        return -1
    agree = 0
    for position in range(sketches.shape[1]):
        agree += sketches[file, position] == sketches[other, position]
    return agree if agree >= floor else -1


@compiled(
    FOUND(U64, I64, SKETCHES, BUCKETS, numba.int64, I64, I64, numba.float64, numba.int64, numba.int64, numba.int64)
)
def walk(
    hashes: Any,
    offsets: Any,
    sketches: Any,
    buckets: Any,
    count: Any,
    order: Any,
    rank: Any,
    threshold: Any,
    floor: Any,
    most_met: Any,
    most_compared: Any,
) -> Any:
    """All columns of `sc2lib.dedup.leaders.Decision`.

    `buckets` has the shape (files, bands) and holds numbers below `count`; `order` lists the files from the best.
    """
    files, bands = buckets.shape
    positions = sketches.shape[1]
    keeper, closeness, unsure = np.arange(files), np.ones(files), np.zeros(files, np.bool_)
    newest, before = np.full(count, -1, np.int64), np.full(files * bands, -1, np.int64)
    met_by = np.full(files, -1, np.int64)  # the last file that met this one: nobody is met twice
    codes = np.empty(files, np.int64)  # keepers to compare with, first as (disagreement, rank), then as rank
    left, right, found, made = np.empty(files, np.int64), np.empty(files, np.int64), np.empty(files), 0
    histogram, looks = np.zeros((2, BINS), np.int64), 0
    for file in order:
        alike = 0
        for band in range(bands):
            entry, steps = newest[buckets[file, band]], 0
            while entry >= 0 and steps < most_met:
                other = entry // bands
                if met_by[other] != file:
                    met_by[other] = file
                    looks += 1
                    agree = agreement(offsets, sketches, file, other, threshold, floor)
                    if agree >= 0:
                        codes[alike] = (positions - agree) * files + rank[other]
                        alike += 1
                entry = before[entry]
                steps += 1
            unsure[file] |= entry >= 0
        if alike > most_compared:
            codes[:alike].sort()
            alike, unsure[file] = most_compared, True
        codes[:alike] %= files
        codes[:alike].sort()
        best = 0.0
        for other in order[codes[:alike]]:
            a, b = hashes[offsets[file] : offsets[file + 1]], hashes[offsets[other] : offsets[other + 1]]
            shared = common(a, b)
            near = shared / max(len(a) + len(b) - shared, 1)
            similar = near >= threshold
            histogram[int(similar), min(int(near * BINS), BINS - 1)] += 1
            if not similar:
                continue
            if made == len(left):
                left, right = np.concatenate((left, left)), np.concatenate((right, right))
                found = np.concatenate((found, found))
            left[made], right[made], found[made] = other, file, near
            made += 1
            if near > best:
                keeper[file], closeness[file], best = other, near, near
        if keeper[file] == file:
            for band in range(bands):
                entry, bucket = file * bands + band, buckets[file, band]
                before[entry], newest[bucket] = newest[bucket], entry
        else:
            unsure[file] = False  # it has a keeper: nothing was missed
    return keeper, closeness, left[:made], right[:made], found[:made], histogram, unsure, looks
