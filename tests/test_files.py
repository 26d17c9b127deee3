import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib import files


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with pytest.raises(ValueError, match="half way"), files.atomic(path) as temporary:
        temporary.write_text("half")
        raise ValueError("half way")
    assert list(path.parent.iterdir()) == []
    files.write_text(path, "whole")
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_the_old_content_stays_when_the_new_one_fails(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), files.atomic(path) as temporary:
        temporary.write_text("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"


def test_a_folder_replaces_a_folder(tmp_path):
    for content in ("one", "two"):
        with files.atomic(tmp_path / "model") as temporary:
            temporary.mkdir()
            (temporary / f"{content}.txt").write_text(content)
    assert [entry.name for entry in (tmp_path / "model").iterdir()] == ["two.txt"]


def test_leftovers_are_cleared_and_nothing_else(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / ".tmp-1-x").mkdir()
    (tmp_path / "part" / ".tmp-2-y").write_text("")
    (tmp_path / "part" / "kept").write_text("")
    files.clear_temporary(tmp_path)
    assert [entry.name for entry in (tmp_path / "part").iterdir()] == ["kept"]


def test_the_same_table_gives_the_same_parquet_bytes(tmp_path):
    table = pa.table({"n": list(range(20_000)), "text": ["é" * (n % 7) for n in range(20_000)]})
    for name in ("a", "b"):
        files.write_parquet(tmp_path / name, table)
    assert files.sha256(tmp_path / "a") == files.sha256(tmp_path / "b")
    assert pq.read_table(tmp_path / "a").equals(table)


def test_sha256_is_the_standard_one(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


@pytest.mark.parametrize(
    "sizes", [(0,), (5,), (0, 0), (3, 0, 4), (8192,), (8192, 8192), (8191, 2, 20_000, 0), (1,) * 9]
)
def test_parts_give_the_bytes_of_the_whole(tmp_path, sizes):
    rows = sum(sizes)
    names = pa.array([None if number % 7 == 3 else f"name-{number % 1000}" for number in range(rows)], pa.string())
    table = pa.table({"name": names, "number": pa.array([number / 3 for number in range(rows)], pa.float64())})
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    files.write_parquet(tmp_path / "whole.parquet", table)
    files.write_parquet_parts(tmp_path / "parts.parquet", (table.slice(*part) for part in zip(starts, sizes)))
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
