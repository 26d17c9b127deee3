"""A picture of the Merkle DAG: the chain of objects from origins to a file that they share, drawn from the tables."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import duckdb

from sc2lib import figures, queries
from sc2lib.archive.walk import text
from sc2lib.queries import Stored

COLORS = {
    "origin": figures.SLATE,
    "snapshot": figures.VIOLET,
    "release": figures.RED,
    "revision": figures.RED,
    "directory": figures.BLUE,
    "content": figures.GREEN,
}


BOX = 0.44  # height of a node's box, in levels


class Node(NamedTuple):
    """An object of the graph, with how many it points at in all."""

    kind: str
    identifier: str
    children: int


class Edge(NamedTuple):
    """A pointer from one object to another and the name it carries: a branch or an entry of a directory."""

    source: Node
    target: Node
    name: str


_COPY = """
SELECT r.repo_name, r.path, f.repo_name AS kept_repository, f.path AS kept_path
FROM removed r
JOIN files f USING (blob_id)
WHERE r.reason = 'exact_duplicate'
ORDER BY
    r.repo_name <> f.repo_name DESC,
    greatest(length(r.path) - length(replace(r.path, '/', '')), length(f.path) - length(replace(f.path, '/', ''))) <= 4
        DESC,
    r.length_bytes DESC, r.repo_name DESC, r.path DESC
LIMIT 1
"""
_BESIDE = """
SELECT path FROM files
WHERE repo_name = $repository AND path <> $path AND starts_with(path, $folder)
    AND NOT contains(substr(path, length($folder) + 1), '/')
ORDER BY path LIMIT 1
"""


def shared_files(files: Stored, removed: Stored) -> list[tuple[str, str]]:
    """(repo_name, path) of the two copies of one content to draw, and of a third file beside the first.

    The copies lie in different repositories if any do; of those the largest not far from its root is taken.
    Empty when no content occurs twice.
    """
    with queries.opened(files=files, removed=removed) as database:
        best = database.sql(_COPY).fetchall()
        if not best:
            return []
        ((repository, path, *first),) = best
        folder = first[1].rpartition("/")[0] + "/"
        where = {"repository": first[0], "path": first[1], "folder": folder}
        beside = database.sql(_BESIDE, params=where).fetchall()
    return [*[(first[0], other) for (other,) in beside], (first[0], first[1]), (repository, path)]


def chain(graph: Mapping[str, Stored], url: str, path: str) -> list[Edge]:
    """The pointers from an origin to one of its files, through its snapshot, its HEAD and its directories."""
    with queries.opened(**graph) as database:
        return _chain(database, url, path)


def _chain(database: duckdb.DuckDBPyConnection, url: str, path: str) -> list[Edge]:
    ((visited,),) = _rows(database, "snapshot", "origin_visit_status", origin=url, status="full")
    rows = _rows(database, "name, target, target_type", "snapshot_branch", snapshot_id=visited)
    branches = {name: (target, target_type) for name, target, target_type in rows}
    origin, snapshot = Node("origin", url, 1), Node("snapshot", visited, len(branches))
    first = b"HEAD" if b"HEAD" in branches else min(branches)  # a published table names the main branch alone
    name, (identifier, kind) = text(first), branches[first]
    while kind == "alias":
        other = bytes.fromhex(identifier)
        name, (identifier, kind) = text(other), branches[other]
    edges = [Edge(origin, snapshot, "latest visit")]
    here = snapshot
    if kind in ("revision", "release"):
        step = Node(kind, identifier, 1)
        edges.append(Edge(here, step, name))
        column = "directory" if kind == "revision" else "target"
        here, name, ((identifier,),) = step, "root directory", _rows(database, column, kind, id=identifier)
    parts: list[str | None] = [*path.strip("/").split("/"), None]
    if _look_up(database, identifier, path.strip("/"))[1] is not None:
        parts = [path.strip("/"), None]  # the root of a published table names files by their whole paths
    for part in parts:
        entries, target = _look_up(database, identifier, part)
        node = Node("directory" if entries else "content", identifier, entries)
        edges.append(Edge(here, node, name))
        if part is not None and target is not None:
            here, name, identifier = node, part, target
    return edges


def _look_up(database: duckdb.DuckDBPyConnection, directory: str, wanted: str | None) -> tuple[int, str | None]:
    """How many entries a directory has, and what the one of that name points at (None: none has it)."""
    count, found = 0, None
    sql = "SELECT name, target FROM directory_entry WHERE directory_id = $directory ORDER BY name"
    for batch in queries.stream(database, sql, {"directory": directory}):
        count += batch.num_rows
        if found is None and wanted is not None:
            names, targets = (column.to_pylist() for column in batch.columns)
            found = next((target for name, target in zip(names, targets) if text(name) == wanted), None)
    return count, found


def _rows(database: duckdb.DuckDBPyConnection, columns: str, table: str, **where: str) -> list[tuple[Any, ...]]:
    conditions = " AND ".join(f"{column} = ${column}" for column in where)
    return database.sql(f"SELECT {columns} FROM {table} WHERE {conditions}", params=where).fetchall()


def draw(chains: Sequence[Sequence[Edge]]) -> Any:
    """Draw chains side by side, origins on top; an object that several chains pass through is drawn once."""
    places: dict[Node, list[tuple[float, int]]] = {}
    for column, edges in enumerate(chains):
        for level, node in enumerate([edges[0].source, *(edge.target for edge in edges)]):
            places.setdefault(node, []).append((column, level))
    position = {
        node: (sum(x for x, _ in found) / len(found), max(y for _, y in found)) for node, found in places.items()
    }
    levels = 1 + max(y for _, y in position.values())
    figure, ax = figures.new(aspect=0.085 * levels + 0.05)
    for edge in dict.fromkeys(edge for edges in chains for edge in edges):
        (x0, y0), (x1, y1) = position[edge.source], position[edge.target]
        arrow = {"arrowstyle": "-|>", "color": figures.GREY, "shrinkA": 0, "shrinkB": 0, "linewidth": 1}
        ax.annotate("", (x1, y1 - BOX / 2), (x0, y0 + BOX / 2), arrowprops=arrow)
        side, shift = ("right", -0.03) if x1 < x0 else ("left", 0.03)
        high = "center" if x1 == x0 else "bottom"
        ax.text((x0 + x1) / 2 + shift, (y0 + y1) / 2, _short(edge.name, 30), fontsize=7, ha=side, va=high)
    for node, (x, y) in position.items():
        ax.text(x, y, _label(node), fontsize=7.5, ha="center", va="center", bbox=_box(COLORS[node.kind]), zorder=3)
    ax.set_xlim(-0.5, len(chains) - 0.5)
    ax.set_ylim(levels - 0.6, -0.4)
    ax.set_axis_off()
    return figure


def _box(color: str) -> dict[str, Any]:
    return {"boxstyle": "round,pad=0.35", "facecolor": "none", "edgecolor": color, "linewidth": 1.4}


def _label(node: Node) -> str:
    if node.kind == "origin":
        return _short(node.identifier.rstrip("/").rpartition("://")[2], 34)
    entries = "1 entry" if node.children == 1 else f"{node.children} entries"
    more = f", {entries}" if node.kind == "directory" else ""
    return f"{node.kind} {node.identifier[:7]}{more}"


def _short(name: str, limit: int) -> str:
    name = name.encode("unicode_escape").decode() if not name.isprintable() else name
    return name if len(name) <= limit else name[: limit // 2] + "…" + name[-limit // 2 + 1 :]
