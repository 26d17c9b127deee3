"""Files of an exported graph, ORC or Parquet, a piece at a time.

A piece is a stripe of an ORC file (some tens of megabytes as Software Heritage writes them) or a batch of rows of a
Parquet file: no table is ever in memory as a whole. Columns are found by name and cast to those of `schema`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from sc2lib.archive import orc_stripes
from sc2lib.errors import InputError
from sc2lib.tables import TIMESTAMP

SUFFIXES = (".orc", ".parquet")
BATCH_ROWS = 1 << 16


def files_of(folder: Path, table: str) -> list[Path]:
    """The files of a table, in the order of their names."""
    beside = [folder / f"{table}{suffix}" for suffix in SUFFIXES]
    below = sorted((folder / table).glob("*")) if (folder / table).is_dir() else []
    return [path for path in (*beside, *below) if path.suffix in SUFFIXES and path.is_file()]


def columns_of(path: Path) -> list[str]:
    """The names of the columns of one file; InputError when it is damaged."""
    try:
        return (pq.read_schema(path) if path.suffix == ".parquet" else orc.ORCFile(path).schema).names
    except (pa.ArrowException, OSError) as error:
        raise InputError(_damaged(path, error)) from error


def read_file(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Columns of one file as they are, piece by piece; InputError when it is damaged."""
    pieces = _parquet(path, columns) if path.suffix == ".parquet" else orc_stripes.read(path, columns)
    try:
        yield from pieces
    except (pa.ArrowException, OSError) as error:
        raise InputError(_damaged(path, error)) from error


def read_as(path: Path, schema: pa.Schema, needed: Sequence[str], without: Sequence[str] = ()) -> Iterator[pa.Table]:
    """One file with exactly the columns of a schema, piece by piece; what it lacks or `without` names is null.

    Raises InputError with the file when it is damaged, lacks a `needed` column, or holds another type.
    """
    there = columns_of(path)
    if missing := [name for name in needed if name not in there]:
        raise InputError(
            f"{str(path)!r} has no column {', '.join(missing)} (it has {', '.join(there)}); "
            "give the tables of a Software Heritage export, with their own column names"
        )
    for piece in read_file(path, [name for name in schema.names if name in there and name not in without]):
        columns = [
            _cast(path, field, piece[field.name])
            if field.name in piece.column_names
            else pa.nulls(piece.num_rows, field.type)
            for field in schema
        ]
        yield pa.Table.from_arrays(columns, schema=schema)


def _parquet(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            yield pa.Table.from_batches([batch])


def _cast(path: Path, field: pa.Field, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """To the schema's type: hashes of persons may be text (older exports), dates finer or without a zone."""
    given = column.type
    try:
        if field.type == TIMESTAMP and pa.types.is_timestamp(given):
            column = column.cast(pa.timestamp("us", given.tz), safe=False)
        if pa.types.is_binary(field.type) and pa.types.is_dictionary(given):
            column = column.cast(given.value_type)
        return column.cast(field.type)
    except pa.ArrowInvalid as error:
        raise InputError(
            f"column {field.name!r} of {str(path)!r} is {given} and cannot become {field.type}: "
            f"{error}; export the table again"
        ) from error


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{str(path)!r} cannot be read as {path.suffix[1:].upper()}: {error}; "
        "the file is damaged or half copied: copy it again, or delete it to go on without its rows"
    )
