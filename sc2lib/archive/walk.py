"""The walk from origins to unique files: The Stack v2's selection, in SQL over the graph tables.

Selection and exact deduplication are those of the published code (V). The statements are in ``walk.sql``; here
tables go in and shards of candidate files come out. One process; DuckDB spills to disk when memory runs short, and no
table is held as a whole.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import duckdb
import pyarrow as pa

from sc2lib import queries
from sc2lib.archive import chunks
from sc2lib.archive.schema import GRAPH
from sc2lib.files import write_parquet, write_parquet_parts
from sc2lib.license_expressions import is_permissive
from sc2lib.queries import Stored
from sc2lib.tables import FILES

MAX_DEPTH = 64  # levels of directories, as in the paper
MAX_STEPS = 10  # from a branch over aliases and releases to a revision
MAX_OCCURRENCES = 1_000_000  # of one directory in one level, as in the paper's code

STEPS = ("latest_visit", "branch", "main_branch", "root", "folder", "found", "deduplicated", "candidate")

# What the walk knows of every file it meets; `reason` is null for those whose bytes are to be read.
CANDIDATES = pa.schema(
    [
        *(FILES.field(name) for name in FILES.names if name not in ("detected_licenses", "license_type")),
        ("origin_url", pa.string()),
        ("visit_type", pa.string()),
        ("location", pa.string()),
        ("raw_path", pa.binary()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)


def merge(parts: Mapping[str, Sequence[Path]], folder: Path) -> dict[str, Path]:
    """Unite the tables of several visits: every object once, rows sorted, whatever the visits were grouped by.

    The directories of folders that were visited in chunks (``found_entry``) are made here. Each table becomes one
    Parquet file in `folder`, and goes there in batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    merged = {name: folder / f"{name}.parquet" for name in GRAPH}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".tmp-") as made:
        shards = {name: list(parts[name]) for name in GRAPH}
        for number, tables in enumerate(chunks.assemble(parts["found_entry"])):
            for name, table in zip(GRAPH, tables, strict=True):
                if table.num_rows:
                    shards[name].append(Path(made) / f"{name}-{number:05d}.parquet")
                    write_parquet(shards[name][-1], table)
        with queries.opened(**shards) as database:
            for name, path in merged.items():
                rows = queries.stream(database, f"SELECT DISTINCT * FROM {name} ORDER BY ALL")
                write_parquet_parts(path, (batch.cast(GRAPH[name]) for batch in rows))
    return merged


def walk(
    graph: Mapping[str, Stored],
    repositories: pa.Table,
    shards: int,
    max_file_bytes: int,
    max_depth: int = MAX_DEPTH,
    max_occurrences: int = MAX_OCCURRENCES,
) -> list[pa.Table]:
    """Candidate files of all origins, one CANDIDATES table per shard of `blob_id`, sorted by it.

    Every file met is there: with a `reason` when the selection dropped it, without when its bytes are wanted.
    Rows without a blob (unreadable files, submodules) lie in shard 0.
    """
    with opened(graph, repositories, max_file_bytes, max_depth, max_occurrences) as database:
        return list(candidates(database, shards))


@contextmanager
def opened(
    graph: Mapping[str, Stored],
    repositories: pa.Table,
    max_file_bytes: int,
    max_depth: int = MAX_DEPTH,
    max_occurrences: int = MAX_OCCURRENCES,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in which the walk was walked; every statement of ``walk.sql`` left a table with its name (`STEPS`)."""
    stated = repositories["gha_license_id"]
    known = {text: is_permissive(text) for text in stated.unique().to_pylist()}
    permissive = pa.array([known[text] for text in stated.to_pylist()])
    listed = repositories.append_column("is_permissive", permissive)
    with queries.opened(**graph, repository=listed) as database:
        database.execute("SET VARIABLE max_depth = ?", [max_depth])
        database.execute("SET VARIABLE max_occurrences = ?", [max_occurrences])
        database.execute("SET VARIABLE max_file_bytes = ?", [max_file_bytes])
        database.execute(script())
        yield database


def script(part: str | None = None) -> str:
    """The statements of ``walk.sql``, or those between the markers ``start-<part>`` and ``end-<part>``."""
    whole = resources.files("sc2lib.archive").joinpath("walk.sql").read_text(encoding="utf-8")
    if part is None:
        return whole
    return whole.partition(f"-- docs: start-{part}\n")[2].partition(f"-- docs: end-{part}\n")[0]


def rows_of_steps(database: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """(table, rows) after each statement of the walk."""
    counts = []
    for name in STEPS:
        (count,) = database.sql(f"SELECT count(*) FROM {name}").fetchall()[0]
        counts.append((name, count))
    return counts


def candidates(database: duckdb.DuckDBPyConnection, shards: int) -> Iterator[pa.Table]:
    """What the walk met, one CANDIDATES table per shard of `blob_id`, one after the other."""
    for shard in range(shards):
        found = database.sql(
            "SELECT * FROM candidate WHERE coalesce(('0x' || left(blob_id, 2))::INT * $shards // 256, 0) = $shard "
            "ORDER BY blob_id NULLS FIRST, repo_name, raw_path, origin_url",
            params={"shards": shards, "shard": shard},
        )
        yield _candidates(found.to_arrow_table())


def _candidates(found: pa.Table) -> pa.Table:
    paths = [text(path) for path in found["raw_path"].to_pylist()]
    kept = zip(found["detail"].to_pylist(), found["kept_repo_name"].to_pylist(), found["kept_raw_path"].to_pylist())
    columns = {
        "path": pa.array(paths, pa.string()),
        "extension": pa.array([extension(path) for path in paths], pa.string()),
        "detail": pa.array(
            [detail if name is None else f"kept in {name}{text(path or b'')}" for detail, name, path in kept],
            pa.string(),
        ),
    }
    arrays = []
    for field in CANDIDATES:
        if field.name in columns:
            arrays.append(columns[field.name])
        elif field.name in found.column_names:
            arrays.append(found[field.name].cast(field.type))
        else:
            arrays.append(pa.nulls(found.num_rows, field.type))
    return pa.Table.from_arrays(arrays, schema=CANDIDATES)


def text(path: bytes) -> str:
    """A path as text; bytes that are not UTF-8 become ``\\xNN``."""
    return path.decode("utf-8", "backslashreplace")


def extension(path: str) -> str:
    """What follows the last dot of a file's name, as written; "" for none (``Makefile``, ``.gitignore``)."""
    stem, dot, last = path.rpartition("/")[2].rpartition(".")
    return last if dot and stem else ""
