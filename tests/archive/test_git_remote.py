"""Repositories behind a URL, served by git's own daemon on this machine."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sc2lib.archive import git, git_objects, git_remote, sources
from sc2lib.errors import InputError
from tests.archive.conftest import Repository


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address below which the repositories of the test's folder are served; fetched objects stay in it too."""
    monkeypatch.setenv("SC2_CACHE", str(tmp_path / "cache"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--export-all", f"--base-path={tmp_path}", "--listen=127.0.0.1", f"--port={port}", "--reuseaddr"]
    with subprocess.Popen(["git", "daemon", *options], stderr=subprocess.DEVNULL, start_new_session=True) as daemon:
        for _ in range(200):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"git://127.0.0.1:{port}"
        os.killpg(daemon.pid, signal.SIGTERM)  # git starts the daemon as a child


@pytest.fixture
def project(repository: Callable[..., Repository]) -> Repository:
    repo = repository("owner/project")
    repo.write("old.py", b"old\n")
    first = repo.commit("First\n")
    repo.git("tag", "-a", "v1", "-m", "One", first)
    repo.git("branch", "feature")
    repo.write("new.py", b"new\n")
    repo.commit("Second\n")
    return repo


def test_a_repository_behind_a_url_gives_what_a_clone_gives(serve: str, project: Repository, produce) -> None:
    local = produce("git", project.folder)
    run = produce("git", f"{serve}/owner/project/.git")
    columns = ["blob_id", "path", "directory_id", "revision_id", "snapshot_id", "branch_name", "revision_date"]
    assert run.files.select(columns) == local.files.select(columns)
    assert run.contents == local.contents
    assert run.graph["snapshot_branch"] == local.graph["snapshot_branch"]


def test_a_head_that_names_a_tag_behind_a_url(serve: str, project: Repository, produce) -> None:
    project.git("symbolic-ref", "HEAD", "refs/tags/v1")
    assert produce("git", f"{serve}/owner/project/.git").paths() == {"/old.py"}


def test_objects_are_fetched_once_and_without_history(serve: str, project: Repository, monkeypatch) -> None:
    url = f"{serve}/owner/project/.git"
    git_remote.fetch(url)
    folder = git_remote.folder_of(url)
    first = project.git("rev-parse", "HEAD~").decode()
    assert not git_remote.has(str(folder).encode(), first)
    commands = []
    original = git_remote.git_objects.run
    monkeypatch.setattr(git_remote.git_objects, "run", lambda *a, **k: commands.append(a[1]) or original(*a, **k))
    git_remote.fetch(url)
    assert "fetch" not in commands


def test_a_url_that_does_not_answer_is_a_failed_visit_among_others(serve: str, project: Repository, produce) -> None:
    run = produce("git", f"{serve}/owner/project/.git, {serve}/owner/gone")
    assert run.paths() == {"/old.py", "/new.py"}
    assert run.removed["reason"].to_pylist() == ["unreadable"]
    assert sorted(run.graph["origin_visit_status"]["status"].to_pylist()) == ["failed", "full"]
    with pytest.raises(InputError, match="ls-remote failed"):
        sources.list_origins("git", f"{serve}/owner/gone")


@pytest.mark.parametrize(("scheme", "words"), [("http", "too slow"), ("git", "had no answer for .* within 3 s")])
def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, scheme: str, words: str) -> None:
    monkeypatch.setattr(git_objects, "SILENCE", 1)
    monkeypatch.setattr(git_remote, "ANSWER", 3.0 if scheme == "git" else 60.0)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(InputError, match=words):
            git_remote.ask(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/owner/project")


def test_places_in_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "repositories.txt"
    path.write_text("# ours\nhttps://example.org/a/b\nlocal/x  # beside this file\n\ngit@example.org:c/d.git\n")
    expected = ["https://example.org/a/b", str(tmp_path / "local/x"), "git@example.org:c/d.git"]
    assert git.places(str(path)) == expected
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="names no repository"):
        git.places(str(path))


def test_places_on_one_line(tmp_path: Path) -> None:
    odd = tmp_path / "a,b"
    odd.mkdir()
    assert git.places(str(odd)) == [str(odd)]
    assert git.places("/x:/y, https://example.org:8080/a/b,git@h:c/d") == [
        "/x",
        "/y",
        "https://example.org:8080/a/b",
        "git@h:c/d",
    ]


def test_addresses() -> None:
    assert git_remote.address("git@example.org:c/d.git") == "ssh://git@example.org/c/d.git"
    for url in ("https://user:secret@example.org/a/b", "https://token@example.org/a/b"):
        with pytest.raises(InputError, match="must not be stored") as caught:
            git_remote.address(url)
        assert "secret" not in str(caught.value) and "token@" not in str(caught.value)
    assert not git_remote.is_url("ext::sh -c true") and not git_remote.is_url("/srv/git:x")
