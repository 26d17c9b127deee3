"""The source ``git``: local repositories, bare or not, read without a checkout.

Only the default branch at its last commit is read, as in the paper; the snapshot still names every branch and tag.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sc2lib.archive import git_objects
from sc2lib.archive.directory import file_url, folder_of
from sc2lib.archive.graph import Graph, person
from sc2lib.archive.swhid import Branch
from sc2lib.errors import InputError

_SIGNATURE = re.compile(rb"(.*) (-?\d+) ([+-]\d{4,})", re.DOTALL)
_BRANCH_KINDS = {"commit": "revision", "tag": "release", "tree": "directory", "blob": "content"}
_DEPTH = 3  # a folder of repositories is searched this deep
YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800  # a damaged date outside no program can show
MAX_FILES = 1_000_000  # of one commit: a few kilobytes of nested trees can name billions


class GitRepository:
    """An origin that is a local repository, bare or not."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.folder = folder_of(url)

    def visit(self, graph: Graph) -> None:
        """Add the snapshot of all branches and tags, the default branch's last revision, and its files.

        Raises InputError when git cannot read the repository or its default branch has no commit.
        """
        if problem := unusable(self.folder):
            raise InputError(problem)
        branches: dict[bytes, Branch] = {}
        listing = git_objects.run(self.folder, "for-each-ref", "--format=%(objecttype) %(objectname) %(refname)")
        for line in listing.splitlines():
            kind, target, name = line.split(b" ", 2)
            if name.startswith((b"refs/heads/", b"refs/tags/")):
                branches[name] = Branch(_BRANCH_KINDS[kind.decode()], target.decode())
        head = default_branch(self.folder)
        commit = git_objects.run(self.folder, "rev-parse", "--verify", "HEAD^{commit}").strip().decode()
        named = head is not None and head.encode() in branches
        branches[b"HEAD"] = Branch("alias", head.encode()) if head and named else Branch("revision", commit)
        with git_objects.ObjectReader(self.folder) as reader:
            root = self._add_files(graph, reader, commit)
            _add_revision(graph, commit, reader.read(commit), root)
        graph.add_visit(self.url, "git", branches)

    def _add_files(self, graph: Graph, reader: git_objects.ObjectReader, commit: str) -> str:
        files: dict[bytes, tuple[int, str]] = {}
        hashed: set[str] = set()
        for mode, kind, target, path in git_objects.list_tree(self.folder, commit):
            if kind == b"blob" and target not in hashed:
                try:
                    graph.add_content(reader.hash(target))
                except OSError as error:
                    graph.add("skipped", self.url, path, str(error))
                    continue
                hashed.add(target)
            files[path] = (mode, target)
            if len(files) > MAX_FILES:
                raise InputError(f"more than {MAX_FILES:,} files in one commit of {os.fsdecode(self.folder)!r}")
        return graph.add_tree(files)

    def read(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[bytes | OSError]:
        """The bytes of files given as (path, content identifier), or the error of each."""
        with git_objects.ObjectReader(self.folder) as reader:
            for _, identifier in wanted:
                try:
                    yield reader.read(identifier)
                except OSError as error:
                    yield error


def _add_revision(graph: Graph, identifier: str, raw: bytes, root: str) -> None:
    head, _, message = raw.partition(b"\n\n")
    fields = dict(line.split(b" ", 1) for line in head.split(b"\n") if b" " in line and not line.startswith(b" "))
    author, date, offset = _signature(fields.get(b"author"))
    committer, committer_date, committer_offset = _signature(fields.get(b"committer"))
    row = (message, person(author), date, offset, person(committer), committer_date, committer_offset, root, "git")
    graph.add("revision", identifier, *row)


def _signature(line: bytes | None) -> tuple[bytes | None, int | None, int | None]:
    """Person, microseconds since 1970, minutes east of Greenwich; None for what is damaged or out of range."""
    match = _SIGNATURE.fullmatch(line or b"")
    if match is None:
        return line, None, None
    seconds, offset = int(match[2]), int(match[3])
    minutes = (abs(offset) // 100 * 60 + abs(offset) % 100) * (1 if offset >= 0 else -1)
    date = seconds * 1_000_000 if YEAR_1 <= seconds < YEAR_10000 else None
    return match[1], date, minutes if abs(minutes) < 1 << 15 else None


def default_branch(folder: bytes) -> str | None:
    """The branch HEAD names (``refs/heads/main``); None when HEAD is detached or the name is not UTF-8."""
    try:
        return git_objects.run(folder, "symbolic-ref", "--quiet", "HEAD").strip().decode()
    except (InputError, UnicodeDecodeError):
        return None


def last_commit(folder: bytes) -> str | None:
    """The commit HEAD leads to; None when there is none."""
    try:
        return git_objects.run(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip().decode()
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


def repositories(folders: list[Path]) -> Iterator[dict[str, Any]]:
    """The rows of REPOSITORY for every repository at or below the folders.

    InputError when a folder holds no usable repository; one bad repository among good ones is listed, and its
    visit fails.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"source_path {str(folder)!r} does not exist or is no folder; give a repository's folder")
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


def _describe(path: Path, below: Path) -> dict[str, Any]:
    folder = os.fsencode(path.resolve())
    try:
        remote = git_objects.run(folder, "config", "--get", "remote.origin.url").decode("utf-8", "replace").strip()
    except InputError:
        remote = ""
    local = path.resolve().name if path == below else str(path.relative_to(below))
    local = local.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").removesuffix(".git")
    html_url, name = web_address(remote)
    head = default_branch(folder)
    return {
        "origin_url": file_url(folder),
        "repo_name": name or f"git/{local}",
        "visit_type": "git",
        "version": last_commit(folder),
        "default_branch": head and head.removeprefix("refs/heads/"),
        "html_url": html_url,
    }


def web_address(remote: str) -> tuple[str | None, str | None]:
    """A remote's page and ``owner/name``, without user, password or query; (None, None) for a path.

    ``git@github.com:owner/name.git`` and ``https://token@github.com/owner/name`` give the same.
    """
    scp = re.fullmatch(r"(?:[^@/]+@)?([^:/]+):(?!//)(.+)", remote)
    if scp and "://" not in remote:
        remote = f"ssh://{scp[1]}/{scp[2]}"
    parts = urlsplit(remote)
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.hostname:
        return None, None
    path = parts.path.strip("/").removesuffix(".git")
    name = "/".join(path.split("/")[-2:])
    return urlunsplit(("https", parts.hostname, "/" + path, "", "")), name if "/" in name else None
