"""A git repository that is read in parts gives the graph of one visit, wherever it is cut and whoever reads it."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.archive import git_objects, git_parts, git_trees, sources
from sc2lib.files import write_parquet
from tests.archive.conftest import Repository, visited


@pytest.fixture
def listed(repository: Callable[..., Repository], tmp_path: Path) -> pa.Table:
    """Two repositories with equal files, one of them without two of its objects, and a third that is small."""
    for name in ("one", "two"):
        repo = repository(f"repos/{name}")
        for number in range(30):
            repo.write(f"d{number % 4}/e{number % 3}/{name[: number % 2]}{number}.py", b"x" * (number * 7 % 40))
        repo.write(b"\xff", b"no text \xff\n")
        repo.commit()
    for lost in ("HEAD:d0/e0/0.py", "HEAD:d1/e1"):
        identifier = repo.git("rev-parse", lost).decode()
        (repo.folder / ".git" / "objects" / identifier[:2] / identifier[2:]).unlink()
    small = repository("repos/small")
    small.write("a.py", b"1\n")
    small.commit()
    return sources.list_origins("git", str(tmp_path / "repos"))


def parts_of(folder: Path) -> list[pa.Table]:
    return [pq.read_table(path) for path in sorted((folder / "unread").iterdir())]


def test_any_cut_gives_the_graph_of_one_visit(listed: pa.Table, tmp_path: Path, monkeypatch) -> None:
    whole = visited(tmp_path / "whole", listed)
    assert [part.num_rows for part in parts_of(tmp_path / "whole")] == [0]
    assert whole["skipped_content"].num_rows == whole["skipped"].num_rows == 1
    for blobs, size in ((3, 10**9), (10**6, 100), (7, 60)):
        monkeypatch.setattr(git_parts, "PART_BLOBS", blobs)
        monkeypatch.setattr(git_parts, "PART_BYTES", size)
        for groups in (1, 2):
            folder = tmp_path / f"{blobs}-{size}-{groups}"
            assert visited(folder, listed, groups) == whole
            parts = parts_of(folder)
            assert len(parts) > 5
            for part in parts:
                assert part.num_rows <= blobs
                assert sum(part["length"].to_pylist()) <= size or part.num_rows == 1


def test_only_a_repository_of_more_than_a_part_is_left(listed: pa.Table, tmp_path: Path, monkeypatch) -> None:
    names = dict(zip(listed["repo_name"].to_pylist(), listed["origin_url"].to_pylist()))
    for size, left in ((0, {"git/one", "git/two", "git/small"}), (1, {"git/one", "git/two"}), (100, set())):
        monkeypatch.setattr(git_parts, "PART_BLOBS", size)
        unread = sources.visit(listed)[-1]
        assert set(unread["origin_url"].to_pylist()) == {names[name] for name in left}
    rows = unread_of(listed, names["git/one"], monkeypatch)
    assert len(set(rows)) == len(rows)  # each blob once


def unread_of(listed: pa.Table, url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(git_parts, "PART_BLOBS", 1)
    return [row["sha1_git"] for row in sources.visit(listed)[-1].to_pylist() if row["origin_url"] == url]


def test_a_part_of_a_repository_that_vanished_names_every_blob(listed: pa.Table, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(git_parts, "PART_BLOBS", 10)
    unread = sources.visit(listed)[-1]
    write_parquet(tmp_path / "unread.parquet", unread)
    git_parts.write_parts(tmp_path / "parts", [tmp_path / "unread.parquet"])
    shutil.rmtree(tmp_path / "repos")
    content, skipped = (
        pa.concat_tables(tables)
        for tables in zip(*(git_parts.read(pq.read_table(path)) for path in sorted((tmp_path / "parts").iterdir())))
    )
    assert content.num_rows == 0
    assert set(skipped["sha1_git"].to_pylist()) == set(unread["sha1_git"].to_pylist())
    assert set(skipped["reason"].to_pylist()) == {
        "git does not have the object (a shallow or partial clone? a repository that vanished?)"
    }


def test_a_refused_repository_is_refused_before_its_files_are_read(listed: pa.Table, monkeypatch) -> None:
    monkeypatch.setattr(git_trees, "MAX_FILES", 5)
    monkeypatch.setattr(git_trees, "add_blobs", None)
    large = listed.filter(pa.compute.not_equal(listed["repo_name"], "git/small"))
    tables = dict(zip(sources.VISITED, sources.visit(large), strict=True))
    assert tables["origin_visit_status"]["status"].to_pylist() == ["failed", "failed"]
    assert all("more than 5 different files" in reason for reason in tables["skipped"]["reason"].to_pylist())


def test_objects_are_described_in_order_without_reading_them(repository: Callable[..., Repository]) -> None:
    repo = repository()
    repo.write("a", b"12345")
    commit = repo.commit()
    blob = repo.git("rev-parse", "HEAD:a").decode()
    damaged = repo.git("hash-object", "-w", "--stdin", data=b"damaged\n").decode()
    path = repo.folder / ".git" / "objects" / damaged[:2] / damaged[2:]
    path.chmod(0o644)
    path.write_bytes(b"no object")
    found = list(git_objects.describe(os.fsencode(repo.folder), [blob, "1" * 40, commit, damaged]))
    size = int(repo.git("cat-file", "-s", commit))
    assert found == [("blob", 5), None, ("commit", size), None]
    assert list(git_objects.describe(os.fsencode(repo.folder), [])) == []
