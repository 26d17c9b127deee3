"""The source ``git``: repositories, local (bare or not) or behind a URL, read without a checkout.

Only the default branch at its last commit is read, as in the paper; the snapshot still names every branch and tag.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa

from sc2lib.archive import git_history, git_objects, git_parts, git_remote, git_trees
from sc2lib.archive.directory import file_url, folder_of
from sc2lib.archive.graph import Graph
from sc2lib.archive.swhid import Branch
from sc2lib.errors import InputError

_BRANCH_KINDS = {"commit": "revision", "tag": "release", "tree": "directory", "blob": "content"}
_TYPES = {"revision": b"commit", "release": b"tag"}  # the ends of branches that get a row of their own
_BROKEN = re.compile(rb"ignoring broken ref (refs/(?:heads|tags)/.*)")  # a file that is empty after a crash
_REMEDY = "run git fsck, then fetch it from another clone"
_DEPTH = 3  # a folder of repositories is searched this deep


class GitRepository:
    """An origin that is a git repository; one behind a URL is fetched into the cache by its visit."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_remote = git_remote.is_url(url)
        self.folder = git_remote.objects_of(url)

    def visit(self, graph: Graph) -> pa.Table:
        """Add the snapshot of all branches and tags, what they point at, and the files of the default branch.

        Returns the blobs that are left to others when there are very many (`git_parts.UNREAD`). Raises InputError when
        git cannot read the repository or its default branch has no commit.
        """
        if self.is_remote:
            _, commit, branches = git_remote.fetch(self.url)
        else:
            commit, branches = self._local_branches(graph)
        with git_objects.ObjectReader(self.folder) as reader:
            try:
                root = git_history.add_revision(graph, commit, reader.read(commit, b"commit"))
            except OSError as error:
                raise InputError(f"the commit {commit} of {os.fsdecode(self.folder)!r}: {error}") from error
            self._add_tips(graph, reader, branches.values())
            if root is None:
                raise InputError(f"the commit {commit} of {os.fsdecode(self.folder)!r} names no tree; run git fsck")
            blobs = git_trees.add_tree(graph, reader, self.url, root)
            left = git_parts.add_or_leave(graph, reader, self.url, blobs)
        graph.add_visit(self.url, "git", branches)
        return left

    def _local_branches(self, graph: Graph) -> tuple[str, dict[bytes, Branch]]:
        """HEAD's commit, and every branch and tag; one that names nothing git has is added to ``skipped``.

        A branch names a commit, though it be lost. What a lost tag was nobody knows: it dangles.
        """
        if problem := unusable(self.folder):
            raise InputError(problem)
        branches: dict[bytes, Branch] = {}
        # a format that asks for types would end at the first object that is missing
        question = ("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags")
        listing, warnings = git_objects.answer(self.folder, *question)
        targets = {name: target for target, _, name in (line.partition(b" ") for line in listing.splitlines())}
        known = git_objects.describe(self.folder, [target.decode() for target in targets.values()])
        for (name, target), found in zip(targets.items(), known, strict=True):
            if found is not None:
                branches[name] = Branch(_BRANCH_KINDS[found[0]], target.decode())
                continue
            lost = Branch("revision", target.decode()) if name.startswith(b"refs/heads/") else Branch("dangling", b"")
            branches[name] = lost
            reason = f"{_shown(name)} names the object {target.decode()}, which git does not have"
            graph.add("skipped", self.url, b"", f"{reason}; {_REMEDY}")
        for name in _BROKEN.findall(warnings):
            graph.add("skipped", self.url, b"", f"{_shown(name)} names no object; {_REMEDY}")
        head = default_branch(self.folder)
        commit = git_objects.run(self.folder, "rev-parse", "--verify", "HEAD^{commit}").strip().decode()
        named = head is not None and head.encode() in branches
        branches[b"HEAD"] = Branch("alias", head.encode()) if head and named else Branch("revision", commit)
        return commit, branches

    def _add_tips(self, graph: Graph, reader: git_objects.ObjectReader, branches: Iterable[Branch]) -> None:
        """Add the revision or release at the end of every branch, and the revision behind a release."""
        waiting = [(branch.kind, str(branch.target)) for branch in branches if branch.kind in _TYPES]
        seen = set()
        while waiting:
            kind, identifier = waiting.pop()
            if identifier in seen:
                continue
            seen.add(identifier)
            try:
                raw = reader.read(identifier, _TYPES[kind])
            except OSError as error:
                # a clone of one branch names the others without having them; a server does not say what a tag names
                if isinstance(error, git_objects.DamagedObject) and not self.is_remote:
                    graph.add("skipped", self.url, b"", f"the {kind} {identifier}: {error}")
                continue
            if kind == "revision":
                git_history.add_revision(graph, identifier, raw)
            else:
                named = Branch(*git_history.add_release(graph, identifier, raw))
                waiting += [(named.kind, str(named.target))] if named.kind in _TYPES else []

    def read(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[bytes | OSError]:
        """The bytes of files given as (path, content identifier), or the error of each."""
        with git_objects.ObjectReader(self.folder) as reader:
            for _, identifier in wanted:
                try:
                    yield reader.read(identifier)
                except OSError as error:
                    yield error


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def default_branch(folder: bytes) -> str | None:
    """The branch HEAD names (``refs/heads/main``); None when HEAD is detached or the name is not UTF-8."""
    try:
        return git_objects.run(folder, "symbolic-ref", "--quiet", "HEAD").strip().decode()
    except (InputError, UnicodeDecodeError):
        return None


def last_commit(folder: bytes) -> str | None:
    """The commit HEAD leads to; None when there is none."""
    return _resolved(folder, "HEAD^{commit}")


def _resolved(folder: bytes, name: str) -> str | None:
    try:
        return git_objects.run(folder, "rev-parse", "--verify", "--quiet", name).strip().decode()
    except InputError:
        return None


def unusable(folder: bytes) -> str | None:
    """Why a repository cannot be an origin, with the remedy; None when it can."""
    where = os.fsdecode(folder)
    try:
        if git_objects.run(folder, "rev-parse", "--show-object-format").strip() != b"sha1":
            return (
                f"{where!r} names its objects by SHA-256 and SWHIDs need SHA-1; "
                "push it into a repository made with git init --object-format=sha1"
            )
    except InputError as error:
        return str(error)
    if last_commit(folder) is None:
        if (head := _resolved(folder, "HEAD")) is not None:
            return (
                f"the commit {head} that HEAD of {where!r} names is damaged or missing; run git fsck, or clone it again"
            )
        return (
            f"the git repository {where!r} has no commits on its default branch; commit something, "
            "or point HEAD at a branch that has commits (git symbolic-ref HEAD refs/heads/NAME)"
        )
    return None


def is_repository(folder: Path) -> bool:
    """Whether a folder is itself a repository, with a working tree or bare."""
    return (folder / ".git").exists() or all((folder / name).exists() for name in ("HEAD", "objects", "refs"))


def find(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """The repository at a folder, or those below it, in the order of names."""
    if is_repository(folder):
        yield folder
    elif depth and folder.is_dir():
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink():
                yield from find(child, depth - 1)


def places(source_path: str) -> list[str]:
    """Folders and URLs of a `source_path`: separated by commas, or one a line in a text file (``#`` for remarks).

    Folders may also be separated as on the system's search path. A folder whose own name holds a comma is one place.
    ``file://`` and a path is that path: a repository on this machine is read where it lies.
    """
    path = Path(source_path)
    if path.is_file():
        lines = (line.split(" #")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
        named = [line for line in lines if line and not line.startswith("#")]
        found = [line if git_remote.is_url(line) else str(path.parent / _plain(line)) for line in named]
    elif path.exists():
        found = [source_path]
    else:
        parts = [part.strip() for part in source_path.split(",") if part.strip()]
        found = [
            place
            for part in parts
            for place in ([_plain(part)] if "://" in part or git_remote.is_url(part) else part.split(os.pathsep))
            if place
        ]
    if not found:
        raise InputError(f"source_path {source_path!r} names no repository; write one a line")
    return list(dict.fromkeys(found))


def _plain(place: str) -> str:
    """The path of a ``file://`` URL (git takes ``localhost`` for nothing too); anything else as it is."""
    if not place.startswith("file://"):
        return place
    return os.fsdecode(folder_of("file://" + place.removeprefix("file://").removeprefix("localhost")))


def repositories(given: Iterable[str | Path]) -> Iterator[dict[str, Any]]:
    """The rows of REPOSITORY for every URL, and every repository at or below the folders.

    InputError when a folder holds no usable repository or no URL answers; one bad repository among good ones is
    listed, and its visit fails.
    """
    problems: list[InputError] = []
    found = 0
    for place in given:
        if git_remote.is_url(str(place)):
            row, problem = _describe_remote(git_remote.address(str(place)))
            problems += [problem] if problem else []
            rows: Iterable[dict[str, Any]] = [row]
        else:
            rows = _below(Path(place))
        for row in rows:
            found += 1
            yield row
    if problems and len(problems) == found:
        raise problems[0]


def _below(folder: Path) -> Iterator[dict[str, Any]]:
    if not folder.is_dir():
        raise InputError(
            f"source_path {str(folder)!r} does not exist or is no folder; give a repository's folder, or a URL that "
            "begins with https, http, ssh, git or file; several are separated by commas"
        )
    found = list(find(folder))
    if not found:
        raise InputError(
            f"no git repository at or below {str(folder)!r} ({_DEPTH} levels searched); "
            "give a repository's folder, or use source=directory for plain files"
        )
    problems = (unusable(os.fsencode(path.resolve())) for path in found)
    first = next(problems)
    if first is not None and all(problems):
        raise InputError(first)
    for path in found:
        yield _describe(path, folder)


def _describe_remote(url: str) -> tuple[dict[str, Any], InputError | None]:
    page, name = web_address(url)
    row = {"origin_url": url, "repo_name": name or url.partition("://")[2], "visit_type": "git", "html_url": page}
    try:
        remote = git_remote.ask(url)
    except InputError as error:
        return row, error
    return row | {"version": remote.commit, "default_branch": _short_name(remote.head)}, None


def _describe(path: Path, below: Path) -> dict[str, Any]:
    folder = os.fsencode(path.resolve())
    try:
        remote = git_objects.run(folder, "config", "--get", "remote.origin.url").decode("utf-8", "replace").strip()
    except InputError:
        remote = ""
    local = path.resolve().name if path == below else str(path.relative_to(below))
    local = local.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").removesuffix(".git")
    html_url, name = web_address(remote)
    return {
        "origin_url": file_url(folder),
        "repo_name": name or f"git/{local}",
        "visit_type": "git",
        "version": last_commit(folder),
        "default_branch": _short_name(default_branch(folder)),
        "html_url": html_url,
    }


def _short_name(head: str | None) -> str:
    """The name of the branch that HEAD names; HEAD itself when that is a commit, or a reference of another kind."""
    return head.removeprefix("refs/heads/") if head and head.startswith("refs/heads/") else "HEAD"


def web_address(remote: str) -> tuple[str | None, str | None]:
    """A remote's page and ``owner/name``, without user, password or query; (None, None) for a path.

    ``git@github.com:owner/name.git`` and ``https://token@github.com/owner/name`` give the same. A group within a group
    (``group/sub/name``, GitLab) belongs to the name: an opt-out of the outer one holds for all below.
    """
    scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)", remote)
    if scp and "://" not in remote:
        remote = f"ssh://{scp[1]}/{scp[2]}"
    parts = urlsplit(remote)
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return None, None
    path = parts.path.strip("/").removesuffix(".git")
    return urlunsplit(("https", parts.hostname, "/" + path, "", "")), path if "/" in path else None
