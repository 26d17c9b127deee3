"""Questions in SQL to tables in memory and on disk, within bounds: what does not fit into them is spilled to disk.

A million rows of text are a gigabyte as Python objects. DuckDB reads the columns that a question needs, shard by shard,
and holds a `MEMORY_SHARE` of the machine's memory at most: the process that asks does not grow with the files of a run.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from sc2lib.files import ROW_GROUP

MEMORY_SHARE = 1 / 32  # of the machine's
MEMORY_LEAST = 512 << 20  # bytes
THREAD_MEMORY = 128 << 20  # bytes; with less for each of its threads, DuckDB cannot even spill a join

Stored: TypeAlias = (
    pa.Table | Path | Sequence[Path]
)  # a table in memory, a Parquet file, or the shards of a table in order


@contextmanager
def opened(**tables: Stored) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that sees each table by its name and spills to a temporary folder."""
    memory = max(MEMORY_LEAST, int(psutil.virtual_memory().total * MEMORY_SHARE))
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as database:
        database.execute("SET temp_directory = ?", [spill])
        database.execute("SET memory_limit = ?", [f"{memory}B"])
        threads = database.sql("SELECT current_setting('threads')").fetchall()[0][0]
        database.execute("SET threads = ?", [min(threads, memory // THREAD_MEMORY)])
        for name, table in tables.items():
            if isinstance(table, pa.Table):
                database.register(name, table)
            else:
                shards = [str(path) for path in ([table] if isinstance(table, Path) else table)]
                database.read_parquet(shards, hive_partitioning=False).create_view(name)
        yield database


def table(sql: str, **tables: Stored) -> pa.Table:
    """The answer to one question about some tables, in memory: ask for what is small."""
    with opened(**tables) as database:
        return database.sql(sql).to_arrow_table()


def rows(sql: str, **tables: Stored) -> list[tuple[Any, ...]]:
    """The answer to one question as Python's own values."""
    with opened(**tables) as database:
        return database.sql(sql).fetchall()


def stream(
    database: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any] | None = None
) -> Iterator[pa.Table]:
    """The answer to one question as tables of at most `ROW_GROUP` rows, one at a time; an empty one comes first."""
    reader = database.sql(sql, params=dict(params or {})).to_arrow_reader(ROW_GROUP)
    yield reader.schema.empty_table()
    for batch in reader:
        yield pa.Table.from_batches([batch])


def num_rows(table: Stored) -> int:
    """Rows of a table, without reading it."""
    if isinstance(table, pa.Table):
        return table.num_rows
    return sum(pq.read_metadata(path).num_rows for path in ([table] if isinstance(table, Path) else table))
