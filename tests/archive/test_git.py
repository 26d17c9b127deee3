"""The source ``git``: what git says of real repositories, and the ones that cannot be read."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sc2lib.archive import git, git_check, git_trees, sources, swhid
from sc2lib.archive.graph import person
from sc2lib.errors import InputError
from tests.archive.conftest import Repository


def test_the_default_branch_at_its_last_commit(repository, produce) -> None:
    repo = repository()
    repo.write("old.py", b"old\n")
    first = repo.commit("First\n")
    (repo.folder / "old.py").unlink()
    repo.write("new.py", b"new\n")
    last = repo.commit("Second\n\nwith a body\n")
    repo.git("checkout", "-q", "-b", "feature")
    repo.write("feature.py", b"feature\n")
    repo.commit()
    repo.git("tag", "-a", "v1", "-m", "One", first)
    repo.git("checkout", "-q", "main")
    repo.write("uncommitted.py", b"later\n")
    run = produce("git", repo.folder)
    assert run.paths() == {"/new.py"}
    (file,) = run.files.to_pylist()
    assert file["revision_id"] == last
    assert file["branch_name"] == "refs/heads/main"
    assert file["directory_id"] == repo.git("rev-parse", "HEAD^{tree}").decode()
    assert file["content_id"] == repo.git("rev-parse", "HEAD:new.py").decode()
    assert file["revision_date"] == datetime.fromtimestamp(1700000000, UTC)
    assert file["committer_date"] == datetime.fromtimestamp(1700000100, UTC)
    (revision,) = (row for row in run.graph["revision"].to_pylist() if row["id"] == last)
    assert revision["author"] == person(b"Ada <ada@example.org>")
    assert (revision["date_offset"], revision["committer_offset"]) == (90, -300)
    assert revision["message"] == b"Second\n\nwith a body\n"
    assert {(row["id"], row["parent_id"], row["parent_rank"]) for row in run.graph["revision_history"].to_pylist()} >= {
        (last, first, 0)
    }
    (release,) = run.graph["release"].to_pylist()
    assert release["id"] == repo.git("rev-parse", "v1").decode()
    assert (release["name"], release["target"], release["target_type"]) == (b"v1", first, "revision")
    assert run.graph["revision"]["raw_manifest"].null_count == run.graph["revision"].num_rows == 3
    branches = {row["name"]: row["target_type"] for row in run.graph["snapshot_branch"].to_pylist()}
    assert branches == {
        b"HEAD": "alias",
        b"refs/heads/main": "revision",
        b"refs/heads/feature": "revision",
        b"refs/tags/v1": "release",
    }


def test_the_revision_identifier_is_the_hash_of_its_fields(repository) -> None:
    repo = repository()
    repo.write("a", b"a")
    commit = repo.commit("Message\n")
    tree = repo.git("rev-parse", "HEAD^{tree}").decode()
    author = b"Ada <ada@example.org> 1700000000 +0130"
    committer = b"Grace <grace@example.org> 1700000100 -0500"
    assert swhid.revision(tree, author, committer, b"Message\n") == commit


def test_a_bare_clone_gives_the_same_files(repository, produce, tmp_path: Path) -> None:
    repo = repository()
    repo.write("a/b.py", b"1\n")
    repo.write(b"\xff\n.py", b"2\n")
    repo.commit()
    bare = tmp_path / "bare" / "project.git"
    repo.git("clone", "-q", "--bare", str(repo.folder), str(bare))
    columns = ["blob_id", "path", "directory_id", "revision_id"]
    plain = produce("git", repo.folder)
    assert plain.files.select(columns) == produce("git", bare).files.select(columns)
    assert "/\\xff\n.py" in plain.paths()
    assert plain.files["repo_name"][0].as_py() == "git/project"


def test_submodules_and_links_are_dropped_with_a_reason(repository, produce) -> None:
    repo = repository()
    repo.write("a.py", b"1\n")
    os.symlink("a.py", repo.folder / "link")
    first = repo.commit()
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{first},module")
    repo.git("commit", "-q", "-m", "Add a submodule")
    run = produce("git", repo.folder)
    assert run.paths() == {"/a.py"}
    assert run.reasons() == {"/module": "submodule", "/link": "symlink"}
    assert run.files["directory_id"][0].as_py() == repo.git("rev-parse", "HEAD^{tree}").decode()


def test_a_folder_of_repositories_with_one_that_cannot_be_read(repository, produce, tmp_path: Path) -> None:
    for name in ("repos/one", "repos/below/two"):
        repo = repository(name)
        repo.write("name.txt", name.encode())
        repo.commit()
    repository("repos/unborn")
    broken = repository("repos/broken")
    broken.write("a", b"a")
    broken.commit()
    shutil.rmtree(broken.folder / ".git" / "objects")
    (broken.folder / ".git" / "objects").mkdir()
    run = produce("git", tmp_path / "repos")
    assert sorted(run.files["repo_name"].to_pylist()) == ["git/below/two", "git/one"]
    dropped = {row["repo_name"]: row for row in run.removed.to_pylist()}
    assert set(dropped) == {"git/unborn", "git/broken"}
    assert {row["reason"] for row in dropped.values()} == {"unreadable"}
    assert "no commits" in dropped["git/unborn"]["detail"]
    statuses = run.graph["origin_visit_status"]["status"].to_pylist()
    assert sorted(statuses) == ["failed", "failed", "full", "full"]


def test_a_missing_object_costs_one_file(repository, produce) -> None:
    repo = repository()
    repo.write("kept.py", b"kept\n")
    repo.write("lost.py", b"lost\n")
    repo.commit()
    lost = repo.git("rev-parse", "HEAD:lost.py").decode()
    (repo.folder / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    run = produce("git", repo.folder)
    assert run.paths() == {"/kept.py"}
    assert run.reasons() == {"/lost.py": "missing_content"}
    assert "git does not have the object" in run.removed["detail"][0].as_py()
    assert run.graph["skipped_content"]["sha1_git"].to_pylist() == [lost]
    assert run.files["directory_id"].to_pylist() == [repo.git("rev-parse", "HEAD^{tree}").decode()]


def loose(repo: Repository, identifier: str) -> Path:
    path = repo.folder / ".git" / "objects" / identifier[:2] / identifier[2:]
    path.chmod(0o644)
    return path


def halve(repo: Repository, identifier: str, _: str) -> None:
    data = loose(repo, identifier).read_bytes()
    loose(repo, identifier).write_bytes(data[: len(data) // 2])


def exchange(repo: Repository, identifier: str, other: str) -> None:
    shutil.copyfile(loose(repo, other), loose(repo, identifier))


@pytest.mark.parametrize(
    ("damage", "lost", "reason", "words"),
    [
        (halve, "lib", "unreadable", "the object is damaged: git gives 0 of its"),
        (halve, "lib/a.py", "missing_content", "the object is damaged: git ends before its 13,893 bytes"),
        (exchange, "lib", "unreadable", "it is a blob where a tree must be"),
        (exchange, "lib/a.py", "missing_content", "the object is damaged: its bytes have the identifier"),
    ],
)
def test_a_damaged_object_costs_what_it_held_and_nothing_else(
    repository, produce, tmp_path: Path, damage: Callable[..., None], lost: str, reason: str, words: str
) -> None:
    """git prints what is left of a truncated tree as if it were whole, and ends at a truncated blob."""
    repo, good = repository("repos/damaged"), repository("repos/good")
    repo.write("before.py", b"before\n")
    repo.write("lib/a.py", b"".join(b"%d\n" % number for number in range(1, 3001)))
    repo.write("other.py", b"other\n")
    repo.write("zoo/after.py", b"after\n")
    good.write("good.py", b"good\n")
    repo.commit(), good.commit()
    identifier, other = repo.git("rev-parse", f"HEAD:{lost}", "HEAD:other.py").decode().split()
    damage(repo, identifier, other)
    run = produce("git", tmp_path / "repos")
    assert run.paths() == {"/before.py", "/other.py", "/zoo/after.py", "/good.py"}
    (gone,) = run.removed.to_pylist()
    assert (gone["path"], gone["reason"]) == (f"/{lost}", reason)
    assert gone["detail"].startswith(words) and gone["detail"].count("run git fsck")
    assert run.graph["directory"]["raw_manifest"].null_count == run.graph["directory"].num_rows
    assert all(ours == theirs for ours, theirs in git_check.directories(run.graph["directory_entry"]))


@pytest.mark.parametrize("raw", [b"garbage", b"100644 a\0short", b"100648 a\0" + bytes(20), b"9" * 40])
def test_a_tree_that_is_none_is_a_row_with_a_reason(repository, produce, tmp_path: Path, raw: bytes) -> None:
    repo, good = repository("repos/literal"), repository("repos/good")
    good.write("good.py", b"good\n")
    good.commit()
    tree = repo.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", data=raw).decode()
    commit = b"tree %s\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nm\n" % tree.encode()
    head = repo.git("hash-object", "-t", "commit", "--literally", "-w", "--stdin", data=commit).decode()
    repo.git("update-ref", "refs/heads/main", head)
    run = produce("git", tmp_path / "repos")
    assert run.paths() == {"/good.py"}
    (gone,) = run.removed.to_pylist()
    assert (gone["repo_name"], gone["path"], gone["reason"]) == ("git/literal", "/", "unreadable")
    assert gone["detail"] == f"no tree: byte 0 of {len(raw)} begins no entry"


def test_a_damaged_branch_is_named_and_the_default_one_is_read(repository, produce) -> None:
    repo = repository()
    repo.write("a.py", b"1\n")
    repo.commit()
    repo.git("checkout", "-q", "-b", "other")
    repo.write("b.py", b"2\n")
    other = repo.commit()
    repo.git("checkout", "-q", "main")
    size = repo.git("cat-file", "-s", other).decode()
    halve(repo, other, "")
    odd = repo.git("hash-object", "-t", "tag", "--literally", "-w", "--stdin", data=b"object HEAD\ntype commit\n")
    repo.write(".git/refs/tags/odd", odd + b"\n")
    run = produce("git", repo.folder)
    assert run.paths() == {"/a.py"}
    assert {detail.partition(";")[0] for detail in run.removed["detail"].to_pylist()} == {
        f"the revision {other}: the object is damaged: git gives 0 of its {size} bytes",
        "the revision HEAD: 'HEAD' is no identifier of an object",
    }


def test_lost_branches_are_named_and_the_default_one_is_read(repository, produce) -> None:
    """git for-each-ref ends at the first object that is missing if it is asked for a type."""
    repo = repository()
    repo.write("a.py", b"1\n")
    first = repo.commit()
    repo.git("branch", "whole")
    for name in ("lost", "tagged"):
        repo.git("checkout", "-q", "-b", name)
        repo.write(f"{name}.py", b"2\n")
        repo.commit()
    tip = repo.git("rev-parse", "lost").decode()
    repo.git("tag", "-a", "v1", "-m", "One", "tagged")
    tag = repo.git("rev-parse", "v1").decode()
    repo.git("checkout", "-q", "main")
    repo.git("branch", "-D", "tagged")
    for identifier in (tip, tag):
        loose(repo, identifier).unlink()
    repo.write(".git/refs/heads/torn", b"")
    run = produce("git", repo.folder)
    assert run.paths() == {"/a.py"}
    assert {detail.partition(";")[0] for detail in run.removed["detail"].to_pylist()} == {
        f"refs/heads/lost names the object {tip}, which git does not have",
        f"refs/tags/v1 names the object {tag}, which git does not have",
        "refs/heads/torn names no object",
    }
    branches = {row["name"]: (row["target_type"], row["target"]) for row in run.graph["snapshot_branch"].to_pylist()}
    assert branches == {
        b"HEAD": ("alias", b"refs/heads/main".hex()),
        b"refs/heads/main": ("revision", first),
        b"refs/heads/whole": ("revision", first),
        b"refs/heads/lost": ("revision", tip),
    }
    assert run.graph["revision"]["id"].to_pylist() == [first]


def test_a_damaged_last_commit_fails_the_visit_and_says_so(repository, produce, tmp_path: Path) -> None:
    repo, good = repository("repos/damaged"), repository("repos/good")
    for one in (repo, good):
        one.write(f"{one.folder.name}.py", one.folder.name.encode())
    head, _ = repo.commit(), good.commit()
    halve(repo, head, "")
    run = produce("git", tmp_path / "repos")
    assert run.paths() == {"/good.py"}
    (gone,) = run.removed.to_pylist()
    assert (gone["repo_name"], gone["reason"]) == ("git/damaged", "unreadable")
    assert f"the commit {head} " in gone["detail"] and "damaged" in gone["detail"]
    with pytest.raises(InputError, match=f"the commit {head} that HEAD of .* is damaged or missing; run git fsck"):
        sources.list_origins("git", str(repo.folder))


def test_two_clones_are_one_repository(repository, produce, tmp_path: Path) -> None:
    repo = repository("repos/project")
    repo.write("a.py", b"1\n")
    repo.write("b.py", b"2\n")
    repo.commit()
    repo.git("clone", "-q", str(repo.folder), str(tmp_path / "repos" / "again"))
    run = produce("git", tmp_path / "repos")
    assert run.paths() == {"/a.py", "/b.py"}
    assert len(set(run.files["repo_name"].to_pylist())) == 1
    assert set(run.reasons().values()) == {"duplicate_repository"}


def test_repositories_without_commits_or_not_there(repository, tmp_path: Path) -> None:
    unborn = repository("unborn")
    (tmp_path / "plain").mkdir()
    for path, message in (
        (unborn.folder, "has no commits on its default branch"),
        (tmp_path / "plain", "no git repository at or below"),
        (tmp_path / "missing", "does not exist"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            sources.list_origins("git", str(path))
        assert str(path).rpartition("/")[2] in str(caught.value)


def test_a_repository_named_by_sha256_is_refused(repository) -> None:
    repo = repository("modern", "--object-format=sha256")
    repo.write("a", b"a")
    repo.commit()
    with pytest.raises(InputError, match="SHA-256"):
        sources.list_origins("git", str(repo.folder))


def test_a_commit_that_names_billions_of_files_is_refused(repository, produce, monkeypatch, tmp_path: Path) -> None:
    """Ten objects, ten thousand million paths: the listing stops at the limit."""
    monkeypatch.setattr(git_trees, "MAX_FILES", 5000)
    repo = repository("repos/bomb")
    target = repo.git("hash-object", "-w", "--stdin", data=b"boom\n").decode()
    line = "100644 blob {}\td{}\n"
    for _ in range(10):
        listing = "".join(line.format(target, k) for k in range(10))
        target = repo.git("mktree", data=listing.encode()).decode()
        line = "040000 tree {}\td{}\n"
    commit = repo.git("commit-tree", target, "-m", "Boom").decode()
    repo.git("update-ref", "refs/heads/main", commit)
    good = repository("repos/good")
    good.write("a.py", b"1\n")
    good.commit()
    run = produce("git", tmp_path / "repos")
    assert run.paths() == {"/a.py"}
    assert "10,000,000,000 files, more than 5,000" in run.removed["detail"][0].as_py()


def test_a_detached_head(repository, produce) -> None:
    repo = repository()
    repo.write("a.py", b"1\n")
    first = repo.commit()
    repo.write("b.py", b"2\n")
    repo.commit()
    repo.git("checkout", "-q", first)
    run = produce("git", repo.folder)
    assert run.paths() == {"/a.py"}
    assert run.files["branch_name"].to_pylist() == ["HEAD"]


@pytest.mark.parametrize("name", ["refs/foo/bar", "refs/remotes/origin/main", "refs/tags/v1"])
def test_a_head_that_names_no_branch_is_used_as_git_uses_it(repository, produce, name: str) -> None:
    repo = repository()
    repo.write("a.py", b"1\n")
    repo.git("update-ref", name, repo.commit())
    repo.write("b.py", b"2\n")
    repo.commit()
    repo.git("symbolic-ref", "HEAD", name)
    run = produce("git", repo.folder)
    assert run.paths() == {"/a.py"}
    assert run.files["branch_name"].to_pylist() == ["HEAD"]


def test_a_file_url_is_the_folder_it_names(repository, produce, tmp_path: Path) -> None:
    repo = repository("it's, 100%/project")
    repo.write("a.py", b"1\n")
    repo.commit()
    plain = produce("git", repo.folder)
    for url in (repo.folder.as_uri(), repo.folder.as_uri().replace("file://", "file://localhost")):
        assert produce("git", url).files == plain.files
    listed = tmp_path / "list.txt"
    listed.write_text(f"# mine\n{repo.folder.as_uri()}\n")
    assert produce("git", listed).files["revision_id"] == plain.files["revision_id"]
    for url in ("file:///nowhere/at/all", "svn://example.org/a"):
        with pytest.raises(InputError, match="does not exist or is no folder"):
            sources.list_origins("git", url)


def test_git_variables_of_the_caller_do_not_lead_astray(repository, produce, monkeypatch, tmp_path: Path) -> None:
    """Inside a git hook GIT_DIR names another repository."""
    repo = repository()
    repo.write("a.py", b"1\n")
    repo.commit()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert produce("git", repo.folder).paths() == {"/a.py"}


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/bigcode-project/the-stack-v2.git", "bigcode-project/the-stack-v2"),
        ("https://user:token@github.com/owner/name", "owner/name"),
        ("git@github.com:owner/name.git", "owner/name"),
        ("ssh://git@example.org:2222/group/sub/name.git", "group/sub/name"),
        ("/srv/git/name.git", None),
        ("../name", None),
        ("https://example.org/name", None),
        ("", None),
    ],
)
def test_a_repository_is_named_after_its_remote(remote: str, expected: str | None) -> None:
    page, name = git.web_address(remote)
    assert name == expected
    assert "token" not in (page or "")
