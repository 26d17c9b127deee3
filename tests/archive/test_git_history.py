"""Commits and tags of real repositories as rows: their fields hash to git's own identifiers, or the bytes are kept."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.archive import git_history, git_trees, swhid
from sc2lib.archive.git_objects import ObjectReader
from sc2lib.archive.graph import Graph, person
from sc2lib.archive.schema import GRAPH
from tests.archive.conftest import Repository


def rows(graph: Graph, table: str) -> list[dict]:
    return dict(zip(GRAPH, graph.tables(), strict=True))[table].to_pylist()


def test_a_merge_has_its_parents_in_order(repository: Callable[..., Repository]) -> None:
    repo = repository()
    repo.write("a", b"a")
    first = repo.commit("First\n")
    tree = repo.git("rev-parse", "HEAD^{tree}").decode()
    others = [repo.git("commit-tree", tree, "-p", first, "-m", str(k)).decode() for k in range(3)]
    parents = [option for parent in reversed(others) for option in ("-p", parent)]
    merge = repo.git("commit-tree", tree, *parents, data=b"Octopus\n").decode()
    graph = Graph()
    git_history.add_revision(graph, merge, repo.git("cat-file", "commit", merge) + b"\n")
    (row,) = rows(graph, "revision")
    assert row["raw_manifest"] is None and row["message"] == b"Octopus\n"
    assert (row["date_raw_offset_bytes"], row["committer_date_raw_offset_bytes"]) == (b"+0130", b"-0500")
    history = sorted((row["parent_rank"], row["parent_id"]) for row in rows(graph, "revision_history"))
    assert history == list(enumerate(reversed(others)))


ODD = [
    b"tree %s\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n"
    b"gpgsig -----BEGIN\n abc\n \n -----END\nencoding latin1\n\nx\n",
    b"tree %s\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\n",
    b"tree %s\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n",
    b"tree %s\nauthor A <a> 99999999999999999 +9999\ncommitter  nobody\n\nx",
]
STRANGE = [
    b"author A <a> 1 +0000\ntree %s\ncommitter A <a> 1 +0000\n\nheaders out of order\n",
    b"tree %s\nauthor A <a> 1 +0000\nauthor B <b> 1 +0000\ncommitter A <a> 1 +0000\n\ntwo authors\n",
]


@pytest.mark.parametrize("text", ODD + STRANGE)
def test_odd_commits_keep_their_identifier(text: bytes) -> None:
    raw = text % swhid.directory([]).encode()
    identifier = swhid.git_object(b"commit", raw)
    graph = Graph()
    assert git_history.add_revision(graph, identifier, raw) == swhid.directory([])
    (row,) = rows(graph, "revision")
    assert (row["raw_manifest"] is None) == (text in ODD)
    if row["raw_manifest"] is not None:
        assert hashlib.sha1(row["raw_manifest"]).hexdigest() == identifier


def test_extra_headers_are_stored_and_a_damaged_date_is_null() -> None:
    graph = Graph()
    for text in (ODD[0], ODD[3]):
        raw = text % (b"0" * 40)
        git_history.add_revision(graph, swhid.git_object(b"commit", raw), raw)
    headers = {row["key"]: row["value"] for row in rows(graph, "revision_extra_headers")}
    assert headers == {b"gpgsig": b"-----BEGIN\nabc\n\n-----END", b"encoding": b"latin1"}
    damaged = next(row for row in rows(graph, "revision") if row["date"] is None)
    assert (damaged["author"], damaged["committer"]) == (person(b"A <a>"), person(b" nobody"))


def test_a_tag_of_a_tag(repository: Callable[..., Repository]) -> None:
    repo = repository()
    repo.write("a", b"a")
    commit = repo.commit()
    repo.git("tag", "-a", "inner", "-m", "One\n\nbody")
    repo.git("tag", "-a", "outer", "-m", "Two", "inner")
    graph = Graph()
    inner, outer = (repo.git("rev-parse", name).decode() for name in ("inner", "outer"))
    for identifier, expected in ((outer, ("release", inner)), (inner, ("revision", commit))):
        raw = repo.git("cat-file", "tag", identifier) + b"\n"
        assert git_history.add_release(graph, identifier, raw) == expected
    assert [row["raw_manifest"] for row in rows(graph, "release")] == [None, None]
    assert {row["name"] for row in rows(graph, "release")} == {b"inner", b"outer"}


@given(st.binary(max_size=60))
def test_any_bytes_are_stored_under_their_identifier(raw: bytes) -> None:
    """A damaged object is no crash, and either its fields or its manifest hash to its identifier."""
    for add, kind in ((git_history.add_revision, b"commit"), (git_history.add_release, b"tag")):
        graph = Graph()
        identifier = swhid.git_object(kind, raw)
        add(graph, identifier, raw)
        (row,) = rows(graph, "revision" if kind == b"commit" else "release")
        manifest = row["raw_manifest"]
        assert manifest is None or hashlib.sha1(manifest).hexdigest() == identifier


def test_trees_with_odd_modes_and_orders_keep_their_identifier(repository: Callable[..., Repository]) -> None:
    repo = repository()
    blob = repo.git("hash-object", "-w", "--stdin", data=b"x\n").decode()
    line = b"%s %s\0" + bytes.fromhex(blob)
    raw = {
        "old mode": (line % (b"100664", b"a"), False),
        "leading zero": (line % (b"0100644", b"a"), True),
        "out of order": (line % (b"100644", b"b") + line % (b"100644", b"a"), True),
        "twice": (line % (b"100644", b"a") + line % (b"100644", b"a"), True),
    }
    for name, (data, odd) in raw.items():
        tree = repo.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=data).decode()
        graph = Graph()
        with ObjectReader(str(repo.folder).encode()) as reader:
            git_trees.add_tree(graph, reader, "u", tree)
        (row,) = rows(graph, "directory")
        assert row["id"] == tree and (row["raw_manifest"] is not None) == odd, name
        assert {entry["target"] for entry in rows(graph, "directory_entry")} == {blob}
