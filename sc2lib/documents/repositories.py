"""Decisions taken once a repository, by hashes: the split it belongs to and the bucket it is collected in.

A hash needs no table of all repositories, gives every worker the same answer, and keeps a repository where it is
when others come or go.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sc2lib.errors import InputError


def unit(*parts: object) -> float:
    """A number from 0 up to, not including, 1 that depends on nothing but `parts`."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


# docs: start-split
def below(names: Iterable[str], fraction: float, seed: int) -> frozenset[str]:
    """The names whose hash falls below `fraction`; of several at least one, unless `fraction` is 0, and never all."""
    draws = sorted((unit(seed, "split", name), name) for name in set(names))
    count = sum(draw < fraction for draw, _ in draws)
    if fraction > 0:
        count = max(0, min(max(count, 1), len(draws) - 1))
    return frozenset(name for _, name in draws[:count])


@dataclass(frozen=True)
class HeldOut:
    """What is kept for validation: whole repositories, or single files when there is only one repository."""

    repositories: frozenset[str]
    blobs: frozenset[str] = frozenset()

    @classmethod
    def choose(cls, files: pa.Table, fraction: float, seed: int) -> "HeldOut":
        """Choose from a FILES table (columns repo_name and blob_id), by hashes of names.

        Raises InputError when there is no file to choose from.
        """
        if not files.num_rows:
            raise InputError("no file came through the curation to make documents of; give a source with more files")
        names = files["repo_name"].unique().to_pylist()
        if len(names) == 1:
            return cls(frozenset(), below(files["blob_id"].to_pylist(), fraction, seed))
        return cls(below(names, fraction, seed))

    def split(self, repo_name: str | None, blob_id: str | None = None) -> str:
        """The split of a repository, or of one file of it: "train" or "validation"."""
        return "validation" if repo_name in self.repositories or blob_id in self.blobs else "train"


# docs: end-split


def bucket_of(repo_name: str, buckets: int) -> int:
    """Bucket of a repository, 0 to `buckets` - 1, for the shuffle that brings its files together."""
    return int(unit("bucket", repo_name) * buckets)


def split_by_repository(table: pa.Table, buckets: int) -> tuple[pa.Table, ...]:
    """Cut a table with a `repo_name` column into one table a bucket: the map side of a shuffle."""
    names = table["repo_name"].to_pylist()
    bucket: Sequence[int] | np.ndarray = np.array([bucket_of(name, buckets) for name in names], np.int64)
    return tuple(table.filter(pa.array(bucket == index)) for index in range(buckets))
