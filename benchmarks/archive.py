"""Chapter 01: identifiers of contents against git and swh.model.

git computes one SHA-1 of each file. Software Heritage keeps four hashes, so ours is measured twice: the identifier
alone, which is what git does, and all four, which is what a visit does. swh.model joins where it is installed. What a
graph and its walk cost is in `benchmarks.linear`, which takes `make_and_walk` from here.
"""

import importlib.util
import io
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import compare, report
from sc2lib.archive import swhid, walk
from sc2lib.archive.graph import GRAPH, Graph
from sc2lib.archive.sources import REPOSITORY
from sc2lib.archive.swhid import Branch

FILES = 5_000
URL = "https://example.org/"

Rows = list[tuple[str, str, bytes]]  # repository, path, bytes


def main(corpus: Path, repeats: int) -> None:
    """Hash real files, each contender in its own way."""
    rows = read(*(sorted((corpus / "01_archive" / name).glob("*.parquet")) for name in ("files", "contents")))
    step = max(1, len(rows) // FILES)
    data = [text for _, _, text in rows[::step]]
    megabytes = sum(map(len, data)) / 1e6
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(index) for index in range(len(data))]
        for path, text in zip(paths, data, strict=True):
            path.write_bytes(text)
        contenders = {
            "sc2lib": partial(identify, paths),
            "git": partial(ask_git, paths),
            "sc2lib, four hashes": partial(hash_all, paths),
        }
        if importlib.util.find_spec("swh") and importlib.util.find_spec("swh.model"):
            contenders["swh.model"] = partial(ask_swh_model, paths)
        what = f"identifiers of {len(data):,} files"
        print(report(compare("archive", "01", what, "MB", megabytes, contenders, repeats)))


def read(files_shards: Sequence[Path], contents_shards: Sequence[Path]) -> Rows:
    """Every file of chapter 01's shards, by repository and path."""
    rows: Rows = []
    for files_path, contents_path in zip(files_shards, contents_shards, strict=True):
        files = pq.read_table(files_path, columns=["repo_name", "path"], partitioning=None)
        texts = pq.read_table(contents_path, columns=["content"], partitioning=None)
        columns = (column.to_pylist() for column in (*files.columns, *texts.columns))
        rows += [(name, place, text.encode()) for name, place, text in zip(*columns, strict=True)]
    return sorted(rows)


def identify(paths: list[Path]) -> None:
    """The identifier of every file."""
    for path in paths:
        swhid.content(path.read_bytes())


def hash_all(paths: list[Path]) -> None:
    """The four hashes of every file, as a visit makes them."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            swhid.hash_content(file, path.stat().st_size)


def ask_git(paths: list[Path]) -> None:
    """git's identifiers, in one process."""
    names = "".join(f"{path}\n" for path in paths)
    command = ["git", "hash-object", "--no-filters", "--stdin-paths"]
    subprocess.run(command, input=names, text=True, stdout=subprocess.DEVNULL, check=True)


def ask_swh_model(paths: list[Path]) -> None:
    """The identifiers of Software Heritage's own library."""
    from swh.model.model import Content

    for path in paths:
        Content.from_data(path.read_bytes()).swhid()


def make_and_walk(rows: Iterable[tuple[str, str, bytes]]) -> list[pa.Table]:
    """Hash the files, make the graph of their repositories, and walk it; returns the candidates by shard.

    The rows of a repository follow each other.
    """
    graph, listed = Graph(), []
    for name, group in groupby(rows, key=lambda row: row[0]):
        files = {
            path.encode().lstrip(b"/"): (swhid.FILE, graph.add_content(swhid.hash_content(io.BytesIO(text), len(text))))
            for _, path, text in group
        }
        graph.add_visit(URL + name, "git", {b"HEAD": Branch("directory", graph.add_tree(files))})
        row = {"origin_url": URL + name, "repo_name": name, "visit_type": "git"}
        listed.append(row | {"star_events_count": 0, "fork_events_count": 0})
    tables = dict(zip(GRAPH, graph.tables(), strict=True))
    return walk.walk(tables, pa.Table.from_pylist(listed, schema=REPOSITORY), shards=16, max_file_bytes=10 << 20)
