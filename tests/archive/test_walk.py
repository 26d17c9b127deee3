"""The SQL walk against a naive one in Python, and the paper's order of keeping."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.archive import download, sources, swhid, walk
from sc2lib.archive.graph import GRAPH, Graph
from sc2lib.archive.swhid import Branch, ContentHashes, Entry
from sc2lib.curation.licenses.classification import license_type
from sc2lib.tables import shard_of
from tests.archive import naive_walk
from tests.archive.random_graphs import random_graph

LICENSES = (None, "MIT", "GPL-3.0-only")
Tree = dict[bytes, tuple[int, str]]


def blob(graph: Graph, text: str) -> str:
    data = text.encode()
    return graph.add_content(swhid.hash_content(io.BytesIO(data), len(data)))


def repositories(rows: list[dict]) -> pa.Table:
    defaults = {"visit_type": "directory", "star_events_count": 0, "fork_events_count": 0}
    return pa.Table.from_pylist([defaults | row for row in rows], schema=sources.REPOSITORY)


def tables(graph: Graph) -> dict[str, pa.Table]:
    return dict(zip(GRAPH, graph.tables(), strict=True))


def run(graph: Graph, rows: list[dict], shards: int = 1, **limits: int) -> list[dict]:
    found = walk.walk(tables(graph), repositories(rows), shards, limits.pop("max_file_bytes", 100), **limits)
    return pa.concat_tables(found).to_pylist()


def naive(graph: Graph) -> Iterator[tuple[str, bytes, str]]:
    """Every (origin, path, content) by following one pointer at a time."""
    written = tables(graph)
    entries: dict[str, list[dict]] = {}
    for entry in written["directory_entry"].to_pylist():
        entries.setdefault(entry["directory_id"], []).append(entry)
    branches = {row["snapshot_id"]: row["target"] for row in written["snapshot_branch"].to_pylist()}

    def below(directory: str, path: bytes) -> Iterator[tuple[bytes, str]]:
        for entry in entries.get(directory, ()):
            name = path + b"/" + entry["name"]
            if entry["type"] == "dir":
                yield from below(entry["target"], name)
            else:
                yield name, entry["target"]

    for visit in written["origin_visit_status"].to_pylist():
        for path, target in below(branches[visit["snapshot"]], b""):
            yield visit["origin"], path, target


NAMES = st.sampled_from([b"a", b"b", b"\xff", b"c.py"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
FOREST = st.lists(st.dictionaries(PATHS, st.sampled_from("xyz"), max_size=8), min_size=1, max_size=4)


@settings(deadline=None, max_examples=10)
@given(FOREST, st.integers(1, 3))
def test_the_walk_finds_what_a_naive_one_finds(forest: list[dict[bytes, str]], shards: int) -> None:
    graph = Graph()
    rows = []
    for index, files in enumerate(forest):
        tree: Tree = {}
        for path, text in files.items():
            if not any(other != path and (other + b"/").startswith(path + b"/") for other in files):
                tree[path] = (swhid.FILE, blob(graph, text))
        url = f"file:///{index}"
        graph.add_visit(url, "directory", {b"HEAD": Branch("directory", graph.add_tree(tree))})
        rows.append({"origin_url": url, "repo_name": f"directory/{index}"})
    found = walk.walk(tables(graph), repositories(rows), shards, 100)
    united = pa.concat_tables(found).to_pylist()
    seen = [(row["origin_url"], row["raw_path"], row["content_id"]) for row in united if row["raw_path"] != b"/"]
    assert sorted(seen) == sorted(naive(graph))
    kept = [row["blob_id"] for row in united if row["reason"] is None]
    assert len(kept) == len(set(kept)) == len({content for _, _, content in seen})
    for index, shard in enumerate(found):
        blobs = [blob_id for blob_id in shard["blob_id"].to_pylist() if blob_id]
        assert blobs == sorted(blobs)
        assert all(shard_of(blob_id, shards) == index for blob_id in blobs)


SEEN = ("origin_url", "raw_path", "reason", "detail", "branch_name", "revision_id", "directory_id")


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1 << 32), st.integers(1, 4), st.integers(1, 3))
def test_the_walk_over_random_graphs_is_the_naive_one(seed: int, max_depth: int, max_occurrences: int) -> None:
    """Visits, aliases, releases, roots, depth, the guard against skew, and both orders of keeping, row by row."""
    graph, listed = random_graph(seed)
    (found,) = walk.walk(graph, listed, 1, 100, max_depth, max_occurrences)
    expected = naive_walk.walk(graph, listed, 100, max_depth, max_occurrences)
    ours = [tuple(row[name] for name in SEEN) for row in found.to_pylist()]
    theirs = [tuple(row.get(name) for name in SEEN) for row in expected]
    assert sorted(ours, key=repr) == sorted(theirs, key=repr)


@pytest.mark.parametrize(
    "statement", ["MIT OR GPL-3.0-only", "Apache-2.0 WITH LLVM-exception", "BlueOak-1.0.0", "MIT AND (ISC OR MPL-2.0)"]
)
def test_the_copy_that_stays_is_one_that_may_be_trained_on(statement: str) -> None:
    """Stars come second (sheet, section 1.6): chapter 02 keeps what the walk calls permissive."""
    graph, rows = Graph(), []
    for name, stars, license in (("a", 0, statement), ("b", 10, "GPL-3.0-only")):
        tree: Tree = {b"x.py": (swhid.FILE, blob(graph, "print(1)")), name.encode(): (swhid.FILE, blob(graph, name))}
        graph.add_visit(name, "directory", {b"HEAD": Branch("directory", graph.add_tree(tree))})
        rows.append({"origin_url": name, "repo_name": name, "star_events_count": stars, "gha_license_id": license})
    (kept,) = [row for row in run(graph, rows) if row["raw_path"] == b"/x.py" and row["reason"] is None]
    assert (kept["repo_name"], license_type(kept["gha_license_id"], [])) == ("a", "permissive")


def test_a_directory_that_occurs_too_often_is_cut_with_a_reason() -> None:
    """Ten trees of ten entries each would spell ten thousand million files."""
    graph = Graph()
    target = Entry(b"x", swhid.FILE, blob(graph, "boom"))
    entries = [target._replace(name=b"%d" % k) for k in range(10)]
    for _ in range(9):
        tree = graph.add_directory(entries)
        entries = [Entry(b"%d" % k, swhid.DIRECTORY, tree) for k in range(10)]
    graph.add_visit("u", "git", {b"HEAD": Branch("directory", graph.add_directory(entries))})
    found = run(graph, [{"origin_url": "u", "repo_name": "r"}], max_occurrences=20)
    reasons = [row["reason"] for row in found]
    assert len(reasons) < 1000
    assert set(reasons) == {None, "exact_duplicate", "too_frequent"}
    assert reasons.count(None) == 1


KEEP = [
    # (better, worse): which of two repositories keeps a shared file
    ({"gha_license_id": "MIT"}, {"gha_license_id": "GPL-3.0-only", "star_events_count": 9}),
    ({"gha_license_id": "MIT", "star_events_count": 0}, {"gha_license_id": None, "star_events_count": 9}),
    ({"star_events_count": 2}, {"star_events_count": 1, "fork_events_count": 9}),
    ({"fork_events_count": 2}, {"fork_events_count": 1}),
]


@pytest.mark.parametrize(("better", "worse"), KEEP)
@pytest.mark.parametrize("swapped", [False, True])
def test_the_order_of_keeping_a_file(better: dict, worse: dict, swapped: bool) -> None:
    names = ("b", "a") if swapped else ("a", "b")
    graph = Graph()
    shared = (swhid.FILE, blob(graph, "shared"))
    rows = []
    for name, fields in zip(names, (better, worse)):
        own = (swhid.FILE, blob(graph, name))
        root = graph.add_tree({b"shared": shared, b"own": own})
        graph.add_visit(f"file:///{name}", "directory", {b"HEAD": Branch("directory", root)})
        rows.append({"origin_url": f"file:///{name}", "repo_name": name} | fields)
    found = {(row["repo_name"], row["path"]): (row["reason"], row["detail"]) for row in run(graph, rows)}
    assert found[names[0], "/shared"] == (None, None)
    assert found[names[1], "/shared"] == ("exact_duplicate", f"kept in {names[0]}/shared")


def test_a_tie_goes_to_the_file_nearest_its_root() -> None:
    """So that ``rich/console.py`` stays with rich and not with pip, which carries a copy deeper down."""
    graph = Graph()
    content = (swhid.FILE, blob(graph, "console"))
    rows = []
    for name, path in (("pypi/pip", b"pip/_vendor/rich/console.py"), ("pypi/rich", b"rich/console.py")):
        root = graph.add_tree({path: content})
        graph.add_visit(name, "pypi", {b"HEAD": Branch("directory", root)})
        rows.append({"origin_url": name, "repo_name": name})
    kept = [row["repo_name"] for row in run(graph, rows) if row["reason"] is None]
    assert kept == ["pypi/rich"]


def test_one_repository_per_root_directory_in_the_papers_order() -> None:
    """Licence in alphabetical order with none last, then stars: the paper's order, not the one for files."""
    graph = Graph()
    root = graph.add_tree({b"a": (swhid.FILE, blob(graph, "a"))})
    rows = []
    for name, license_id, stars in (("x", None, 9), ("y", "MIT", 1), ("z", "MIT", 2)):
        graph.add_visit(name, "directory", {b"HEAD": Branch("directory", root)})
        rows.append({"origin_url": name, "repo_name": name, "gha_license_id": license_id, "star_events_count": stars})
    found = {row["repo_name"]: (row["reason"], row["detail"]) for row in run(graph, rows)}
    assert found == {
        "z": (None, None),
        "x": ("duplicate_repository", "kept in z"),
        "y": ("duplicate_repository", "kept in z"),
    }


def test_the_latest_full_visit_counts() -> None:
    graph = Graph()
    for visit, status, text in ((1, "full", "old"), (2, "full", "new"), (3, "partial", "half")):
        root = graph.add_tree({b"a": (swhid.FILE, blob(graph, text))})
        branches = {b"HEAD": Branch("directory", root)}
        snapshot = swhid.snapshot(branches)
        graph.add("origin_visit_status", "u", visit, None, status, snapshot, "git")
        graph.add("snapshot_branch", snapshot, b"HEAD", root, "directory")
    (row,) = run(graph, [{"origin_url": "u", "repo_name": "r"}])
    assert row["content_id"] == swhid.content(b"new")


@pytest.mark.parametrize(
    ("default", "expected"), [("develop", "develop"), (None, "HEAD"), ("nowhere", "no_main_branch")]
)
def test_the_main_branch(default: str | None, expected: str) -> None:
    """What the forge says; where it says nothing, HEAD, master or main; a branch that is gone is an origin lost."""
    graph = Graph()
    branches = {
        name: Branch("directory", graph.add_tree({b"a": (swhid.FILE, blob(graph, text))}))
        for name, text in ((b"refs/heads/develop", "develop"), (b"refs/heads/topic", "HEAD"))
    }
    branches[b"HEAD"] = Branch("alias", b"refs/heads/topic")
    graph.add_visit("u", "git", branches)
    (row,) = run(graph, [{"origin_url": "u", "repo_name": "r", "default_branch": default}])
    assert (row["reason"] or row["content_id"]) == (
        expected if expected == "no_main_branch" else swhid.content(expected.encode())
    )


def test_aliases_that_run_in_a_circle_end() -> None:
    graph = Graph()
    graph.add_visit("u", "git", {b"HEAD": Branch("alias", b"x"), b"x": Branch("alias", b"HEAD")})
    (row,) = run(graph, [{"origin_url": "u", "repo_name": "r"}])
    assert row["reason"] == "no_main_branch"


def test_files_deeper_than_the_limit_are_named() -> None:
    graph = Graph()
    tree = {b"d/" * depth + b"x": (swhid.FILE, blob(graph, str(depth))) for depth in range(5)}
    graph.add_visit("u", "directory", {b"HEAD": Branch("directory", graph.add_tree(tree))})
    reasons = {row["path"]: row["reason"] for row in run(graph, [{"origin_url": "u", "repo_name": "r"}], max_depth=3)}
    assert reasons == {
        "/x": None,
        "/d/x": None,
        "/d/d/x": None,
        "/d/d/d/x": "too_deep",
        "/d/d/d/d": "too_deep",
    }


def test_every_file_met_has_one_row(tmp_path: Path, produce) -> None:
    for index in range(40):
        path = tmp_path / str(index % 4) / f"{index}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\0" if index % 5 == 0 else str(index // 2).encode())
    os.symlink("0", tmp_path / "link")
    produced = produce("directory", tmp_path, shards=4)
    assert produced.files.num_rows + produced.removed.num_rows == 41
    assert produced.files["blob_id"].to_pylist() == produced.contents["blob_id"].to_pylist()
    assert pc.count_distinct(produced.files["blob_id"]).as_py() == produced.files.num_rows


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/a/b.tar.gz", "gz"), ("/Makefile", ""), ("/.gitignore", ""), ("/a.d/x", ""), ("/x.PY", "PY"), ("/x.", "")],
)
def test_extension(path: str, expected: str) -> None:
    assert walk.extension(path) == expected


def test_a_file_of_three_gigabytes_keeps_its_length_and_is_never_read() -> None:
    """Its length does not fit 32 bits; hashing asks for a block at a time, and the download for nothing."""
    asked = []

    class Endless:
        def read(self, size: int) -> bytes:
            asked.append(size)
            return b""

    with pytest.raises(ValueError, match="changed while it was read"):
        swhid.hash_content(Endless(), 3 << 30)
    assert asked == [swhid.BLOCK]
    graph = Graph()
    large = graph.add_content(ContentHashes("1" * 40, "2" * 40, "3" * 64, "4" * 64, 3 << 30))
    root = graph.add_tree({b"video.bin": (swhid.FILE, large)})
    graph.add_visit("https://example.org/a", "directory", {b"HEAD": Branch("directory", root)})
    listed = repositories([{"origin_url": "https://example.org/a", "repo_name": "a"}])
    (candidates,) = walk.walk(tables(graph), listed, 1, 10 << 20)
    _, _, removed = download.download(candidates)
    assert removed.select(["path", "reason", "length_bytes"]).to_pylist() == [
        {"path": "/video.bin", "reason": "too_large", "length_bytes": 3 << 30}
    ]
