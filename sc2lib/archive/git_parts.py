"""A git repository of very many or very large files: its visit lists the blobs, and others read them part by part.

One visit of a million files would occupy one core and hold every row at once. So a visit reads the history and the
trees, which name all blobs. Few blobs it hashes itself; more than a part holds it leaves in a table of their own,
and what all visits left is cut into parts. The cuts depend on the repositories and their groups alone, never on the
number of workers; what the parts give is united with what the visits gave.
"""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sc2lib.archive import git_objects, git_remote, git_trees
from sc2lib.archive.graph import Graph
from sc2lib.archive.schema import GRAPH
from sc2lib.files import write_parquet

PART_BLOBS = 20_000  # of a part, read in some three seconds; a repository with fewer blobs
PART_BYTES = 1 << 28  # and fewer bytes is read whole; a larger blob is a part by itself

# A blob that a visit has listed and not read.
UNREAD = pa.schema([("origin_url", pa.string()), ("sha1_git", pa.string()), ("length", pa.int64())])
READ = ("content", "skipped_content")


def add_or_leave(graph: Graph, reader: git_objects.ObjectReader, url: str, blobs: Sequence[str]) -> pa.Table:
    """Add the blobs of an origin if they make one part; returns those that are left, UNREAD."""
    lengths = [found[1] if found else 0 for found in git_objects.describe(reader.folder, blobs)]
    if len(blobs) <= PART_BLOBS and sum(lengths) <= PART_BYTES:
        git_trees.add_blobs(graph, reader, blobs)
        return UNREAD.empty_table()
    return pa.table([[url] * len(blobs), blobs, lengths], schema=UNREAD)


def write_parts(folder: Path, unread: Sequence[Path]) -> None:
    """Write what `read` takes, one Parquet file each, from the UNREAD tables of all visits; one at least."""
    tables = itertools.chain.from_iterable(_cut(pq.read_table(path, partitioning=None)) for path in unread)
    first = next(tables, UNREAD.empty_table())
    for number, part in enumerate(itertools.chain([first], tables)):
        write_parquet(folder / f"part-{number:05d}.parquet", part)


def _cut(unread: pa.Table) -> Iterator[pa.Table]:
    """A table as parts of at most `PART_BLOBS` rows and, unless one row has more, `PART_BYTES`."""
    start = size = 0
    for number, length in enumerate(unread["length"].to_pylist()):
        if number > start and (number - start == PART_BLOBS or size + length > PART_BYTES):
            yield unread.slice(start, number - start)
            start, size = number, 0
        size += length
    if start < unread.num_rows:
        yield unread.slice(start)


def read(part: pa.Table) -> tuple[pa.Table, ...]:
    """Hash the blobs of an UNREAD table; returns the tables named in `READ`."""
    graph = Graph()
    rows = zip(part["origin_url"].to_pylist(), part["sha1_git"].to_pylist())
    for url, several in itertools.groupby(rows, lambda row: row[0]):
        with git_objects.ObjectReader(git_remote.objects_of(url)) as reader:
            git_trees.add_blobs(graph, reader, (blob for _, blob in several))
    return tuple(table for name, table in zip(GRAPH, graph.tables()) if name in READ)
