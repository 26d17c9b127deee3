"""The samples behind the growth of each stage: nested, the same in every table, with one small file as their floor."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.copies import altered, write_copies
from benchmarks.linear import STAGES, chosen, each, sample
from sc2lib import files


def corpus(folder: Path) -> Path:
    blobs = [f"{number * 653 % 0x10000:04x}" for number in range(100)]
    lengths = [7 + abs(number - 40) for number in range(100)]
    columns = {"blob_id": blobs, "repo_name": ["a/b"] * 100, "path": ["/src/x.py"] * 100, "length_bytes": lengths}
    contents = pa.table({"blob_id": blobs, "content": pa.array(["x = é\n"] * 100, pa.large_string())})
    files.write_parquet(folder / "01_archive" / "files" / "part-00000.parquet", pa.table(columns))
    files.write_parquet(folder / "01_archive" / "contents" / "part-00000.parquet", contents)
    return folder


def blobs(paths: list[Path]) -> set[str]:
    return {blob for path in paths for blob in pq.read_table(path)["blob_id"].to_pylist()}


def test_samples_are_nested_and_hold_the_same_files_in_every_table(tmp_path: Path) -> None:
    run, tables = corpus(tmp_path / "run"), ("01_archive/files", "01_archive/contents")
    kept = [sample(run, tables, tmp_path / str(share), share) for share in (0.1, 0.5, 1.0)]
    assert all(blobs(one["files"]) == blobs(one["contents"]) for one in kept)
    small, half, whole = (blobs(one["files"]) for one in kept)
    assert small < half < whole and len(whole) == 100 and 5 <= len(small) <= 15
    least = sample(run, tables, tmp_path / "least", None)
    assert blobs(least["files"]) == blobs(least["contents"]) == {f"{40 * 653 % 0x10000:04x}"}


def test_the_share_is_that_of_the_hashes() -> None:
    assert chosen(pa.table({"blob_id": ["7fff", "8000"]}), 0.5).to_pylist() == [True, False]


def test_each_shard_is_read_given_and_written(tmp_path: Path) -> None:
    shards = sample(corpus(tmp_path / "run"), ("01_archive/files",), tmp_path / "all", 1.0)
    (path,) = each(lambda table, rows: (table.slice(0, rows), table), shards, ("files",), tmp_path / "out", rows=3)
    assert pq.read_table(path).num_rows == 3
    assert len(list((tmp_path / "out").glob("*/*.parquet"))) == 2


def test_the_copies_are_other_files_of_the_same_sizes(tmp_path: Path) -> None:
    run, tables = corpus(tmp_path / "run"), ("01_archive/files", "01_archive/contents")
    write_copies(run, tables, tmp_path / "copies", rounds=3)
    shards = sample(run, tables, tmp_path / "all", 3.0, tmp_path / "copies")
    listed, contents = (pa.concat_tables([pq.read_table(path) for path in shards[name]]) for name in shards)
    assert listed["blob_id"].equals(contents["blob_id"]) and len(set(listed["blob_id"].to_pylist())) == 300
    assert set(listed["repo_name"].to_pylist()) == {"a/b", "a/b-1", "a/b-2"}
    assert set(listed["path"].to_pylist()) == {"/src/x.py", "/1-src/1-x.py", "/2-src/2-x.py"}
    assert listed["length_bytes"].to_pylist() == listed["length_bytes"].to_pylist()[:100] * 3
    assert set(contents["content"].to_pylist()) == {"x = é\n", "y = é\n", "z = é\n"}


def test_copies_share_no_word_with_another_round_and_repeat_each_other_as_before() -> None:
    first, second = "def area(Width):\n", "def area(Width, é):\n"
    assert altered(first, 1) == b"efg bsfb(Xjeui):\n"
    assert altered(second, 1).decode() == "efg bsfb(Xjeui, é):\n"
    assert len({altered(first, number) for number in range(26)}) == 26


def test_every_stage_is_measured_over_a_factor_of_a_hundred() -> None:
    assert all(round(max(shares) / min(shares)) == 100 for _, _, shares in STAGES.values())
