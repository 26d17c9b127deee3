"""Where origins come from: one dispatch over the sources, and the table of repositories they list."""

import fnmatch
import itertools
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.archive import (
    chunks,
    directory,
    environment,
    exported,
    git,
    git_parts,
    project_licenses,
    published,
    registry,
    repository_table,
)
from sc2lib.archive.graph import Graph
from sc2lib.archive.objects import Objects
from sc2lib.archive.published_origin import PublishedRepository
from sc2lib.archive.schema import GRAPH
from sc2lib.errors import InputError, ParameterError
from sc2lib.files import remove, write_parquet
from sc2lib.tables import FILES

# What GHArchive knows about a repository and the archive does not: joined to origins by their URL. `version` is what
# a visit is about to see (a release, a commit), so that a change of the source is noticed; `location` is where the
# bytes lie when the URL does not say it.
REPOSITORY = pa.schema(
    [
        ("origin_url", pa.string()),
        ("repo_name", pa.string()),
        ("visit_type", pa.string()),
        ("version", pa.string()),
        ("default_branch", pa.string()),
        ("html_url", pa.string()),
        ("location", pa.string()),
        *(FILES.field(name) for name in repository_table.FACTS),
    ]
)


# Sources whose origins are projects of a known name, so that `include` can choose among them.
PROJECTS = ("environment", "registry", "graph", *published.COLUMNS)


class Reader(Protocol):
    """A place that bytes come from."""

    url: str

    def read(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[bytes | OSError]:
        """Bytes of files given as (path, content identifier), in order; an error in the place of what is gone."""
        ...


class Origin(Reader, Protocol):
    """A place software came from; visiting it adds its objects to a graph."""

    def visit(self, graph: Graph) -> pa.Table | None:
        """Add everything the origin holds now; returns what is left to others (`git_parts.UNREAD`)."""
        ...


def list_origins(
    source: str,
    source_path: str | None = None,
    include: str | None = None,
    source_rows: int | None = None,
    content_bucket: str | None = None,
    repositories_table: str | None = None,
) -> pa.Table:
    """The REPOSITORY table of a source, sorted by name.

    `source_path` holds one or more folders separated by ``os.pathsep`` (sources ``directory`` and ``graph``),
    repositories and URLs (``git``, see `git.places`), or lists of distributions (``registry``; none: the one that comes
    with the book); `include` holds patterns of repository names of `PROJECTS` separated by commas
    (``pypi/rich,pypi/jupyter*``), those with ``://`` of origins (``https://github.com/*``, as in the paper); the other
    sources take what their path names.
    `repositories_table` is a file that knows stars, forks, default branches and licences (`repository_table`).
    `source_rows` and `content_bucket` belong to the published tables (``stack_v2``, ``stack_v3``).
    Raises InputError when a folder cannot be used or no origin is left, ParameterError for settings that clash.
    """
    if source in published.COLUMNS:
        rows = list(published.repositories(source, source_path, source_rows, content_bucket))
    elif source == "git" and source_path:
        rows = list(git.repositories(git.places(source_path)))
    else:
        folders = _folders(source, source_path)
        rows = list(_LISTERS[source](folders))
    if include and source in PROJECTS:
        patterns = [pattern.strip() for pattern in include.split(",") if pattern.strip()]
        kept = [row for row in rows if any(_fits(row, pattern) for pattern in patterns)]
        if not kept:
            some = ", ".join(sorted(row["repo_name"] for row in rows)[:5])
            raise InputError(
                f"origins_include={include!r} matches none of {len(rows)} origins ({some}, ...); "
                "patterns are shell patterns of repository names, such as pypi/*, or of URLs, such as "
                "https://github.com/*; origins_include=* takes all"
            )
        rows = kept
    rows.sort(key=lambda row: (row["repo_name"], row["origin_url"]))
    _make_unique(rows)
    complete = [{"star_events_count": 0, "fork_events_count": 0} | row for row in rows]
    listed = pa.Table.from_pylist(complete, schema=REPOSITORY)
    return repository_table.enrich(listed, repositories_table) if repositories_table else listed


def _fits(row: Mapping[str, Any], pattern: str) -> bool:
    """Whether the name of a row of REPOSITORY, or for a pattern of URLs its origin, is of a shell pattern."""
    return fnmatch.fnmatchcase(row["origin_url" if "://" in pattern else "repo_name"], pattern)


def group(repositories: pa.Table, groups: int) -> list[pa.Table]:
    """Deal origins out to groups that are visited one after the other; no group is empty.

    The origins of an exported graph stay together: its tables are streamed for all of them at once.
    """
    if exported.VISIT_TYPE in repositories["visit_type"].to_pylist():
        folders = repositories["location"].to_pylist()
        return [repositories.filter(pc.equal(repositories["location"], folder)) for folder in sorted(set(folders))]
    count = max(1, min(groups, repositories.num_rows))
    return [repositories.take(list(range(k, repositories.num_rows, count))) for k in range(count)]


def write_parts(folder: Path, repositories: pa.Table, groups: int) -> None:
    """Write what `visit` takes, one Parquet file each: groups of origins, then the chunks of very large folders.

    Listed once: a run that goes on takes the same chunks, though the folder may have changed.
    """
    origins = zip(repositories["origin_url"].to_pylist(), repositories["visit_type"].to_pylist())
    large = [chunks.is_large(*origin) for origin in origins]
    whole = repositories.filter(pa.array([not one for one in large]))
    cut = repositories.filter(pa.array(large))["origin_url"].to_pylist()
    grouped = group(whole, groups) if whole.num_rows else []
    for number, part in enumerate(itertools.chain(grouped, *map(chunks.listed, cut))):
        write_parquet(folder / f"part-{number:05d}.parquet", part)


def open_origin(url: str, visit_type: str) -> Origin:
    """The origin behind a row of REPOSITORY, on this machine; InputError when it is no longer there."""
    if visit_type == "git":
        return git.GitRepository(url)
    if visit_type in published.COLUMNS:
        return PublishedRepository(url)
    if visit_type in registry.VISIT_TYPES.values():
        return registry.Distribution(url)
    if visit_type == "directory":
        return directory.Directory(url)
    if url == environment.STANDARD_LIBRARY:
        return environment.StandardLibrary(url)
    try:
        return environment.InstalledDistribution(url)
    except PackageNotFoundError as error:
        raise InputError(f"{url} is no longer installed; install it again or list the origins anew") from error


def open_reader(url: str, visit_type: str, location: str | None) -> Reader:
    """What gives the bytes of an origin's files."""
    return Objects(location) if visit_type == exported.VISIT_TYPE and location else open_origin(url, visit_type)


def visit(repositories: pa.Table) -> tuple[pa.Table, ...]:
    """Visit every origin of a REPOSITORY table, or a chunk of one (LISTED); returns the tables named in `VISITED`.

    An origin that cannot be visited becomes a failed visit with a row in ``skipped``; the others go on.
    """
    nothing_found, nothing_unread = chunks.FOUND.empty_table(), git_parts.UNREAD.empty_table()
    if repositories.schema.equals(chunks.LISTED):
        return *chunks.visit(repositories), nothing_unread
    if repositories["visit_type"][0].as_py() == exported.VISIT_TYPE:
        folder = Path(repositories["location"][0].as_py())
        exported_tables = exported.read_graph(folder, repositories)
        return *(exported_tables[name] for name in GRAPH), nothing_found, nothing_unread
    graph, unread = Graph(), [nothing_unread]
    for row in repositories.select(["origin_url", "visit_type"]).to_pylist():
        url, visit_type = row["origin_url"], row["visit_type"]
        try:
            left = open_origin(url, visit_type).visit(graph)
        except InputError as error:
            graph.add_failed_visit(url, visit_type, str(error))
        else:
            unread += [left] if left is not None else []
    return *graph.tables(), nothing_found, pa.concat_tables(unread)


VISITED = (*GRAPH, "found_entry", "unread_blob")


def discard_outdated(folder: Path, repositories: pa.Table) -> bool:
    """Delete what an interrupted production left in its folder when it had listed other origins than these.

    Returns whether something was deleted. Installing a package between a crash and the next try would otherwise
    mix two environments.
    """
    listed = folder / "repository" / "part-00000.parquet"
    if not listed.exists() or pq.read_table(listed, partitioning=None) == repositories:
        return False
    for child in sorted(folder.iterdir()):
        if child.is_dir():
            remove(child)
    return True


def require_text(removed: Mapping[str, int], files: int, source_path: str | None) -> None:
    """Raise InputError when a whole source gave no text, with what its files were instead."""
    if files:
        return
    found = ", ".join(f"{count} {reason}" for reason, count in sorted(removed.items())) or "no files"
    remedy = "give a source that holds source code (files in UTF-8, smaller than max_file_bytes)"
    if removed.get("unreadable"):
        remedy += ", or see to what is unreadable and visit again with --force"
    raise InputError(f"no text in {source_path or 'this environment'!r}: {found}; {remedy}")


def _folders(source: str, source_path: str | None) -> list[Path]:
    if source not in _LISTERS:
        raise ParameterError(f"no source {source!r}; there are {', '.join((*_LISTERS, *published.COLUMNS))}")
    if source == "environment":
        if source_path:
            raise ParameterError("source=environment takes no source_path; did you mean source=directory?")
        return []
    if source == "registry" and not source_path:
        return []
    if not source_path:
        raise ParameterError(f"source={source} needs source_path: the folder to read")
    if "://" in source_path:
        raise InputError(f"source_path {source_path!r} is a URL; clone it first: git clone --bare {source_path}")
    return [Path(part) for part in dict.fromkeys(source_path.split(os.pathsep)) if part]


def _environment(_: list[Path]) -> Iterator[dict[str, Any]]:
    yield {
        "origin_url": environment.STANDARD_LIBRARY,
        "repo_name": "python/cpython",
        "visit_type": environment.StandardLibrary.visit_type,
        "version": platform.python_version(),
        "html_url": environment.STANDARD_LIBRARY,
        "gha_license_id": "PSF-2.0",
        "gha_language": "Python",
    }
    for name, distribution in environment.distributions().items():
        url = f"{environment.PYPI}{name}/"
        yield {
            "origin_url": url,
            "repo_name": f"pypi/{name}",
            "visit_type": environment.InstalledDistribution.visit_type,
            "version": distribution.version,
            "html_url": url,
            "gha_license_id": project_licenses.declared(distribution.metadata),
        }


def _directories(folders: list[Path]) -> Iterator[dict[str, Any]]:
    for folder in folders:
        directory.check(folder)
        path = os.fsencode(folder.resolve())
        name = (os.path.basename(path) or b"root").decode("utf-8", "backslashreplace")
        yield {
            "origin_url": directory.file_url(path),
            "repo_name": f"directory/{name}",
            "visit_type": directory.Directory.visit_type,
        }


_LISTERS: dict[str, Callable[[list[Path]], Iterator[dict[str, Any]]]] = {
    "environment": _environment,
    "directory": _directories,
    "git": git.repositories,
    "registry": registry.repositories,
    "graph": exported.repositories,
}


def _make_unique(rows: list[dict[str, Any]]) -> None:
    """Number the second and further origins of one name, so that two projects never become one repository."""
    seen: dict[str, int] = {}
    for row in rows:
        name = row["repo_name"]
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            row["repo_name"] = f"{name}-{seen[name]}"
