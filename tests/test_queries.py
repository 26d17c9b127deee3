"""Questions to tables in memory and on disk have one answer, and it comes in batches."""

from pathlib import Path

import pyarrow as pa
import pytest

from sc2lib import queries
from sc2lib.files import write_parquet

TABLE = pa.table({"name": ["a", "b", "c", "d", "e"], "size": [5, 4, 3, 2, 1]})


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, queries.Stored]:
    """The same rows in memory, in one file, and in shards below a folder that looks like a partition."""
    write_parquet(tmp_path / "whole.parquet", TABLE)
    shards = [tmp_path / f"run=1/part-{number}.parquet" for number in range(2)]
    write_parquet(shards[0], TABLE.slice(0, 2))
    write_parquet(shards[1], TABLE.slice(2))
    return {"memory": TABLE, "file": tmp_path / "whole.parquet", "shards": shards}


def test_it_does_not_matter_where_a_table_lies(stored) -> None:
    for table in stored.values():
        assert queries.table("FROM listed ORDER BY name", listed=table) == TABLE
        assert queries.rows("SELECT sum(size), max(name) FROM listed", listed=table) == [(15, "e")]
        assert queries.num_rows(table) == 5
    joined = queries.rows("SELECT count(*) FROM memory JOIN file USING (name) JOIN shards USING (name)", **stored)
    assert joined == [(5,)]


def test_a_long_answer_comes_in_batches(monkeypatch) -> None:
    monkeypatch.setattr(queries, "ROW_GROUP", 1000)
    with queries.opened() as database:
        parts = list(queries.stream(database, "SELECT i FROM range($end) t(i) ORDER BY i DESC", {"end": 10_000}))
        assert queries.num_rows(next(queries.stream(database, "SELECT 1 AS one WHERE false"))) == 0
    assert parts[0].num_rows == 0, "a writer knows the columns before the first row"
    assert max(part.num_rows for part in parts) <= 1000
    assert pa.concat_tables(parts)["i"].to_pylist() == list(range(9_999, -1, -1))


@pytest.mark.parametrize(("total", "limit"), [(4 << 30, "512.0 MiB"), (64 << 30, "2.0 GiB")])
def test_the_memory_of_a_database_follows_the_machine(monkeypatch, total: int, limit: str) -> None:
    monkeypatch.setattr(queries.psutil, "virtual_memory", lambda: type("Memory", (), {"total": total}))
    with queries.opened() as database:
        sql = "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory')"
        ((found, threads, spill),) = database.sql(sql).fetchall()
        assert found == limit and threads <= 16 and Path(spill).is_dir()
    assert not Path(spill).exists()
