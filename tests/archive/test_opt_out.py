"""Opt-out at the source: names, owners, objects; what cannot be read; nothing of them in the files."""

from pathlib import Path

import pyarrow as pa
import pytest

from sc2lib.archive import download, sources, swhid, walk
from sc2lib.archive.git import web_address
from sc2lib.archive.opt_out import OptOut
from sc2lib.archive.schema import GRAPH
from sc2lib.archive.swhid import Entry, Swhid
from sc2lib.errors import InputError

NOTHING = {name: schema.empty_table() for name, schema in GRAPH.items()}


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_owners_repositories_and_objects_are_read(tmp_path: Path) -> None:
    content = f"swh:1:cnt:{'a' * 40}"
    text = f"# a comment\nAda\nbob/engine  # his\nhttps://github.com/Eve/tool.git\n\n{content}\n"
    found = OptOut.read(written(tmp_path / "list", text), None, tmp_path / "opt_out.txt")
    assert found.lines() == ["ada", "bob/engine", "eve/tool", content]
    assert OptOut.read(written(tmp_path / "again", "\n".join(found.lines()))) == found
    assert not OptOut.read(None)


@pytest.mark.parametrize(
    ("name", "gone"),
    [
        ("ada/engine", True),
        ("ADA/Other", True),
        ("adam/engine", False),
        ("bob/engine", True),
        ("bob/engine2", False),
        ("bob/other", False),
        ("npm/@scope/package", True),
        ("npm/@scope2/package", False),
        (None, False),
    ],
)
def test_an_owner_stands_for_all_below_and_for_nobody_else(name: str | None, gone: bool) -> None:
    assert OptOut(frozenset({"ada", "bob/engine", "npm/@scope"})).has_repository(name) is gone
    assert OptOut(frozenset({"x/y"})).has_repository("git/local", "https://github.com/X/y")


@pytest.mark.parametrize(
    ("entry", "gone"),
    [
        ("group", True),
        ("Group/Sub", True),
        ("group/sub/proj", True),
        ("sub/proj", True),
        ("gitlab.com/group", True),
        ("https://gitlab.com/group/sub/proj.git", True),
        ("sub", False),
        ("proj", False),
        ("group/proj", False),
        ("group/sub/project", False),
        ("example.org/group", False),
        ("gitlab.com", False),
    ],
)
def test_a_group_stands_for_the_groups_below_it(tmp_path: Path, entry: str, gone: bool) -> None:
    page, name = web_address("git@gitlab.com:group/sub/proj.git")
    found = OptOut.read(written(tmp_path / "list", entry))
    assert found.has_repository(name, page) is found.has_repository("git/local", page) is gone
    rows = [("ada/engine", "https://github.com/ada/engine"), (name, page)]
    assert found.unmatched(rows, NOTHING) == ([] if gone else found.lines())


def test_the_pages_of_an_index_name_no_owner() -> None:
    """``project`` and ``package`` stand in the URL of every distribution, and may be an owner's name elsewhere."""
    rows = [
        ("pypi/rich", "https://pypi.org/project/rich/15.0.0/"),
        ("npm/a", "https://www.npmjs.com/package/a/v/1.0.0"),
    ]
    listed = OptOut(frozenset({"project", "package", "rich", "pypi/rich"}))
    assert [listed.has_repository(*row) for row in rows] == [True, False]
    assert listed.unmatched(rows, NOTHING) == ["package", "project", "rich"]


def test_a_list_covers_another_that_asks_for_nothing_more() -> None:
    ada, both = OptOut(frozenset({"ada"})), OptOut(frozenset({"ada", "bob/engine"}))
    assert both.covers(ada) and both.covers(both) and not ada.covers(both)


@pytest.mark.parametrize("entry", ["two words", "swh:1:cnt:12", "swh:1:ori:" + "a" * 40])
def test_what_is_no_entry_is_named_with_its_line(tmp_path: Path, entry: str) -> None:
    with pytest.raises(InputError, match="line 2"):
        OptOut.read(written(tmp_path / "list", f"ada\n{entry}\n"))
    with pytest.raises(InputError, match="cannot be read"):
        OptOut.read(tmp_path / "missing")


def project(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_copy_in_another_repository_takes_the_place(tmp_path: Path, produce) -> None:
    """At the source the walk never meets the repository, so a file that others hold too stays, as theirs."""
    one = project(tmp_path / "ada", **{"a.py": "shared = 1\n", "own.py": "own = 1\n"})
    two = project(tmp_path / "bob", **{"deep__down__a.py": "shared = 1\n"})
    both = f"{one}:{two}"
    assert produce("directory", both).files["repo_name"].to_pylist().count("directory/ada") == 2
    listed = OptOut(frozenset({"directory/ada"})).repositories(sources.list_origins("directory", both))
    assert listed["repo_name"].to_pylist() == ["directory/bob"]
    with pytest.raises(InputError, match="all 2 repositories"):
        OptOut(frozenset({"directory"})).repositories(sources.list_origins("directory", both))


def test_objects_leave_with_every_copy_and_all_below(tmp_path: Path, produce) -> None:
    one = project(tmp_path / "one", **{"lib__a.py": "a = 1\n", "lib__deep__b.py": "b = 1\n", "keep.py": "k = 1\n"})
    two = project(tmp_path / "two", **{"c.py": "c = 1\n", "copy.py": "k = 2\n"})
    run = produce("directory", f"{one}:{two}")
    deep = swhid.directory([Entry(b"b.py", swhid.FILE, swhid.content(b"b = 1\n"))])
    lib = swhid.directory(
        [Entry(b"a.py", swhid.FILE, swhid.content(b"a = 1\n")), Entry(b"deep", swhid.DIRECTORY, deep)]
    )
    listed = OptOut(objects=frozenset({Swhid("dir", lib), Swhid("cnt", swhid.content(b"c = 1\n"))}))
    shards = listed.files(walk.walk(run.graph, run.repositories, 2, 10 << 20), run.graph)
    files = pa.concat_tables([download.download(shard)[0] for shard in shards])
    assert set(files["path"].to_pylist()) == {"/keep.py", "/copy.py"}
    snapshot = run.files.filter(pa.array([path == "/c.py" for path in run.files["path"].to_pylist()]))["snapshot_id"][0]
    rest = OptOut(objects=frozenset({Swhid("snp", snapshot.as_py())})).files([run.files], run.graph)
    assert set(next(rest)["path"].to_pylist()) == {"/lib/a.py", "/lib/deep/b.py", "/keep.py"}


def cells(graph: dict[str, pa.Table]) -> set[object]:
    return {cell for table in graph.values() for column in table.columns for cell in column.to_pylist()}


def test_no_row_of_the_graph_names_an_object_that_left(tmp_path: Path, produce) -> None:
    """Neither what is listed, nor what lies below it, nor what only it led to; everything else is as it was."""
    one = project(tmp_path / "one", **{"lib__a.py": "a = 1\n", "lib__deep__b.py": "b = 1\n", "keep.py": "k = 1\n"})
    two = project(tmp_path / "two", **{"c.py": "c = 1\n", "copy.py": "a = 1\n"})
    graph = produce("directory", f"{one}:{two}").graph
    assert OptOut(frozenset({"directory/two"})).graph(graph) == graph, "names are left out before the visit"
    a, b, c = (swhid.content(f"{name} = 1\n".encode()) for name in "abc")
    deep = swhid.directory([Entry(b"b.py", swhid.FILE, b)])
    lib = swhid.directory([Entry(b"a.py", swhid.FILE, a), Entry(b"deep", swhid.DIRECTORY, deep)])
    two_root = swhid.directory([Entry(b"c.py", swhid.FILE, c), Entry(b"copy.py", swhid.FILE, a)])

    wrong = {Swhid("cnt", lib), Swhid("rev", "0" * 40)}
    listed = OptOut(objects=frozenset({Swhid("dir", lib), Swhid("cnt", c), *wrong}))
    assert listed.unmatched([], graph) == sorted(map(str, wrong)), "an entry is of one kind"

    left = cells(OptOut(objects=frozenset({Swhid("dir", lib)})).graph(graph))
    lost = [row for row in graph["content"].to_pylist() if row["sha1_git"] in (a, b)]
    assert not left & ({value for row in lost for value in row.values()} - {6, "visible", None} | {lib, deep})
    assert not left & {b"lib", b"a.py", b"deep", b"b.py", b"copy.py"}, "copy.py is a copy of lib/a.py"
    assert {c, two_root, b"c.py", b"keep.py"} <= left

    (snapshot,) = [row["snapshot_id"] for row in graph["snapshot_branch"].to_pylist() if row["target"] == two_root]
    left = cells(OptOut(objects=frozenset({Swhid("snp", snapshot)})).graph(graph))
    assert not left & {snapshot, two_root, c, b"c.py", b"copy.py"}
    assert {a, b, lib, deep} <= left, "another visit leads to the copy"
