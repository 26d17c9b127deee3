"""The source ``environment``: this very Python installation."""

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sc2lib.archive import environment, sources
from sc2lib.archive.environment import recorded_paths
from sc2lib.archive.graph import GRAPH, Graph
from sc2lib.errors import InputError

PROJECTS = "pypi/papermill,pypi/tqdm,pypi/httpx*"


def test_a_record_gives_what_the_wheel_brought() -> None:
    record = (
        "pkg/__init__.py,sha256=x,1\n"
        "pkg/__pycache__/__init__.cpython-311.pyc,,\n"
        "pkg/sub/../data.txt,,\n"
        '"pkg/odd,name.txt",,\n'
        "pkg-1.0.dist-info/METADATA,,\n"
        "pkg-1.0.dist-info/licenses/LICENSE,,\n"
        "pkg-1.0.dist-info/RECORD,,\n"
        "pkg-1.0.dist-info/INSTALLER,,\n"
        "../../../bin/tool,,\n"
        "../../../share/man/man1/tool.1,,\n"
        "../../../../etc/passwd,,\n"
        "/absolute/file,,\n"
    )
    assert recorded_paths(record) == [
        "etc/passwd",
        "pkg-1.0.dist-info/METADATA",
        "pkg-1.0.dist-info/licenses/LICENSE",
        "pkg/__init__.py",
        "pkg/data.txt",
        "pkg/odd,name.txt",
        "share/man/man1/tool.1",
    ]


def test_files_of_a_distribution_are_what_is_installed(produce) -> None:
    run = produce("environment", include=PROJECTS)
    assert set(run.files["repo_name"].to_pylist()) >= {"pypi/papermill", "pypi/tqdm"}
    assert not any(path.endswith(".pyc") or path.startswith("/bin/") for path in run.paths())
    texts = dict(zip(run.files["path"].to_pylist(), run.contents["content"].to_pylist()))
    source = importlib.metadata.distribution("tqdm").locate_file("tqdm/std.py")
    assert texts["/tqdm/std.py"].encode() == Path(str(source)).read_bytes()


def test_branches_follow_the_pypi_loader(produce) -> None:
    run = produce("environment", include="pypi/tqdm")
    version = importlib.metadata.version("tqdm").encode()
    branches = {row["name"]: row["target_type"] for row in run.graph["snapshot_branch"].to_pylist()}
    assert branches == {b"HEAD": "alias", b"releases/" + version: "release"}
    (release,) = run.graph["release"].to_pylist()
    assert release["name"] == version
    assert set(run.files["directory_id"].to_pylist()) == {release["target"]}
    assert set(run.files["branch_name"].to_pylist()) == {"HEAD"}


def test_two_productions_are_equal_however_origins_are_grouped(produce) -> None:
    first, second = (produce("environment", include=PROJECTS, groups=groups) for groups in (1, 4))
    assert first.graph == second.graph
    assert first.files == second.files
    assert first.contents == second.contents
    assert first.removed == second.removed


def test_the_project_itself_is_left_out() -> None:
    names = environment.distributions()
    assert environment.OWN_PACKAGE not in names
    assert list(names) == sorted(names)
    assert "pip" in names


def test_the_standard_library_is_one_origin() -> None:
    listed = sources.list_origins("environment", include="python/*")
    assert listed["repo_name"].to_pylist() == ["python/cpython"]
    library = environment.StandardLibrary(environment.STANDARD_LIBRARY)
    assert os.path.exists(library.locate(b"json/__init__.py"))


def test_patterns_that_match_nothing_are_refused() -> None:
    with pytest.raises(InputError, match="matches none of"):
        sources.list_origins("environment", include="pypi/no-such-project")


def test_licences_come_from_the_metadata() -> None:
    rows = sources.list_origins("environment", include="pypi/tqdm,pypi/httpx,pypi/pip").to_pylist()
    licences = {row["repo_name"]: row["gha_license_id"] for row in rows}
    assert licences["pypi/httpx"] == "BSD-3-Clause"
    assert licences["pypi/pip"] == "MIT"


def test_no_source_needs_the_network_at_import() -> None:
    code = "import socket; socket.socket.connect = None; import sc2lib.archive.sources"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_standard_library_is_without_what_was_installed_into_it(tmp_path: Path) -> None:
    """Folders that do not belong to it are not even entered: an installation below it may be many times as large."""
    for name in ("os.py", "site-packages/a/b.py", "json/site-packages/kept.py", "json/__pycache__/x.pyc", "x.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "site-packages" / "secret").mkdir(mode=0)
    library = environment.StandardLibrary(environment.STANDARD_LIBRARY)
    library.folders = (os.fsencode(tmp_path),)
    graph = Graph()
    library.visit(graph)
    tables = dict(zip(GRAPH, graph.tables()))
    assert {row["name"] for row in tables["directory_entry"].to_pylist()} == {
        b"os.py",
        b"json",
        b"site-packages",
        b"kept.py",
    }
    assert tables["skipped"].num_rows == 0
