"""A folder of very many files, visited in chunks: they are hashed apart, and its directories are made afterwards.

One visit of a million files would occupy one core and hold every row at once. So the folder is listed first, each
directory before what lies below it, and the list is cut every `CHUNK` entries. A chunk hashes its files. Then the list
is read from its end: whatever lies in a directory comes before the directory itself, so its identifier can be
computed when its turn comes. No more is kept in memory than what still waits for the directory above it: identifiers of
directories, and the files of one that began in an earlier chunk, as columns (some 100 bytes a file).
The cuts depend on the folder alone, never on the number of workers.
"""

import functools
import heapq
import itertools
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.archive import disk, swhid
from sc2lib.archive.directory import Directory, folder_of
from sc2lib.archive.graph import Graph
from sc2lib.archive.swhid import Branch, Entry

CHUNK = 20_000  # entries; a folder with fewer is visited whole

# An entry of a folder as it was listed: `kind` is one of disk's, `error` says why a directory could not be listed.
LISTED = pa.schema([("origin_url", pa.string()), ("path", pa.binary()), ("kind", pa.string()), ("error", pa.string())])
# The same entry hashed. Directories have no target yet: null, or "" for one that holds nothing. A row without a path
# says that the origin had vanished.
FOUND = pa.schema([("origin", pa.string()), ("path", pa.binary()), ("perms", pa.int32()), ("target", pa.string())])

VANISHED = "the folder vanished during the visit"


def is_large(url: str, visit_type: str) -> bool:
    """Whether an origin is a folder of more than `CHUNK` entries; no more of them are listed to know it."""
    if visit_type != Directory.visit_type:
        return False
    return any(number == CHUNK for number, _ in enumerate(disk.walk(folder_of(url))))


def listed(url: str) -> Iterator[pa.Table]:
    """A folder's entries in the order of `disk.walk`, as LISTED tables of `CHUNK` rows at most."""
    rows: list[tuple[str, bytes, str, str | None]] = []
    for path, kind, error in disk.walk(folder_of(url)):
        rows.append((url, path, kind, None if error is None else disk.reason(error)))
        if len(rows) == CHUNK:
            yield _table(rows, LISTED)
            rows = []
    if rows:
        yield _table(rows, LISTED)


def visit(chunk: pa.Table) -> tuple[pa.Table, ...]:
    """Hash the files of a LISTED table; returns the tables of `GRAPH`, and FOUND."""
    graph, found = Graph(), []
    urls, paths, kinds, errors = (column.to_pylist() for column in chunk.columns)
    folder = folder_of(urls[0])
    if not os.path.isdir(folder):
        return *graph.tables(), _table([(urls[0], None, None, None)], FOUND)
    for url, path, kind, error in zip(urls, paths, kinds, errors, strict=True):
        if error is not None:
            graph.add("skipped", url, path, error)
        elif kind != disk.FILE:
            found.append((url, path, swhid.DIRECTORY, "" if kind == disk.EMPTY else None))
        else:
            try:
                found.append((url, path, *disk.add_file(graph, os.path.join(folder, path))))
            except OSError as problem:
                graph.add("skipped", url, path, disk.reason(problem))
    return *graph.tables(), _table(found, FOUND)


def assemble(parts: Sequence[Path]) -> Iterator[tuple[pa.Table, ...]]:
    """Make the directories and visits of folders from the FOUND tables of their chunks, in the order of listing.

    Yields the tables of `GRAPH` with at most `CHUNK` entries of directories at a time, however large a directory is;
    an object may occur more than once.
    """
    vanished = {url for part in parts for url in _vanished(part)}
    directories: defaultdict[bytes, list[Entry]] = defaultdict(list)  # by the one above, which they wait for
    later: list[pa.Table] = []  # files that wait for their directory, which an earlier part has
    for part in reversed(parts):
        table, graph, held = pq.read_table(part, partitioning=None), Graph(), 0
        urls, paths, perms, targets = (column.to_pylist() for column in table.columns)
        if urls and urls[0] in vanished:  # a part is of one folder
            graph.add_failed_visit(urls[0], Directory.visit_type, VANISHED)
            yield graph.tables()
            continue
        end = table.num_rows
        for row in reversed(range(table.num_rows)):
            if perms[row] != swhid.DIRECTORY:
                continue
            path, below = paths[row], directories.pop(paths[row], [])
            files = list(map(_entry, *(values[row + 1 : end] for values in (paths, perms, targets))))
            count = len(files) + sum(piece.num_rows for piece in later) + len(below)
            if held + count > CHUNK:
                yield graph.tables()
                graph, held = Graph(), 0
            if count > CHUNK:
                in_order = functools.partial(_in_order, files, later, below)
                identifier, entries = swhid.large_directory(in_order), in_order()
                while some := list(itertools.islice(entries, CHUNK)):
                    piece = Graph()
                    piece.add_directory(some, identifier)
                    yield piece.tables()
            elif count or targets[row] is not None or not path:
                identifier = graph.add_directory(_in_order(files, later, below))
            else:
                identifier = None
            if identifier is not None and path:
                directories[path.rpartition(b"/")[0]].append(_entry(path, swhid.DIRECTORY, identifier))
            elif identifier is not None:
                graph.add_visit(urls[row], Directory.visit_type, {b"HEAD": Branch("directory", identifier)})
            held, end, later = held + count, row, []
        later.insert(0, table.select(["path", "perms", "target"]).slice(0, end))
        yield graph.tables()


def _entry(path: bytes, perms: int, target: str) -> Entry:
    return Entry(path.rpartition(b"/")[2], perms, target)


def _in_order(files: Sequence[Entry], later: Sequence[pa.Table], directories: Sequence[Entry]) -> Iterator[Entry]:
    """The entries of a directory in git's order, from its files in the order of listing."""
    columns = ((column.to_pylist() for column in piece.columns) for piece in later)
    rest = itertools.chain.from_iterable(map(_entry, *values) for values in columns)
    return heapq.merge(itertools.chain(files, rest), sorted(directories, key=swhid.place), key=swhid.place)


def _vanished(part: Path) -> list[str]:
    return pq.read_table(part, partitioning=None, filters=pc.field("path").is_null())["origin"].to_pylist()


def _table(rows: Iterable[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows)) or [()] * len(schema)
    return pa.Table.from_arrays([pa.array(values, field.type) for values, field in zip(columns, schema)], schema=schema)
