"""Chapter 01: identifiers of contents against git and swh.model; a graph and its walk over a factor of 100 in files.

git computes one SHA-1 of each file. Software Heritage keeps four hashes, so ours is measured twice: the identifier
alone, which is what git does, and all four, which is what a visit does. swh.model joins where it is installed.
"""

import importlib.util
import io
import subprocess
import tempfile
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import compare, report
from sc2lib.archive import swhid, walk
from sc2lib.archive.graph import GRAPH, Graph
from sc2lib.archive.sources import REPOSITORY
from sc2lib.archive.swhid import Branch

FILES = 5_000
SHARES = (0.01, 0.1, 1.0)
URL = "https://example.org/"

Rows = list[tuple[str, str, bytes]]  # repository, path, bytes


def main(corpus: Path, repeats: int) -> None:
    """Hash real files, then make and walk graphs of 1/100, 1/10 and all of them."""
    rows = read(corpus)
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
    amounts, seconds = [], []
    for share in SHARES:
        sample = rows[:: round(1 / share)]
        work = {"sc2lib": partial(make_and_walk, sample)}
        measured = compare(
            "archive", "01", f"graph and walk of {share:.0%} of the files", "files", len(sample), work, repeats
        )
        print(report(measured))
        amounts.append(sum(len(text) for _, _, text in sample))
        seconds.append(measured[0]["seconds"])
    exponent = np.polyfit(np.log(amounts), np.log(seconds), 1)[0]
    # less than 1 where costs that do not grow still count
    print(f"archive: the cost grows with the bytes to the power of {exponent:.2f} (1 is linear)")


def read(run: Path) -> Rows:
    """Every file that chapter 01 kept, by repository and path."""
    rows: Rows = []
    for path in sorted((run / "01_archive" / "files").glob("*.parquet")):
        files = pq.read_table(path, columns=["repo_name", "path"], partitioning=None)
        texts = pq.read_table(run / "01_archive" / "contents" / path.name, columns=["content"], partitioning=None)
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


def make_and_walk(rows: Rows) -> None:
    """Hash the files, make the graph of their repositories, and walk it."""
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
    walk.walk(tables, pa.Table.from_pylist(listed, schema=REPOSITORY), shards=16, max_file_bytes=10 << 20)
