"""Small operations on the columns of file tables that many steps need."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib import queries
from sc2lib.errors import InputError
from sc2lib.queries import Stored


def contents_of(files: pa.Table, contents: pa.Table) -> list[str]:
    """The text of every row of `files`, in its order, from a CONTENTS table of the same shard.

    Raises InputError when a blob has no content there, which means that the two tables are not of one shard.
    """
    return take_contents(files["blob_id"], contents).to_pylist()


def take_contents(blob_ids: pa.ChunkedArray, contents: pa.Table) -> pa.ChunkedArray:
    """The `content` column of the given blobs, in their order (see `contents_of`)."""
    rows = pc.index_in(blob_ids, contents["blob_id"].combine_chunks())
    if rows.null_count:
        missing = blob_ids.filter(pc.is_null(rows))[0].as_py()
        raise InputError(
            f"blob {missing} is listed among the files but has no content in this shard: "
            "give the files and the contents of the same shard and run"
        )
    return contents["content"].take(rows)


def read_contents(shards: Iterable[Path], blob_ids: Iterable[Any]) -> pa.Table:
    """The CONTENTS rows of some blobs, from the shards of the table."""
    wanted = pc.field("blob_id").isin(pa.array(blob_ids, pa.string()))
    return pa.concat_tables([pq.read_table(shard, filters=wanted, partitioning=None) for shard in shards])


def fullest(shards: Sequence[Path], count: int = 1) -> list[int]:
    """Numbers of the `count` shards with most rows, in their order: those to show or check when not all are.

    Of equals the first. A source of a few files leaves most shards without a row. Reads the footers alone.
    """
    rows = [pq.read_metadata(shard).num_rows for shard in shards]
    return sorted(sorted(range(len(rows)), key=lambda number: -rows[number])[:count])


def require_files(kept: Stored, removed: Stored) -> None:
    """Raise InputError, with the reasons, when a step has removed every file."""
    if queries.num_rows(kept) == 0:
        counts = queries.rows("SELECT reason, count(*) FROM removed GROUP BY 1 ORDER BY 1", removed=removed)
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in counts) or "there were none"
        raise InputError(
            f"no file is left ({reasons}); give a source with more files, or look at the rows of `removed`"
        )


def replace_columns(table: pa.Table, **columns: pa.Array) -> pa.Table:
    """The table with some of its columns replaced, names and order unchanged."""
    for name, values in columns.items():
        position = table.schema.get_field_index(name)
        table = table.set_column(position, table.schema.field(position), values)
    return table
