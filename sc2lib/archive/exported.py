"""The source ``graph``: a folder of tables as Software Heritage exports them, ORC or Parquet.

``<folder>/<table>/*.orc`` or ``*.parquet`` (any number of files), or ``<folder>/<table>.orc``. The tables may be
larger than memory: each is streamed past the identifiers that the walk has reached so far, and what matches goes into a
database on disk (`read_graph`). The bytes of files come from the column ``data`` of ``content``, from a folder
``objects`` (`objects`), or from a table ``contents`` such as this stage writes.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.archive import walk
from sc2lib.archive.exported_files import files_of, read_as
from sc2lib.archive.git import web_address
from sc2lib.archive.schema import PUBLISHED, SKIPPED
from sc2lib.errors import InputError

VISIT_TYPE = "graph"
MEMORY = "2GB"  # of the database; what does not fit lies in its temporary folder
# Without these there is no walk.
NEEDED = {
    "origin_visit_status": ("origin", "visit", "status", "snapshot"),
    "snapshot_branch": ("snapshot_id", "name", "target", "target_type"),
    "directory_entry": ("directory_id", "name", "type", "target", "perms"),
    "content": ("sha1", "sha1_git", "length"),
}


def pieces(folder: Path, name: str) -> Iterator[pa.Table]:
    """A table of the export, piece by piece, with the columns of `schema`; inline contents are left out.

    Raises InputError with the file when it is damaged or lacks a column that the walk needs.
    """
    files = files_of(folder, name)
    if not files and name in NEEDED:
        raise InputError(
            f"no table {name!r} in {str(folder)!r}: give a folder that holds {name}/*.orc or {name}/*.parquet"
        )
    for path in files:
        yield from read_as(path, PUBLISHED[name], NEEDED.get(name, ()), without=("data",))


class Selection:
    """A database on disk that takes from the tables of an export the rows of what was reached."""

    def __init__(self, folder: Path, scratch: Path, memory: str = MEMORY) -> None:
        self.folder = folder
        self.database = duckdb.connect(scratch / "selection.duckdb")
        self.database.execute("SET memory_limit = ?", [memory])
        self.database.execute("SET temp_directory = ?", [str(scratch / "spilled")])
        self.database.execute("SET preserve_insertion_order = false")
        # nothing tells how long a stream will be: taken for short, it would be what a join keeps in memory
        self.database.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
        for name, schema in PUBLISHED.items():
            self.database.register("empty", schema.empty_table())
            self.database.execute(f"CREATE TABLE {name} AS FROM empty")

    # docs: start-take
    def take(self, name: str, column: str, wanted: str) -> None:
        """Add the rows of a table whose `column` is among the identifiers that the query `wanted` gives.

        The whole table streams by once; the identifiers, not the table, are what the database holds meanwhile.
        """
        self.database.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT DISTINCT id FROM ({wanted}) t(id)")
        self._stream(name, f"INSERT INTO {name} FROM piece SEMI JOIN wanted ON wanted.id = piece.{column}")

    # docs: end-take

    def _stream(self, name: str, statement: str) -> duckdb.DuckDBPyConnection:
        """Execute a statement that reads a table of the export as `piece`."""
        problems: list[InputError] = []

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for table in pieces(self.folder, name):
                    yield from table.to_batches()
            except InputError as error:
                problems.append(error)
                raise

        self.database.register("piece", pa.RecordBatchReader.from_batches(PUBLISHED[name], batches()))
        try:
            return self.database.execute(statement)
        except duckdb.Error:
            if problems:  # the database says what was raised below it in words only
                raise problems[0] from None
            raise
        finally:
            self.database.unregister("piece")

    def origins(self) -> list[str]:
        """Every origin with a visit."""
        statement = "CREATE TEMP TABLE visited AS SELECT DISTINCT origin FROM piece WHERE origin IS NOT NULL"
        self._stream("origin_visit_status", statement)
        return [url for (url,) in self.database.sql("FROM visited ORDER BY origin").fetchall()]

    def result(self) -> dict[str, pa.Table]:
        """What was taken, in memory, rows sorted."""
        return {
            name: self.database.sql(f"SELECT DISTINCT * FROM {name} ORDER BY ALL").to_arrow_table().cast(schema)
            for name, schema in PUBLISHED.items()
        }


# docs: start-select
def read_graph(folder: Path, repositories: pa.Table, memory: str = MEMORY) -> dict[str, pa.Table]:
    """The part of an export that the walk from some origins can reach: a GRAPH of tables in memory.

    Every table is read once, but ``release`` (as often as releases name releases) and ``directory_entry`` (once a
    level). `memory` bounds the database; beside it, one piece of a file and the result must fit.
    """
    with tempfile.TemporaryDirectory() as scratch:
        chosen = Selection(folder, Path(scratch), memory)
        with chosen.database as database:
            database.register("repository", repositories)
            origins = "SELECT origin_url FROM repository"
            for name, column in (("origin", "url"), ("origin_visit", "origin"), ("origin_visit_status", "origin")):
                chosen.take(name, column, origins)
            database.execute(walk.script("visits"))
            snapshots = "SELECT snapshot_id FROM latest_visit"
            chosen.take("snapshot", "id", snapshots)
            chosen.take("snapshot_branch", "snapshot_id", snapshots)
            _take_history(chosen)
            database.execute(walk.script("branches") + walk.script("roots"))
            _take_trees(chosen)
            graph = chosen.result()
    _check_hashes(folder, graph["content"]["sha1"])
    return graph | {"skipped": SKIPPED.empty_table()}


# docs: end-select

_TIPS = "(FROM snapshot_branch SELECT target, target_type UNION FROM release SELECT target, target_type)"


def _take_history(chosen: Selection) -> None:
    """The releases and revisions at the ends of all branches; parents are named, not followed."""
    for _ in range(walk.MAX_STEPS):
        (before,) = chosen.database.sql("SELECT count(*) FROM release").fetchall()[0]
        tips = f"SELECT target FROM {_TIPS} WHERE target_type = 'release' EXCEPT SELECT id FROM release"
        chosen.take("release", "id", tips)
        if chosen.database.sql("SELECT count(*) FROM release").fetchall()[0] == (before,):
            break
    tips = f"SELECT target FROM {_TIPS} WHERE target_type = 'revision'"
    for name in ("revision", "revision_history", "revision_extra_headers"):
        chosen.take(name, "id", tips)


def _take_trees(chosen: Selection) -> None:
    """The directories below the roots, level by level, and the contents they name."""
    database = chosen.database
    database.execute("CREATE TEMP TABLE reached AS SELECT DISTINCT directory_id AS id, 0 AS level FROM root")
    for level in range(walk.MAX_DEPTH + 1):
        frontier = f"SELECT id FROM reached WHERE level = {level}"
        if not database.sql(f"{frontier} LIMIT 1").fetchall():
            break
        chosen.take("directory_entry", "directory_id", frontier)
        database.execute(
            f"INSERT INTO reached SELECT DISTINCT e.target, {level + 1} FROM directory_entry e "
            f"SEMI JOIN ({frontier}) f ON f.id = e.directory_id ANTI JOIN reached r ON r.id = e.target "
            "WHERE e.type = 'dir'"
        )
    chosen.take("directory", "id", "SELECT id FROM reached")
    files = f"SELECT target FROM directory_entry UNION SELECT target FROM {_TIPS} WHERE target_type = 'content'"
    for name in ("content", "skipped_content"):
        chosen.take(name, "sha1_git", files)


def _check_hashes(folder: Path, hashes: pa.ChunkedArray) -> None:
    """Contents are looked up by their SHA-1: one that is no hash could name any file of this machine."""
    wrong = hashes.filter(pc.invert(pc.match_substring_regex(hashes, "^[0-9a-f]{40}$")))
    if len(wrong):
        raise InputError(
            f"the table content in {str(folder)!r} has {len(wrong)} rows whose sha1 is no hash, such as "
            f"{wrong[0].as_py()!r}; export the table again"
        )


def repositories(folders: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """The rows of REPOSITORY: every origin with a visit, named ``owner/name`` after its URL."""
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"source_path {str(folder)!r} is no folder; give a folder of ORC or Parquet tables")
        for name in NEEDED:
            if not files_of(folder, name):
                next(pieces(folder, name))
        with tempfile.TemporaryDirectory() as scratch:
            chosen = Selection(folder, Path(scratch))
            with chosen.database:
                urls = chosen.origins()
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
