"""A picture of the Merkle DAG: the chain of objects from origins to a file that they share, drawn from the tables."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib import figures
from sc2lib.archive.walk import text

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


def shared_files(files: pa.Table, removed: pa.Table) -> list[tuple[str, str]]:
    """(repo_name, path) of the two copies of one content to draw, and of a third file beside the first.

    The copies lie in different repositories if any do; of those the largest not far from its root is taken.
    Empty when no content occurs twice.
    """
    rows = zip(*(files[name].to_pylist() for name in ("blob_id", "repo_name", "path")))
    kept = {blob: (repository, path) for blob, repository, path in rows}
    best: tuple[Any, ...] | None = None
    rows = zip(*(removed[name].to_pylist() for name in ("reason", "blob_id", "repo_name", "path", "length_bytes")))
    for reason, blob, repository, path, length in rows:
        if reason != "exact_duplicate" or blob not in kept:
            continue
        depth = max(path.count("/"), kept[blob][1].count("/"))
        rank = (repository != kept[blob][0], depth <= 4, length, repository, path, kept[blob])
        best = max(best, rank) if best else rank
    if best is None:
        return []
    *_, repository, path, first = best
    folder = first[1].rpartition("/")[0]
    beside = sorted(place for place in kept.values() if place[0] == first[0] and place[1].rpartition("/")[0] == folder)
    return [*[place for place in beside if place != first][:1], first, (repository, path)]


def chain(graph: Mapping[str, pa.Table], url: str, path: str) -> list[Edge]:
    """The pointers from an origin to one of its files, through its snapshot, its HEAD and its directories."""
    visit = _row(graph["origin_visit_status"], origin=url, status="full")
    branches = {row["name"]: row for row in _rows(graph["snapshot_branch"], snapshot_id=visit["snapshot"])}
    origin, snapshot = Node("origin", url, 1), Node("snapshot", visit["snapshot"], len(branches))
    first = b"HEAD" if b"HEAD" in branches else min(branches)  # a published table names the main branch alone
    name, branch = text(first), branches[first]
    while branch["target_type"] == "alias":
        other = bytes.fromhex(branch["target"])
        name, branch = text(other), branches[other]
    edges = [Edge(origin, snapshot, "latest visit")]
    here, identifier = snapshot, branch["target"]
    if branch["target_type"] in ("revision", "release"):
        step = Node(branch["target_type"], identifier, 1)
        edges.append(Edge(here, step, name))
        field = "directory" if step.kind == "revision" else "target"
        here, name, identifier = step, "root directory", _row(graph[step.kind], id=identifier)[field]
    parts: list[str | None] = [*path.strip("/").split("/"), None]
    root = _rows(graph["directory_entry"], directory_id=identifier)
    if any(text(entry["name"]) == path.strip("/") for entry in root):
        parts = [path.strip("/"), None]  # the root of a published table names files by their whole paths
    for part in parts:
        entries = _rows(graph["directory_entry"], directory_id=identifier)
        node = Node("directory" if entries else "content", identifier, len(entries))
        edges.append(Edge(here, node, name))
        if part is not None:
            entry = next(entry for entry in entries if text(entry["name"]) == part)
            here, name, identifier = node, part, entry["target"]
    return edges


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


def _rows(table: pa.Table, **where: str) -> list[dict[str, Any]]:
    for column, value in where.items():
        table = table.filter(pc.equal(table[column], value))
    return table.to_pylist()


def _row(table: pa.Table, **where: str) -> dict[str, Any]:
    return _rows(table, **where)[0]
