"""The samples behind the growth of each stage: nested, the same in every table, with one small file as their floor."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.linear import chosen, each, sample
from sc2lib import files


def corpus(folder: Path) -> Path:
    blobs = [f"{number * 653 % 0x10000:04x}" for number in range(100)]
    table = pa.table({"blob_id": blobs, "length_bytes": [7 + abs(number - 40) for number in range(100)]})
    files.write_parquet(folder / "01_archive" / "files" / "part-00000.parquet", table)
    files.write_parquet(folder / "01_archive" / "contents" / "part-00000.parquet", table.select(["blob_id"]))
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
