"""Stars, forks and default branches from a table of the user's."""

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from sc2lib.archive import repository_table, sources
from sc2lib.errors import InputError

LISTED = [
    {"origin_url": "u1", "repo_name": "a/x", "visit_type": "git", "default_branch": "main", "star_events_count": 0},
    {"origin_url": "u2", "repo_name": "b/y", "visit_type": "graph", "star_events_count": 0},
    {"origin_url": "u3", "repo_name": "c/z", "visit_type": "graph", "star_events_count": 7},
]


def listed() -> pa.Table:
    return pa.Table.from_pylist(LISTED, schema=sources.REPOSITORY)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_fills_what_it_knows(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"stars.{kind}"
    rows = "repo_name,star_events_count,default_branch,gha_license_id\nb/y,12,develop,MIT\na/x,5,other,\n"
    path.write_text(rows)
    if kind == "parquet":
        columns = {"origin_url": ["u2", "u1"], "star_events_count": [12, 5], "default_branch": ["develop", "other"]}
        pq.write_table(pa.table(columns | {"gha_license_id": pa.array(["MIT", None])}), path)
    found = repository_table.enrich(listed(), str(path))
    assert found.schema == sources.REPOSITORY
    assert found["star_events_count"].to_pylist() == [5, 12, 7]
    assert found["default_branch"].to_pylist() == ["main", "develop", None]  # git says its own
    assert found["gha_license_id"].to_pylist() == [None, "MIT", None]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_of_a_large_table_only_the_rows_that_are_asked_for_are_held(tmp_path: Path, kind: str) -> None:
    """GHArchive names every repository there is; as Python's lists these rows would be 60 MB."""
    numbers = range(200_000)
    columns = {"repo_name": [f"o/{n}" for n in numbers] + ["a/x", "b/y"], "star_events_count": [*numbers, 5, None]}
    columns |= {name: [f"some text {n}" for n in numbers] + ["C", None] for name in ("gha_language", "gha_homepage")}
    path = tmp_path / f"stars.{kind}"
    (pq.write_table if kind == "parquet" else csv.write_csv)(pa.table(columns), path)
    del columns
    tracemalloc.start()
    found = repository_table.enrich(listed(), str(path))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["star_events_count"].to_pylist() == [5, 0, 7]
    assert found["gha_language"].to_pylist() == ["C", None, None]
    assert most < 1 << 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,star_events_count\na/x,1\n", "neither a column repo_name nor origin_url"),
        ("repo_name,star_events_count\na/x,1\na/x,2\n", "names 'a/x' twice"),
        ("repo_name,star_events_count\na/x,many\n", "must be int64"),
        ("", "cannot be read: it is empty"),
        ('repo_name,star_events_count\na/x,1\n"b/y,2\n', r"cannot be read: [^\n]+; it must be CSV or Parquet$"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "stars.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        repository_table.enrich(listed(), str(path))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        repository_table.enrich(listed(), str(tmp_path / "none.csv"))
