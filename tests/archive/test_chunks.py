"""A folder visited in chunks gives the graph of one visit, wherever it is cut."""

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib import queries
from sc2lib.archive import chunks, disk, sources, walk
from tests.archive.conftest import visited


def plant(folder: Path, seed: int) -> Path:
    """A random tree: equal and empty folders, folders of folders only, links, names that are no text."""
    rng = random.Random(seed)
    root = os.fsencode(folder)
    places = [root]
    for number in range(12):
        places.append(os.path.join(rng.choice(places), rng.choice([b"a", b"a.b", b"a-", b"\xff"]) + b"%d" % number))
        os.makedirs(places[-1])
    for number in range(30):
        path = os.path.join(rng.choice(places), rng.choice([b"x", b"a", b"\xfe", b"new\nline"]) + b"%d" % number)
        with open(path, "wb") as file:
            file.write(b"%d" % rng.randrange(5))
        if rng.random() < 0.3:
            os.chmod(path, 0o755)
    os.symlink("..", os.path.join(places[-1], b"up"))
    os.mkfifo(os.path.join(places[0], b"pipe"))
    (folder / ".git").mkdir(exist_ok=True)
    return folder


def graph_of(source: Path, work: Path) -> dict[str, pa.Table]:
    repositories = sources.list_origins("directory", str(source))
    return visited(work, repositories)


@pytest.mark.parametrize("seed", range(2))
def test_any_cut_gives_the_graph_of_one_visit(tmp_path: Path, monkeypatch, seed: int) -> None:
    tree = plant(tmp_path / "tree", seed)
    whole = graph_of(tree, tmp_path / "whole")
    for size in (3, 17):
        monkeypatch.setattr(chunks, "CHUNK", size)
        assert graph_of(tree, tmp_path / str(size)) == whole
        assert len(list((tmp_path / str(size) / "origins").iterdir())) > 40 / size


def test_only_a_folder_of_more_entries_than_a_chunk_is_cut(tmp_path: Path, monkeypatch) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    (url,) = sources.list_origins("directory", str(tmp_path))["origin_url"].to_pylist()
    for size, large in ((2, True), (3, True), (4, False)):  # the folder itself is an entry
        monkeypatch.setattr(chunks, "CHUNK", size)
        assert chunks.is_large(url, "directory") is large
        assert not chunks.is_large(url, "git")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch) -> None:
    for name in ("closed", "open"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "a.py").write_text("1")
    original = os.scandir

    def refuse(path: Path | bytes | int):
        if not isinstance(path, int) and os.fsencode(path).endswith(b"closed"):
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(disk.os, "scandir", refuse)
    whole = graph_of(tmp_path / "tree", tmp_path / "whole")
    monkeypatch.setattr(chunks, "CHUNK", 2)
    assert graph_of(tmp_path / "tree", tmp_path / "cut") == whole
    assert whole["skipped"].select(["path", "reason"]).to_pylist() == [
        {"path": b"closed", "reason": "Permission denied"}
    ]


def test_a_folder_that_vanishes_between_two_chunks_is_a_failed_visit(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 10)
    tree = plant(tmp_path / "tree", 0)
    original, visits = chunks.disk.os.path.isdir, iter(range(100))

    def first_only(path: bytes) -> bool:
        if path == os.fsencode(tree) and next(visits) == 1:
            shutil.rmtree(tree)
        return original(path)

    repositories = sources.list_origins("directory", str(tree))
    monkeypatch.setattr(chunks.os.path, "isdir", first_only)
    monkeypatch.setattr(sources, "list_origins", lambda *_: repositories)
    graph = graph_of(tree, tmp_path / "work")
    assert graph["origin_visit_status"]["status"].to_pylist() == ["failed"]
    assert graph["snapshot"].num_rows == graph["directory"].num_rows == 0
    assert chunks.VANISHED in graph["skipped"]["reason"].to_pylist()


def test_the_list_has_every_entry_once_a_folder_before_what_lies_in_it(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 10)
    tree = plant(tmp_path / "tree", 0)
    sources.write_parts(tmp_path / "parts", sources.list_origins("directory", str(tree)), 2)
    rows = pa.concat_tables(pq.read_table(path) for path in sorted((tmp_path / "parts").iterdir()))
    paths = rows["path"].to_pylist()
    there = {os.fsencode(path.relative_to(tree)) for path in tree.rglob("*") if path.name != ".git"} | {b""}
    assert set(paths) == there and len(paths) == len(there)
    assert all(not path or paths.index(os.path.dirname(path)) < paths.index(path) for path in paths)


def test_no_table_is_as_large_as_the_folder(tmp_path: Path, monkeypatch) -> None:
    """Folders of very many files, of very many folders, and of both: what is handed on stays a chunk."""
    monkeypatch.setattr(chunks, "CHUNK", 20)
    monkeypatch.setattr(queries, "ROW_GROUP", 20)
    for number in range(150):
        (tmp_path / f"tree/both/a{number % 60}").mkdir(parents=True, exist_ok=True)
        for path in (f"flat-{number}.py", f"both/{number}.py", f"both/a{number % 60}/{number}.py"):
            (tmp_path / "tree" / path).write_text(path)
    for depth in range(1, 6):  # each of them waits for the folders beside the next, which are listed after it
        for number in range(15):
            (tmp_path / "tree" / ("z/" * depth) / f"beside-{number}").mkdir(parents=True)
            (tmp_path / "tree" / ("z/" * depth) / f"beside-{number}" / "a.py").write_text(f"{depth} {number}")
    handed: list[int] = []
    assemble, write = chunks.assemble, walk.write_parquet_parts

    def assembled(parts: Sequence[Path]) -> Iterator[tuple[pa.Table, ...]]:
        for tables in assemble(parts):
            handed.extend(table.num_rows for table in tables)
            yield tables

    def written(path: Path, parts: Iterator[pa.Table]) -> None:
        tables = list(parts)
        handed.extend(table.num_rows for table in tables)
        write(path, iter(tables))

    monkeypatch.setattr(chunks, "assemble", assembled)
    monkeypatch.setattr(walk, "write_parquet_parts", written)
    cut = graph_of(tmp_path / "tree", tmp_path / "cut")
    assert cut["content"].num_rows == 525 and max(handed) == 20
    monkeypatch.setattr(chunks, "CHUNK", 10_000)
    assert graph_of(tmp_path / "tree", tmp_path / "whole") == cut
