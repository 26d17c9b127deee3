"""Decisions taken once a repository, by hashes: the split it belongs to and the bucket it is collected in.

A hash needs no table of all repositories, gives every worker the same answer, and keeps a repository where it is
when others come or go.
"""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa


def unit(*parts: object) -> float:
    """A number from 0 up to, not including, 1 that depends on nothing but `parts`."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


# docs: start-split
def validation_repositories(names: Iterable[str], fraction: float, seed: int) -> frozenset[str]:
    """Repositories held out for validation: those whose hash falls below `fraction`, and at least one of several."""
    draws = sorted((unit(seed, "split", name), name) for name in set(names))
    held_out = [name for draw, name in draws if draw < fraction]
    if not held_out and fraction > 0 and len(draws) > 1:
        held_out = [draws[0][1]]
    return frozenset(held_out)


# docs: end-split


def bucket_of(repo_name: str, buckets: int) -> int:
    """Bucket of a repository, 0 to `buckets` - 1, for the shuffle that brings its files together."""
    return int(unit("bucket", repo_name) * buckets)


def split_by_repository(table: pa.Table, buckets: int) -> tuple[pa.Table, ...]:
    """Cut a table with a `repo_name` column into one table a bucket: the map side of a shuffle."""
    names = table["repo_name"].to_pylist()
    bucket: Sequence[int] | np.ndarray = np.array([bucket_of(name, buckets) for name in names], np.int64)
    return tuple(table.filter(pa.array(bucket == index)) for index in range(buckets))
