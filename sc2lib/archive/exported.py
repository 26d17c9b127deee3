"""The source ``graph``: a folder of tables as Software Heritage exports them, ORC or Parquet.

``<folder>/<table>/*.orc`` or ``*.parquet`` (any number of files), or ``<folder>/<table>.orc``. Columns are found by
name; those that an older export does not have are null. The bytes of files come from the column ``data`` of
``content``, from a folder ``objects`` (`objects`), or from a table ``contents`` such as this stage writes.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pyorc

from sc2lib.archive.git import web_address
from sc2lib.archive.schema import PUBLISHED, SKIPPED
from sc2lib.errors import InputError
from sc2lib.tables import TIMESTAMP

VISIT_TYPE = "graph"
SUFFIXES = (".orc", ".parquet")
# Without these there is no walk.
NEEDED = {
    "origin_visit_status": ("origin", "visit", "status", "snapshot"),
    "snapshot_branch": ("snapshot_id", "name", "target", "target_type"),
    "directory_entry": ("directory_id", "name", "type", "target", "perms"),
    "content": ("sha1", "sha1_git", "length"),
}
YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800


def files_of(folder: Path, table: str) -> list[Path]:
    """The files of a table, in the order of their names."""
    beside = [folder / f"{table}{suffix}" for suffix in SUFFIXES]
    below = sorted((folder / table).glob("*")) if (folder / table).is_dir() else []
    return [path for path in (*beside, *below) if path.suffix in SUFFIXES and path.is_file()]


def read_table(folder: Path, name: str, without: tuple[str, ...] = ()) -> pa.Table:
    """A table of the export with the columns of `schema`; those named in `without` stay null and unread.

    Raises InputError with the file when it is damaged or lacks a column that the walk needs.
    """
    schema = PUBLISHED[name]
    files = files_of(folder, name)
    if not files and name in NEEDED:
        raise InputError(
            f"no table {name!r} in {str(folder)!r}: give a folder that holds {name}/*.orc or {name}/*.parquet"
        )
    tables = [_read_file(path, schema, NEEDED.get(name, ()), without) for path in files]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def read_file(path: Path, columns: list[str]) -> pa.Table:
    """Columns of one ORC or Parquet file; InputError when it is damaged."""
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path, columns=columns, partitioning=None)
        return orc.ORCFile(path).read(columns=columns)
    except (pa.ArrowException, OSError) as error:
        if "out of range for nanosecond" in str(error):
            return _read_wild_dates(path, columns)
        raise InputError(_damaged(path, error)) from error


def columns_of(path: Path) -> pa.Schema:
    """The schema of one ORC or Parquet file; InputError when it is damaged."""
    try:
        return pq.read_schema(path) if path.suffix == ".parquet" else orc.ORCFile(path).schema
    except (pa.ArrowException, OSError) as error:
        raise InputError(_damaged(path, error)) from error


def _read_file(path: Path, schema: pa.Schema, needed: tuple[str, ...], without: tuple[str, ...]) -> pa.Table:
    there = columns_of(path).names
    if missing := [name for name in needed if name not in there]:
        raise InputError(
            f"{str(path)!r} has no column {', '.join(missing)} (it has {', '.join(there)}); "
            "give the tables of a Software Heritage export, with their own column names"
        )
    found = read_file(path, [name for name in schema.names if name in there and name not in without])
    columns = []
    for field in schema:
        if field.name not in found.column_names:
            columns.append(pa.nulls(found.num_rows, field.type))
            continue
        try:
            columns.append(_cast(found[field.name], field.type))
        except pa.ArrowInvalid as error:
            raise InputError(
                f"column {field.name!r} of {str(path)!r} is {found[field.name].type} and cannot become {field.type}: "
                f"{error}; export the table again"
            ) from error
    return pa.Table.from_arrays(columns, schema=schema)


def _cast(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """To the schema's type: hashes of persons may be text (older exports), dates finer or without a zone."""
    if kind == TIMESTAMP and pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(kind)
    if pa.types.is_binary(kind) and pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(kind)


class _Seconds(pyorc.converters.ORCConverter):
    """A timestamp of any year as microseconds since 1970; None outside the years 1 to 9999."""

    @staticmethod
    def from_orc(seconds: int, nanoseconds: int, timezone: Any) -> int | None:
        return seconds * 1_000_000 + nanoseconds // 1000 if YEAR_1 <= seconds < YEAR_10000 else None

    @staticmethod
    def to_orc(obj: int, timezone: Any) -> tuple[int, int]:
        seconds, microseconds = divmod(obj, 1_000_000)
        return seconds, microseconds * 1000


def _read_wild_dates(path: Path, columns: list[str]) -> pa.Table:
    """Read a file whose dates Arrow's nanoseconds cannot hold: commits of the year 1 or 9999 exist."""
    file = orc.ORCFile(path)
    wild = [name for name in columns if pa.types.is_timestamp(file.schema.field(name).type)]
    table = file.read(columns=[name for name in columns if name not in wild])
    with path.open("rb") as stream:
        kinds = (pyorc.TypeKind.TIMESTAMP, pyorc.TypeKind.TIMESTAMP_INSTANT)
        converters: dict[pyorc.TypeKind, type[pyorc.converters.ORCConverter]] = dict.fromkeys(kinds, _Seconds)
        rows = list(pyorc.Reader(stream, column_names=wild, converters=converters))
    for index, name in enumerate(wild):
        table = table.append_column(name, pa.array([row[index] for row in rows], TIMESTAMP))
    return table.select(columns)


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"{str(path)!r} cannot be read as {path.suffix[1:].upper()}: {error}; "
        "the file is damaged or half copied: copy it again, or delete it to go on without its rows"
    )


def read_graph(folder: Path, origins: pa.Array) -> dict[str, pa.Table]:
    """Every table of the export, without inline contents, its origins and visits restricted to `origins`."""
    graph = {name: read_table(folder, name, without=("data",)) for name in PUBLISHED}
    _check_hashes(folder, graph["content"]["sha1"])
    for name, column in (("origin", "url"), ("origin_visit", "origin"), ("origin_visit_status", "origin")):
        graph[name] = graph[name].filter(pc.is_in(graph[name][column], origins))
    return graph | {"skipped": SKIPPED.empty_table()}


def _check_hashes(folder: Path, hashes: pa.ChunkedArray) -> None:
    """Contents are looked up by their SHA-1: one that is no hash could name any file of this machine."""
    wrong = hashes.filter(pc.invert(pc.match_substring_regex(hashes, "^[0-9a-f]{40}$")))
    if len(wrong):
        raise InputError(
            f"the table content in {str(folder)!r} has {len(wrong)} rows whose sha1 is no hash, such as "
            f"{wrong[0].as_py()!r}; export the table again"
        )


def repositories(folders: list[Path]) -> Iterator[dict[str, Any]]:
    """The rows of REPOSITORY: every origin with a visit, named ``owner/name`` after its URL."""
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"source_path {str(folder)!r} is no folder; give a folder of ORC or Parquet tables")
        status = read_table(folder, "origin_visit_status")  # noqa: F841 (DuckDB reads it by name)
        for name in NEEDED:
            if not files_of(folder, name):
                read_table(folder, name)
        with duckdb.connect() as database:
            origins = database.sql("SELECT DISTINCT origin FROM status WHERE origin IS NOT NULL ORDER BY origin")
            urls = [url for (url,) in origins.fetchall()]
        if not urls:
            raise InputError(f"the table origin_visit_status in {str(folder)!r} names no origin")
        version = _fingerprint(folder)
        for url in urls:
            page, owner_and_name = web_address(url)
            yield {
                "origin_url": url,
                "repo_name": owner_and_name or url.partition("://")[2].strip("/") or url,
                "visit_type": VISIT_TYPE,
                "version": version,
                "html_url": page,
                "location": str(folder.resolve()),
            }


def _fingerprint(folder: Path) -> str:
    """What the tables are, without reading them: names and sizes."""
    listed = [
        f"{path.relative_to(folder)} {path.stat().st_size}" for name in PUBLISHED for path in files_of(folder, name)
    ]
    return sha1("\n".join(listed).encode())


def sha1(data: bytes) -> str:
    """SHA-1, hexadecimal."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
