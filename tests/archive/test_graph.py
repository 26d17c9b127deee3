"""The graph builder: trees of any shape, every object once, equal to swh.model's reading of the same folder."""

import os
import stat
import tempfile

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from swh.model.from_disk import Directory as DirectoryOnDisk

from sc2lib.archive import disk, swhid
from sc2lib.archive.directory import Directory, file_url
from sc2lib.archive.graph import GRAPH, Graph
from sc2lib.archive.swhid import Branch

NAMES = st.binary(min_size=1, max_size=4).filter(
    lambda name: not set(name) & set(b"/\0") and name not in (b".", b"..") and name not in disk.VERSION_CONTROL
)
FILES = st.tuples(st.sampled_from(["file", "executable", "link"]), st.binary(min_size=1, max_size=9))
TREES = st.recursive(
    st.dictionaries(NAMES, FILES, max_size=3),
    lambda below: st.dictionaries(NAMES, FILES | below, max_size=3),
    max_leaves=8,
)


def make(tree: dict, folder: bytes) -> None:
    """Write a random tree to disk; a dictionary is a folder."""
    os.makedirs(folder, exist_ok=True)
    for name, value in tree.items():
        path = os.path.join(folder, name)
        if isinstance(value, dict):
            make(value, path)
        elif value[0] == "link":
            os.symlink(value[1].replace(b"\0", b"0"), path)
        else:
            with open(path, "wb") as file:
                file.write(value[1])
            os.chmod(path, 0o755 if value[0] == "executable" else 0o644)


def tables(graph: Graph) -> dict[str, pa.Table]:
    return dict(zip(GRAPH, graph.tables(), strict=True))


@settings(max_examples=50)
@given(TREES)
def test_a_random_tree_has_the_identifier_swh_model_gives(tree: dict) -> None:
    """Non-UTF-8 names, links, modes and empty folders."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = os.path.join(os.fsencode(temporary), b"root")
        make(tree, folder)
        graph = Graph()
        Directory(file_url(folder)).visit(graph)
        expected = DirectoryOnDisk.from_disk(path=folder, max_content_length=None)
    written = tables(graph)
    assert written["snapshot_branch"]["target"].to_pylist() == [expected.hash.hex()]
    theirs = {node.swhid().object_id.hex() for node in expected.iter_tree() if node.object_type == "content"}
    assert set(written["content"]["sha1_git"].to_pylist()) == theirs


def test_an_object_is_stored_once_however_often_it_occurs() -> None:
    graph = Graph()
    tree = {b"a/x": (swhid.FILE, "1" * 40), b"b/x": (swhid.FILE, "1" * 40)}
    graph.add_tree(tree)
    graph.add_tree(tree)
    entries = tables(graph)["directory_entry"].to_pylist()
    assert [(entry["name"], entry["type"]) for entry in entries if entry["type"] == "file"] == [(b"x", "file")]
    assert sorted(entry["name"] for entry in entries if entry["type"] == "dir") == [b"a", b"b"]


def test_a_path_deeper_than_the_recursion_limit() -> None:
    graph = Graph()
    graph.add_tree({b"d/" * 3000 + b"x": (swhid.FILE, "1" * 40)})
    assert tables(graph)["directory_entry"].num_rows == 3001


def test_a_tree_equals_git_write_tree(repository) -> None:
    repo = repository()
    for name in (b"a", b"a-b/x", b"a.b", b"sub/deep/\xff\n", b"z"):
        repo.write(name, name)
    os.chmod(repo.folder / "z", stat.S_IRWXU)
    os.symlink("nowhere", repo.folder / "link")
    repo.git("add", "-A")
    graph = Graph()
    Directory(file_url(os.fsencode(repo.folder))).visit(graph)
    assert tables(graph)["snapshot_branch"]["target"].to_pylist() == [repo.git("write-tree").decode()]


def test_rows_are_sorted_whatever_the_order_of_adding() -> None:
    first, second = Graph(), Graph()
    branches = {b"HEAD": Branch("alias", b"main"), b"main": Branch("directory", "4" * 40)}
    for graph, urls in ((first, ("file:///a", "file:///b")), (second, ("file:///b", "file:///a"))):
        for url in urls:
            graph.add_visit(url, "directory", branches)
    assert first.tables() == second.tables()
