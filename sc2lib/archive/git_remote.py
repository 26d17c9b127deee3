"""git repositories behind a URL: the names of all branches, and the objects of the default one, without its history.

``git ls-remote`` gives the snapshot, a fetch of depth one the files. The objects are kept in the cache folder, so
that reading the files later, or running again, does not fetch them twice.
"""

import fcntl
import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sc2lib.archive import cache, directory, git_objects
from sc2lib.archive.swhid import Branch
from sc2lib.errors import InputError

_SCP = re.compile(r"(?:([\w.-]+)@)?([\w.-]+):(?!//)([^:]+)")
ANSWER = 120.0  # seconds in which a server must name its branches; git itself would wait for ever
_SCHEMES = ("https", "http", "ssh", "git")


class Remote(NamedTuple):
    """What a server says: the branch its HEAD names (None when detached), HEAD's commit, every branch and tag."""

    head: str | None
    commit: str
    branches: dict[bytes, Branch]


def is_url(place: str) -> bool:
    """Whether a place is a URL, or the short form ``git@host:owner/name``, rather than a path."""
    scp = _SCP.fullmatch(place)
    return urlsplit(place).scheme in _SCHEMES if "://" in place else bool(scp and scp[1])


def address(place: str) -> str:
    """The URL in its long form; InputError when it carries a password, which the tables would publish."""
    scp = _SCP.fullmatch(place)
    url = place if "://" in place or scp is None else f"ssh://{scp[1]}@{scp[2]}/{scp[3]}"
    parts = urlsplit(url)
    if parts.password or (parts.username and parts.scheme in ("https", "http")):
        raise InputError(
            f"the URL of {parts.hostname}{parts.path} carries a user name or password, which must not be stored; "
            "give it to git instead (git config credential.helper) and leave it out of the URL"
        )
    return url


def folder_of(url: str) -> Path:
    """Where the objects of a repository are kept."""
    return cache.folder("git") / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()


def objects_of(url: str) -> bytes:
    """The folder that holds the objects of an origin: where a URL is fetched to, or the repository itself."""
    return os.fsencode(folder_of(url)) if is_url(url) else directory.folder_of(url)


def ask(url: str) -> Remote:
    """Ask the server for its branches; InputError with git's words when it cannot be reached or holds nothing."""
    printed = git_objects.run(b".", "ls-remote", "--symref", "--", url, seconds=ANSWER)
    head: str | None = None
    commit: str | None = None
    names: dict[bytes, str] = {}
    for line in printed.splitlines():
        target, _, name = line.partition(b"\t")
        if target.startswith(b"ref: ") and name == b"HEAD":
            head = target[5:].decode("utf-8", "replace")
        elif name in (b"HEAD", b"HEAD^{}"):  # the second, when the first names an annotated tag, is its commit
            commit = target.decode()
        elif name.startswith((b"refs/heads/", b"refs/tags/")):
            names[name] = target.decode()
    if commit is None:
        raise InputError(f"{url!r} has no commits on its default branch; nothing can be read from it")
    branches = {
        # a tag that is an object of its own is listed twice, the second time with what it names
        name: Branch("release" if name + b"^{}" in names else "revision", target)
        for name, target in names.items()
        if not name.endswith(b"^{}")
    }
    named = head is not None and head.encode() in branches
    branches[b"HEAD"] = Branch("alias", head.encode()) if head and named else Branch("revision", commit)
    return Remote(head if named else None, commit, branches)


def fetch(url: str) -> Remote:
    """Fetch the last commit of the default branch into the cache; returns what the server said."""
    remote = ask(url)
    folder = folder_of(url)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may want the same repository
        where = os.fsencode(folder)
        if not (folder / "HEAD").exists():
            git_objects.run(where, "init", "--quiet", "--bare", "--object-format=sha1")
        if not has(where, remote.commit):
            options = ["--quiet", "--depth=1", "--no-tags", "--no-auto-gc", "--no-write-fetch-head"]
            kept = f"refs/sc2/{remote.commit}"  # a name keeps the objects from being collected
            git_objects.run(where, "fetch", *options, "--", url, f"+HEAD:{kept}")
    if not has(where, remote.commit):
        raise InputError(f"{url!r} changed between two questions; run again")
    return remote


def has(folder: bytes, commit: str) -> bool:
    """Whether a commit and its root tree are there."""
    try:
        git_objects.run(folder, "cat-file", "-e", f"{commit}^{{tree}}")
    except InputError:
        return False
    return True
