"""A repository's folders with the licences that reach them: what `licenses.propagate` did, made visible.

The metadata folder of a wheel is left out: it holds the texts of licences, no code.
"""

from collections import Counter
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib import queries
from sc2lib.curation.licenses.classification import WHEEL_METADATA, propagate
from sc2lib.queries import Stored

_CODE = f"NOT regexp_matches(path, '{WHEEL_METADATA.pattern}')"


class Folder(NamedTuple):
    """One row of the picture."""

    path: str  # with its last slash; "/" is the root
    depth: int
    files: int  # below it, at any depth
    own: list[str]  # licences found in its own licence files
    licenses: list[str]  # licences that reach its files


def most_varied_repository(files: Stored) -> str:
    """The repository whose files have the most different sets of detected licences; the first by name among equals."""
    sql = f"""
        SELECT repo_name FROM files WHERE {_CODE}
        GROUP BY repo_name ORDER BY count(DISTINCT coalesce(detected_licenses, [])) DESC, repo_name LIMIT 1
    """
    ((repository,),) = queries.rows(sql, files=files)
    return repository


def license_tree(files: Stored, base_paths: pa.Table, repository: str, rows: int = 24) -> list[Folder]:
    """At most `rows` folders of a repository in the order of their paths: those with licences, then the largest.

    A chosen folder brings the folders above it. `files` is a FILES table, `base_paths` a BASE_PATHS table.
    """
    sql = f"""
        SELECT left(path, length(path) - strpos(reverse(path), '/') + 1), count(*)
        FROM files WHERE repo_name = $repository AND {_CODE} GROUP BY 1
    """
    counts: Counter[str] = Counter()
    with queries.opened(files=files) as database:
        for folder, count in database.sql(sql, params={"repository": repository}).fetchall():
            counts.update(dict.fromkeys(_parents(folder), count))
    mine = base_paths.filter(pc.equal(base_paths["repo_name"], repository))
    found = dict(zip(mine["base_path"].to_pylist(), mine["licenses"].to_pylist(), strict=True))
    licensed = sorted((folder for folder in found if folder in counts), key=lambda folder: (-counts[folder], folder))
    largest = sorted(counts, key=lambda folder: (folder.count("/"), -counts[folder], folder))
    chosen: set[str] = set()
    for folder in [*licensed, *largest]:
        wanted = chosen.union(_parents(folder))
        if len(wanted) <= rows:
            chosen = wanted
    return [
        Folder(folder, folder.count("/") - 1, counts[folder], found.get(folder, []), propagate(folder, found))
        for folder in sorted(chosen)
    ]


def _parents(path: str) -> list[str]:
    return [path[: index + 1] for index, character in enumerate(path) if character == "/"]
