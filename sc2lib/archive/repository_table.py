"""What an outside table knows about repositories: stars, forks, default branch, licence (GHArchive's columns).

A CSV or Parquet file with a column ``repo_name`` or ``origin_url`` and any of the columns of `KNOWN`. GHArchive calls
the default branch by its short name (``main``). Such a table may name every repository there is: DuckDB takes out the
few rows that are asked for, and no more is held in memory.
"""

import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from sc2lib.errors import InputError

FACTS = (
    "github_id",
    "star_events_count",
    "fork_events_count",
    "gha_license_id",
    "gha_event_created_at",
    "gha_created_at",
    "gha_language",
)
KNOWN = ("default_branch", *FACTS)
MEMORY = "1GB"  # of the database while it reads the table; 0.1 GB for 2,000,000 rows of GHArchive

_CSV = "read_csv($path, delim = ',', quote = '\"', header = true, all_varchar = true)"
_PARQUET = "read_parquet($path, hive_partitioning = false)"


def enrich(repositories: pa.Table, path: str) -> pa.Table:
    """Fill the columns of a REPOSITORY table from a file; rows that it does not name stay as they are.

    The default branch of a git repository stays what git says it is. Raises InputError when the file cannot be read,
    has no key column, names one of the repositories twice, or has a value of the wrong type for one.
    """
    given, key = _read(Path(path), repositories)
    keys = given[key].to_pylist()
    if len(set(keys)) != len(keys):
        twice = next(name for name in keys if keys.count(name) > 1)
        raise InputError(f"{path!r} names {twice!r} twice; keep one row of each repository")
    rows = {name: row for row, name in enumerate(keys)}
    matched = [rows.get(name) for name in repositories[key].to_pylist()]
    for name in KNOWN:
        if name not in given.column_names:
            continue
        field = repositories.schema.field(name)
        try:
            values = given[name].cast(field.type).to_pylist()
        except pa.ArrowInvalid as error:
            raise InputError(f"column {name!r} of {path!r} must be {field.type}: {error}") from error
        old = repositories[name].to_pylist()
        git = repositories["visit_type"].to_pylist() if name == "default_branch" else [None] * len(old)
        new = [
            was if row is None or values[row] is None or kind == "git" else values[row]
            for row, was, kind in zip(matched, old, git)
        ]
        index = repositories.schema.get_field_index(name)
        repositories = repositories.set_column(index, field, pa.array(new, field.type))
    return repositories


def _read(path: Path, repositories: pa.Table) -> tuple[pa.Table, str]:
    """The rows of the file that name one of the repositories, with the columns of `KNOWN`, and the column that does."""
    if not path.is_file():
        raise InputError(f"repositories_table {str(path)!r} does not exist; give a CSV or Parquet file")
    is_text = path.suffix == ".csv"
    table, where = _CSV if is_text else _PARQUET, {"path": str(path)}
    try:
        if not path.stat().st_size:
            raise duckdb.Error("it is empty")
        with duckdb.connect() as database:
            database.execute("SET TimeZone = 'UTC'")
            database.execute("SET memory_limit = ?", [MEMORY])
            there = database.sql(f"SELECT * FROM {table} LIMIT 0", params=where).columns
            key = next((name for name in ("origin_url", "repo_name") if name in there), None)
            if key is None:
                raise InputError(f"{str(path)!r} has neither a column repo_name nor origin_url; it has {there}")
            columns = ", ".join([key, *(name for name in KNOWN if name in there)])
            database.register("listed", pa.table({"name": pc.unique(repositories[key])}))
            query = f"SELECT {columns} FROM {table} WHERE {key}::VARCHAR IN (SELECT name FROM listed) ORDER BY ALL"
            found = database.sql(query, params=where).to_arrow_table()
        return _typed(found) if is_text else found, key
    except (duckdb.Error, pa.ArrowException) as error:
        raise InputError(
            f"repositories_table {str(path)!r} cannot be read: {str(error).splitlines()[0]}; it must be CSV or Parquet"
        ) from error


def _typed(found: pa.Table) -> pa.Table:
    """A table of text with the types that Arrow finds in it."""
    written = io.BytesIO()
    csv.write_csv(found, written)
    return csv.read_csv(io.BytesIO(written.getvalue()), convert_options=csv.ConvertOptions(strings_can_be_null=True))
