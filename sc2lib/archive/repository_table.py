"""What an outside table knows about repositories: stars, forks, default branch, licence (GHArchive's columns).

A CSV or Parquet file with a column ``repo_name`` or ``origin_url`` and any of the columns of `KNOWN`. GHArchive calls
the default branch by its short name (``main``).
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

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


def enrich(repositories: pa.Table, path: str) -> pa.Table:
    """Fill the columns of a REPOSITORY table from a file; rows that it does not name stay as they are.

    The default branch of a git repository stays what git says it is. Raises InputError when the file cannot be read,
    has no key column, names a repository twice, or has a value of the wrong type.
    """
    given = _read(Path(path))
    key = next((name for name in ("origin_url", "repo_name") if name in given.column_names), None)
    if key is None:
        raise InputError(f"{path!r} has neither a column repo_name nor origin_url; it has {given.column_names}")
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


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise InputError(f"repositories_table {str(path)!r} does not exist; give a CSV or Parquet file")
    try:
        if path.suffix == ".csv":
            text = csv.ConvertOptions(strings_can_be_null=True)
            return csv.read_csv(path, convert_options=text)
        return pq.read_table(path, partitioning=None)
    except pa.ArrowException as error:
        raise InputError(
            f"repositories_table {str(path)!r} cannot be read: {error}; it must be CSV or Parquet"
        ) from error
