"""Opt-out: owners, repositories and objects whose owners do not want them here (bigcode-project/the-stack-v2).

A list is a text file with one entry a line: an owner (``ada``), a repository (``ada/engine``), or a core SWHID
(``swh:1:cnt:...``); ``#`` starts a comment. An owner stands for every repository below it, a directory for
every file below it, a content for every copy of it. Names are compared without regard to case, as GitHub does. The URL
of a page stands for its path; on another host than GitHub's the host belongs to the entry (``gitlab.com/group``).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib import queries
from sc2lib.archive.remaining import OBJECTS, remaining
from sc2lib.archive.schema import GRAPH
from sc2lib.archive.swhid import KINDS, Swhid
from sc2lib.errors import InputError, ParameterError
from sc2lib.queries import Stored

RUN_FILE = "opt_out.txt"  # in the folder of a run: what was replayed on it holds for whatever it makes again
# Pages of a package index: the project stands below /project/ or /package/, which is nobody's name; repo_name has it.
_INDEXES = frozenset({"pypi.org", "www.npmjs.com"})
_GITHUB = "github.com"
IDENTIFIED = ("snapshot", "release", "revision", "directory", "content", "skipped_content")
_NAME = re.compile(r"[^\s/]+(/[^\s/]+)*")


@dataclass(frozen=True)
class OptOut:
    """What is not to be used: `names` in lower case (owners and repositories) and `objects` (core SWHIDs)."""

    names: frozenset[str] = frozenset()
    objects: frozenset[Swhid] = frozenset()

    @classmethod
    def read(cls, *paths: Path | str | None) -> Self:
        """The union of some lists; None and a run's own list that does not exist are empty.

        Raises InputError with file and line for an entry that is neither a name nor a core SWHID.
        """
        names, objects = set(), set()
        for path in paths:
            if path is None or (Path(path).name == RUN_FILE and not Path(path).exists()):
                continue
            for number, entry in _entries(Path(path)):
                try:
                    if entry.startswith("swh:"):
                        objects.add(Swhid.parse(entry))
                        continue
                except ParameterError as error:
                    raise InputError(f"{path}, line {number}: {error}") from error
                name = (
                    re.sub("^https?://", "", entry.lower()).removeprefix(f"{_GITHUB}/").strip("/").removesuffix(".git")
                )
                if not _NAME.fullmatch(name):
                    raise InputError(f"{path}, line {number}: {entry!r} is no owner, owner/repository or core SWHID")
                names.add(name)
        return cls(frozenset(names), frozenset(objects))

    def __bool__(self) -> bool:
        return bool(self.names or self.objects)

    def lines(self) -> list[str]:
        """The entries, sorted, as a list holds them."""
        return sorted([*self.names, *map(str, self.objects)])

    def covers(self, other: Self) -> bool:
        """Whether every entry of another list is on this one."""
        return other.names <= self.names and other.objects <= self.objects

    def has_repository(self, name: str | None, html_url: str | None = None) -> bool:
        """Whether a repository, or an owner or group above it, is on the list, by its name or by its page."""
        return not self.names.isdisjoint(_names(name, html_url))

    def unmatched(
        self, repositories: Iterable[tuple[str | None, str | None]], graph: Mapping[str, Stored]
    ) -> list[str]:
        """The entries, sorted, that are neither one of the repositories (name and page) nor an object of the graph.

        An entry with a mistake in it protects nobody, so whoever applies a list says which they are.
        """
        found = {entry for row in repositories for entry in self.names & set(_names(*row))}
        hashes = _identifiers({one.hash for one in self.objects})
        there: set[tuple[str, str]] = set()
        for name in IDENTIFIED if self.objects else ():
            kind, column = OBJECTS[name]
            sql = f"SELECT {column} AS id FROM searched WHERE {column} IN (FROM hashes)"
            identifiers = queries.table(sql, searched=graph[name], hashes=hashes)["id"]
            there.update((kind, one) for one in identifiers.to_pylist())
        gone = (str(one) for one in self.objects if (KINDS[one.kind], one.hash) not in there)
        return sorted([*(self.names - found), *gone])

    def repositories(self, listed: pa.Table) -> pa.Table:
        """A REPOSITORY table without the repositories of the list; InputError when none is left."""
        if not self.names:
            return listed
        rows = zip(listed["repo_name"].to_pylist(), listed["html_url"].to_pylist())
        kept = listed.filter(pa.array([not self.has_repository(*row) for row in rows], pa.bool_()))
        if not kept.num_rows:
            raise InputError(f"all {listed.num_rows} repositories of the source have opted out; choose another source")
        return kept

    def objects_of(self, graph: Mapping[str, Stored]) -> dict[str, set[str]]:
        """The identifiers of the list's objects by kind, with what a release names and what lies below a directory."""
        found = {name: {one.hash for one in self.objects if one.kind == kind} for kind, name in KINDS.items()}
        sql = "SELECT target_type, target FROM release WHERE id IN (FROM listed)"
        named = queries.table(sql, release=graph["release"], listed=_identifiers(found["release"]))
        for kind, target in zip(*(column.to_pylist() for column in named.columns)):
            found[kind].add(target)
        for kind, identifiers in _below(graph["directory_entry"], found["directory"]).items():
            found[kind] |= identifiers
        return found

    def graph(self, graph: Mapping[str, Stored]) -> dict[str, Any]:
        """The graph without the list's objects, in memory; the very tables when it names none."""
        if not self.objects:
            return dict(graph)
        tables = {name: queries.table("FROM stored", stored=table) for name, table in graph.items()}
        tables = {name: table.cast(GRAPH[name]) for name, table in tables.items()}
        return remaining(tables, self.objects_of(graph))

    def files(self, tables: Iterable[pa.Table], graph: Mapping[str, Stored]) -> Iterator[pa.Table]:
        """Tables with the columns of FILES without the files of the list's objects, one after the other."""
        found = self.objects_of(graph) if self.objects else {}
        columns = {"content": "content_id", "revision": "revision_id", "snapshot": "snapshot_id"}
        dropped = {
            columns[kind]: pa.array(sorted(gone), pa.string()) for kind, gone in found.items() if kind in columns
        }
        for table in tables:
            for column, identifiers in dropped.items():
                table = table.filter(pc.invert(pc.is_in(table[column], identifiers)))
            yield table


def _names(name: str | None, html_url: str | None) -> Iterator[str]:
    """Every entry that stands for a repository: its names, those of all groups above it, and these with the host."""
    page = urlsplit((html_url or "").lower())
    path = page.path.strip("/") if page.hostname and page.hostname not in _INDEXES else ""
    for whole in ((name or "").lower(), path):
        parts = whole.split("/")
        yield from ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        yield "/".join(parts[-2:])  # a forge may lie below a folder of its host
    parts = path.split("/")
    yield from (f"{page.hostname}/{'/'.join(parts[:end])}" for end in range(1, len(parts) + 1))


def _entries(path: Path) -> list[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the opt-out list {path} cannot be read ({error}); give a UTF-8 text file with one owner, "
            "owner/repository or SWHID a line"
        ) from error
    entries = ((number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1))
    return [(number, entry) for number, entry in entries if entry]


def _identifiers(found: Iterable[str]) -> pa.Table:
    return pa.table({"id": pa.array(sorted(found), pa.string())})


def _below(directory_entry: Stored, roots: set[str]) -> dict[str, set[str]]:
    """Identifiers of all directories and contents below some directories."""
    if not roots:
        return {}
    with queries.opened(entry=directory_entry, root=_identifiers(roots)) as database:
        rows = database.sql(
            "WITH RECURSIVE below(id) AS (SELECT id FROM root UNION SELECT e.target FROM below b "
            "JOIN entry e ON e.directory_id = b.id WHERE e.type = 'dir') "
            "SELECT DISTINCT e.target, e.type FROM below b JOIN entry e ON e.directory_id = b.id"
        ).fetchall()
    return {
        "directory": {target for target, kind in rows if kind == "dir"},
        "content": {target for target, kind in rows if kind == "file"},
    }
