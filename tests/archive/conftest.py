"""Small real trees: folders, git repositories, and the whole production run in this process."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.archive import download, git_parts, sources, walk
from sc2lib.files import write_parquet


class Run(NamedTuple):
    """Everything a production of the archive writes."""

    graph: dict[str, pa.Table]
    repositories: pa.Table
    candidates: list[pa.Table]
    files: pa.Table
    contents: pa.Table
    removed: pa.Table

    def paths(self) -> set[str]:
        return set(self.files["path"].to_pylist())

    def reasons(self) -> dict[str, str]:
        return dict(zip(self.removed["path"].to_pylist(), self.removed["reason"].to_pylist()))


def visited(folder: Path, repositories: pa.Table, groups: int = 2) -> dict[str, pa.Table]:
    """The graph of some origins, visited in groups and parts as the chapter does, with its files in a folder."""
    parts: dict[str, list[Path]] = {name: [] for name in sources.VISITED}

    def step(name: str, function: Callable[[pa.Table], tuple[pa.Table, ...]], tables: Sequence[str]) -> None:
        for number, part in enumerate(sorted((folder / name).iterdir())):
            for table, rows in zip(tables, function(pq.read_table(part)), strict=True):
                path = folder / f"from-{name}" / table / f"part-{number}.parquet"
                write_parquet(path, rows)
                parts[table].append(path)

    sources.write_parts(folder / "origins", repositories, groups)
    step("origins", sources.visit, sources.VISITED)
    git_parts.write_parts(folder / "unread", parts["unread_blob"])
    step("unread", git_parts.read, git_parts.READ)
    merged = walk.merge(parts, folder / "graph")
    return {name: pq.read_table(path) for name, path in merged.items()}


@pytest.fixture
def produce(tmp_path: Path) -> Callable[..., Run]:
    """List, visit, merge, walk and download a source, as the chapter does, in one process."""
    counter = iter(range(100))

    def run(
        source: str,
        source_path: Path | str | None = None,
        include: str | None = None,
        shards: int = 2,
        groups: int = 2,
        max_file_bytes: int = 10 << 20,
    ) -> Run:
        folder = tmp_path.parent / f"{tmp_path.name}-visits-{next(counter)}"
        repositories = sources.list_origins(source, source_path and str(source_path), include)
        graph = visited(folder, repositories, groups)
        candidates = walk.walk(graph, repositories, shards, max_file_bytes)
        outputs = [download.download(shard) for shard in candidates]
        files, contents, removed = (pa.concat_tables(tables) for tables in zip(*outputs))
        return Run(graph, repositories, candidates, files, contents, removed)

    return run


class Repository:
    """A git repository for tests, with fixed dates and names."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", *options)

    def git(self, *arguments: str, data: bytes | None = None) -> bytes:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_AUTHOR_DATE": "1700000000 +0130",
            "GIT_COMMITTER_NAME": "Grace",
            "GIT_COMMITTER_EMAIL": "grace@example.org",
            "GIT_COMMITTER_DATE": "1700000100 -0500",
        }
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, env=environment, input=data).stdout.strip()

    def write(self, name: str | bytes, data: bytes) -> None:
        path = os.path.join(os.fsencode(self.folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)

    def commit(self, message: str = "Change\n") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD").decode()


@pytest.fixture
def repository(tmp_path: Path) -> Callable[..., Repository]:
    """Make an empty git repository below the test's folder."""

    def make(name: str = "project", *options: str) -> Repository:
        return Repository(tmp_path / name, *options)

    return make
