"""The walk written down once more, naively: Python over lists of dictionaries, no SQL, one pointer at a time."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sc2lib.license_expressions import is_permissive

Row = dict[str, Any]


def last(value: Any) -> tuple:
    """Ascending, None last."""
    return (value is None, value or 0) if not isinstance(value, str) else (False, value)


def descending(date: Any) -> tuple:
    """Descending, None last."""
    return (date is None, -date.timestamp() if date else 0)


def walk(
    graph: Mapping[str, pa.Table], repositories: pa.Table, max_bytes: int, max_depth: int, max_occurrences: int
) -> list[Row]:
    """Every file met as a row: origin, path, reason, detail, branch, revision and root."""
    tables = {name: table.to_pylist() for name, table in graph.items()}
    roots = [root for row in repositories.to_pylist() if (root := find_root(tables, row))]
    found = [row for root in rank_roots(roots) for row in list_files(tables, root, roots, max_depth, max_occurrences)]
    keep_one_copy(found, max_bytes)
    names = {root["origin_url"] for root in roots}
    for row in repositories.to_pylist():
        skipped = [s for s in tables["skipped"] if s["origin"] == row["origin_url"]]
        found += [row | {"raw_path": b"/" + s["path"], "reason": "unreadable", "detail": s["reason"]} for s in skipped]
        if row["origin_url"] not in names and not skipped:
            found.append(row | {"raw_path": b"/", "reason": "no_main_branch"})
    return found


def find_root(tables: Mapping[str, list[Row]], repository: Row) -> Row | None:
    url, default = repository["origin_url"], repository["default_branch"]
    visits = [v for v in tables["origin_visit_status"] if v["origin"] == url and v["status"] == "full"]
    if not visits:
        return None
    visit = max(visits, key=lambda v: v["visit"])
    branches = {b["name"]: b for b in tables["snapshot_branch"] if b["snapshot_id"] == visit["snapshot"]}
    if default is None:
        wanted = [b"HEAD", b"refs/heads/master", b"refs/heads/main"]
    else:
        wanted = [b"HEAD" if default == "HEAD" else b"refs/heads/" + default.encode()]
    candidates = []
    for name in wanted:
        if name not in branches:
            continue
        kind, target = follow(tables, branches, branches[name])
        revision = next((r for r in tables["revision"] if r["id"] == target and kind == "revision"), None)
        if kind == "directory" or revision:
            candidates.append(
                repository
                | {
                    "branch_name": name.decode(),
                    "visit_date": visit["date"],
                    "revision_id": revision and revision["id"],
                    "revision_date": revision and revision["date"],
                    "directory_id": revision["directory"] if revision else target,
                }
            )
    candidates.sort(key=lambda c: c["branch_name"], reverse=True)
    candidates.sort(key=lambda c: descending(c["revision_date"]))
    return candidates[0] if candidates else None


def follow(tables: Mapping[str, list[Row]], branches: Mapping[bytes, Row], branch: Row) -> tuple[str, str]:
    kind, target = branch["target_type"], branch["target"]
    for _ in range(10):
        if kind == "alias" and bytes.fromhex(target) in branches:
            other = branches[bytes.fromhex(target)]
            kind, target = other["target_type"], other["target"]
        elif kind == "release":
            release = next((r for r in tables["release"] if r["id"] == target), None)
            if release is None:
                break
            kind, target = release["target_type"], release["target"]
    return kind, target


def rank_roots(roots: list[Row]) -> list[Row]:
    """Every root with the name of the repository that stands for its directory."""

    def order(root: Row) -> tuple:
        date, visited = root["revision_date"], root["visit_date"]
        return (
            last(root["gha_license_id"]),
            -root["star_events_count"],
            -root["fork_events_count"],
            last(date and date.timestamp()),
            last(root["github_id"]),
            last(visited and visited.timestamp()),
            root["origin_url"],
        )

    best: dict[str, Row] = {}
    for root in sorted(roots, key=order):
        best.setdefault(root["directory_id"], root)
    return [root | {"kept": best[root["directory_id"]]} for root in roots]


def list_files(
    tables: Mapping[str, list[Row]], root: Row, roots: list[Row], max_depth: int, max_occurrences: int
) -> list[Row]:
    contents = {c["sha1_git"]: c for c in tables["content"]}
    why = {c["sha1_git"]: c["reason"] for c in tables["skipped_content"]}
    level = sorted({(r["directory_id"], b"", r["directory_id"]) for r in roots})
    rows = []
    for depth in range(max_depth + 1):
        below = []
        seen: dict[str, int] = {}
        for root_id, path, directory in level:
            seen[directory] = seen.get(directory, 0) + 1
            beyond = depth > 0 and seen[directory] > max_occurrences
            if seen[directory] > max_occurrences + 1 and depth > 0:
                continue
            entries = [e for e in tables["directory_entry"] if e["directory_id"] == directory]
            for entry in sorted(entries, key=lambda e: e["name"]):
                name = path + b"/" + entry["name"]
                if entry["type"] == "dir" and depth < max_depth and not beyond:
                    below.append((root_id, (path, entry["name"]), name, entry["target"]))
                elif root_id == root["directory_id"]:
                    content = contents.get(entry["target"])
                    reason = None
                    if depth == max_depth:
                        reason = "too_deep"
                    elif beyond:
                        reason = "too_frequent"
                    elif entry["type"] == "rev":
                        reason = "submodule"
                    elif entry["perms"] == 0o120000:
                        reason = "symlink"
                    elif root["kept"]["origin_url"] != root["origin_url"]:
                        reason = "duplicate_repository"
                    elif content is None:
                        reason = "missing_content"
                    detail = why.get(entry["target"])
                    if reason == "duplicate_repository":
                        detail = f"kept in {root['kept']['repo_name']}"
                    rows.append(
                        root
                        | {"raw_path": name, "reason": reason, "detail": detail, "content": content, "depth": depth}
                    )
        level = [(root_id, name, target) for root_id, _, name, target in sorted(below, key=lambda b: (b[0], b[1]))]
    return rows


def keep_one_copy(found: list[Row], max_bytes: int) -> None:
    def order(row: Row) -> tuple:
        return (
            not is_permissive(row["gha_license_id"]),
            -row["star_events_count"],
            -row["fork_events_count"],
            descending(row["revision_date"]),
            descending(row["visit_date"]),
            row["depth"],
            row["repo_name"],
            row["raw_path"],
        )

    keepers: dict[str, Row] = {}
    for row in sorted((row for row in found if row["reason"] is None), key=order):
        blob = row["content"]["sha1"]
        if blob in keepers:
            path = keepers[blob]["raw_path"].decode("utf-8", "backslashreplace")
            row |= {"reason": "exact_duplicate", "detail": f"kept in {keepers[blob]['repo_name']}{path}"}
        else:
            keepers[blob] = row
            if row["content"]["length"] >= max_bytes:
                row["reason"] = "too_large"
