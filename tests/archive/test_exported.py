"""The source ``graph``: our own tables written as ORC or Parquet give the same walk; damaged ones are named."""

import gzip
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pyorc
import pytest

from sc2lib.archive import exported, exported_files, orc_stripes, sources
from sc2lib.archive.objects import Objects
from sc2lib.archive.schema import PUBLISHED
from sc2lib.errors import InputError
from tests.archive.conftest import Repository, Run


def export(run: Run, folder: Path, suffix: str) -> Path:
    """Write the tables of a run as Software Heritage does: a folder each, dates in nanoseconds without a zone."""
    for name in PUBLISHED:
        table = run.graph[name]
        dates = [f.with_type(pa.timestamp("ns")) if pa.types.is_timestamp(f.type) else f for f in table.schema]
        (folder / name).mkdir(parents=True)
        path = folder / name / f"{name}-all{suffix}"
        if suffix == ".orc":
            orc.write_table(table.cast(pa.schema(dates)), path, compression="zstd")
        else:
            pq.write_table(table, path)
    return folder


def put_objects(run: Run, repo: Repository, folder: Path, fan_out: bool = False) -> None:
    """Contents named by SHA-1 and packed, as in the bucket."""
    for row in run.graph["content"].to_pylist():
        path = folder / "objects" / (row["sha1"][:2] if fan_out else "") / row["sha1"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(repo.git("cat-file", "blob", row["sha1_git"]) + b"\n", mtime=0))


@pytest.fixture
def project(repository: Callable[..., Repository]) -> Repository:
    repo = repository()
    repo.git("remote", "add", "origin", "https://github.com/owner/project.git")
    for name in (b"a.py", b"sub/\xff.py", b"sub/copy.py"):
        repo.write(name, b"%d bytes\n" % len(name))
    repo.write("again.py", b"4 bytes\n")
    os.symlink("a.py", repo.folder / "link")
    repo.commit("First\n")
    repo.write("late.py", b"late\n")
    repo.git("tag", "-a", "v1", "-m", "One")
    repo.commit("Second\n")
    return repo


@pytest.mark.parametrize("suffix", [".orc", ".parquet"])
def test_our_tables_exported_give_the_same_walk(project: Repository, produce, tmp_path: Path, suffix: str) -> None:
    run = produce("git", project.folder)
    folder = export(run, tmp_path / "export", suffix)
    put_objects(run, project, folder, fan_out=suffix == ".orc")
    again = produce("graph", folder)
    ours = [c.drop_columns(["visit_type", "location", "repo_name"]) for c in run.candidates]
    theirs = [c.drop_columns(["visit_type", "location", "repo_name"]) for c in again.candidates]
    assert [t.drop_columns("detail") for t in theirs] == [t.drop_columns("detail") for t in ours]
    assert again.contents == run.contents
    for name in PUBLISHED:
        assert again.graph[name] == run.graph[name], name


def test_repositories_of_github_are_named_owner_and_name(project: Repository, produce, tmp_path: Path) -> None:
    run = produce("git", project.folder)
    status = run.graph["origin_visit_status"]
    for name, column in (("origin_visit_status", "origin"), ("origin_visit", "origin"), ("origin", "url")):
        table = run.graph[name]
        index = table.schema.get_field_index(column)
        run.graph[name] = table.set_column(index, column, pa.array(["https://github.com/owner/project"]))
    assert status.num_rows == 1
    folder = export(run, tmp_path / "export", ".orc")
    listed = sources.list_origins("graph", str(folder))
    assert listed["repo_name"].to_pylist() == ["owner/project"]
    assert listed["visit_type"].to_pylist() == ["graph"]
    assert sources.list_origins("graph", str(folder), "https://github.com/*") == listed
    with pytest.raises(InputError, match="matches none"):
        sources.list_origins("graph", str(folder), "https://gitlab.com/*")


def test_contents_come_from_a_column_or_from_a_table_of_texts(project: Repository, produce, tmp_path: Path) -> None:
    run = produce("git", project.folder)
    texts = export(run, tmp_path / "texts", ".parquet")
    (texts / "contents").mkdir()
    pq.write_table(run.contents, texts / "contents" / "part-00000.parquet")
    assert produce("graph", texts).contents == run.contents
    content = run.graph["content"]
    data = [project.git("cat-file", "blob", identifier) + b"\n" for identifier in content["sha1_git"].to_pylist()]
    run.graph["content"] = content.set_column(6, "data", pa.array(data, pa.binary()))
    assert produce("graph", export(run, tmp_path / "inline", ".orc")).contents == run.contents


def test_objects_that_are_missing_or_cut_short_have_a_reason(project: Repository, produce, tmp_path: Path) -> None:
    run = produce("git", project.folder)
    folder = export(run, tmp_path / "export", ".orc")
    put_objects(run, project, folder)
    rows = {row["path"]: row["blob_id"] for row in run.files.to_pylist()}
    cut = folder / "objects" / rows["/late.py"]
    cut.write_bytes(cut.read_bytes()[:-6])
    (folder / "objects" / rows["/a.py"]).unlink()
    again = produce("graph", folder)
    details = {row["path"]: row["detail"] for row in again.removed.to_pylist() if row["reason"] == "unreadable"}
    assert set(details) == {"/late.py", "/a.py"}
    assert "damaged" in details["/late.py"] and "no bytes" in details["/a.py"]


@pytest.mark.parametrize("suffix", [".orc", ".parquet"])
def test_a_damaged_table_is_named_with_a_remedy(project: Repository, produce, tmp_path: Path, suffix: str) -> None:
    folder = export(produce("git", project.folder), tmp_path / "export", suffix)
    path = folder / "directory_entry" / f"directory_entry-all{suffix}"
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged or half copied") as caught:
            produce("graph", folder)
        assert str(path) in str(caught.value)


def test_a_folder_that_is_no_export(project: Repository, produce, tmp_path: Path) -> None:
    folder = export(produce("git", project.folder), tmp_path / "export", ".parquet")
    path = folder / "snapshot_branch" / "snapshot_branch-all.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["target_type"]), path)
    with pytest.raises(InputError, match="has no column target_type"):
        produce("graph", folder)
    path.unlink()
    with pytest.raises(InputError, match="no table 'snapshot_branch'"):
        sources.list_origins("graph", str(folder))
    with pytest.raises(InputError, match="is no folder"):
        sources.list_origins("graph", str(tmp_path / "nowhere"))


def test_a_hash_that_climbs_out_of_the_folder_is_refused(project: Repository, produce, tmp_path: Path) -> None:
    run = produce("git", project.folder)
    content = run.graph["content"]
    climbing = ["../../secret", *content["sha1"].to_pylist()[1:]]
    run.graph["content"] = content.set_column(0, "sha1", pa.array(climbing))
    folder = export(run, tmp_path / "export", ".orc")
    with pytest.raises(InputError, match=r"sha1 is no hash, such as '../../secret'"):
        produce("graph", folder)
    (tmp_path / "secret").write_bytes(b"secret")
    (answer,) = Objects(str(folder)).read([(b"x", content["sha1_git"][0].as_py())])
    assert isinstance(answer, OSError) and "is no SHA-1" in str(answer)


def test_dates_beyond_nanoseconds_are_read(tmp_path: Path) -> None:
    """Commits of the years 1 and 9999 exist; 64 bits of nanoseconds reach from 1677 to 2262 only."""
    (tmp_path / "revision").mkdir()
    path = tmp_path / "revision" / "revision-all.orc"
    seconds = [-62_135_596_800, 1_700_000_000, 253_402_300_799, 1 << 40]

    class Raw(orc_stripes.Seconds):
        @staticmethod
        def to_orc(obj, timezone):
            return None if obj is None else (obj, 5000)

    with path.open("wb") as file:
        kind = pyorc.Struct(id=pyorc.String(), date=pyorc.Timestamp(), directory=pyorc.String())
        with pyorc.Writer(file, kind, converters={pyorc.TypeKind.TIMESTAMP: Raw}) as writer:
            writer.writerows([(str(k), second, "d") for k, second in enumerate([*seconds, None])])
    table = pa.concat_tables(exported.pieces(tmp_path, "revision"))
    assert table.schema == PUBLISHED["revision"]
    dates = table["date"].cast(pa.int64()).to_pylist()
    assert dates == [*(second * 1_000_000 + 5 for second in seconds[:3]), None, None]
    assert table["id"].to_pylist() == ["0", "1", "2", "3", "4"]


def changed(table: pa.Table, copy: int) -> pa.Table:
    """The same rows under other identifiers: the first digits of every hash are replaced."""
    for name in ("id", "directory_id", "target", "sha1", "sha1_git", "sha256", "directory", "snapshot_id"):
        if name in table.column_names:
            index = table.schema.get_field_index(name)
            other = pc.binary_replace_slice(table[name], 0, 6, f"{copy:06x}")
            table = table.set_column(index, name, other)
    return table


@pytest.mark.parametrize("suffix", [".orc", ".parquet"])
def test_tables_several_times_larger_than_the_memory_give_the_same_rows(
    project: Repository, produce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    run = produce("git", project.folder)
    folder = export(run, tmp_path / "export", suffix)
    small = sources.list_origins("graph", str(folder))
    expected = exported.read_graph(folder, small)
    size = 0
    for name in ("directory_entry", "content"):  # real rows many times over, as a large export has them
        times = 60_000 // run.graph[name].num_rows
        real = run.graph[name].drop_columns(["data"]) if name == "content" else run.graph[name]
        repeated = pa.concat_tables([real] * times).combine_chunks()
        for part in range(2):
            copy = changed(repeated, part + 1)
            size += copy.nbytes
            path = folder / name / f"more-{part}{suffix}"
            orc.write_table(copy, path, stripe_size=1 << 20) if suffix == ".orc" else pq.write_table(copy, path)
            del copy
    del repeated
    before, peaks = pa.total_allocated_bytes(), []

    def watched(*arguments: Path) -> Iterator[pa.Table]:
        for piece in pieces(*arguments):
            peaks.append(pa.total_allocated_bytes() - before)
            yield piece

    pieces = exported.pieces
    monkeypatch.setattr(exported, "pieces", watched)
    monkeypatch.setattr(exported_files, "BATCH_ROWS", 1 << 13)
    assert exported.read_graph(folder, small, memory="12MB") == expected
    assert size > 3 * 12_000_000 and max(peaks) < size / 4


def test_a_damaged_file_that_ends_its_reader_is_named(project: Repository, produce, tmp_path: Path) -> None:
    """Arrow's ORC reader crashes on this one, which would take the whole run with it."""
    run = produce("git", project.folder)
    folder = export(run, tmp_path / "export", ".orc")
    path = folder / "directory_entry" / "directory_entry-all.orc"
    names = pa.array([b"%d" % (k * k) for k in range(20_000)], pa.binary())
    column = pa.array([f"{k:040x}" for k in range(20_000)])
    rows = {
        "directory_id": column,
        "name": names,
        "type": ["file"] * 20_000,
        "target": column,
        "perms": [33188] * 20_000,
    }
    orc.write_table(pa.table(rows), path, compression="zstd")
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + bytes(len(whole) // 2) + whole[4 + len(whole) // 2 :])
    with pytest.raises(InputError, match="damaged or half copied") as caught:
        produce("graph", folder)
    assert str(path) in str(caught.value)
