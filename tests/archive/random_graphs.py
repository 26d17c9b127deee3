"""Random tables of the graph: shared and nested directories, aliases in circles, releases of releases, holes."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from sc2lib.archive import sources
from sc2lib.archive.schema import GRAPH

BRANCHES = (b"HEAD", b"refs/heads/main", b"refs/heads/master", b"refs/heads/dev", b"\xff")
NAMES = (b"a", b"b", b"c.py", b"\xff")


def identifier(kind: str, number: int) -> str:
    return f"{'cdrls'.index(kind):02x}{number:038x}"


def random_graph(seed: int) -> tuple[dict[str, pa.Table], pa.Table]:
    """Tables of a small random graph, and the repositories of its origins."""
    dice = random.Random(seed)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in GRAPH}

    def date() -> datetime | None:
        return dice.choice([None, *(datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=k) for k in range(3))])

    for number in range(5):
        name = identifier("c", number)
        sha1 = f"{dice.randrange(256):02x}{number:038x}"
        hashes = {"sha1_git": name, "sha1": sha1, "length": dice.choice([1, 2, 99, 100])}
        if dice.random() < 0.8:
            rows["content"].append(hashes)
        elif dice.random() < 0.5:
            rows["skipped_content"].append({"sha1_git": name, "reason": f"lost {number}"})
    for number in range(6):
        rows["directory"].append({"id": identifier("d", number)})
        for name in dice.sample(NAMES, dice.randrange(1, len(NAMES) + 1)):
            kind = dice.choice(["file"] * 4 + ["dir"] * 4 + ["rev"] if number else ["file"])
            target = identifier("d" if kind == "dir" else "c", dice.randrange(number if kind == "dir" else 5))
            perms = {"dir": 0o40000, "rev": 0o160000}.get(kind, dice.choice([0o100644, 0o100644, 0o100755, 0o120000]))
            entry = {"directory_id": identifier("d", number), "name": name, "type": kind, "target": target}
            rows["directory_entry"].append(entry | {"perms": perms})
    for number in range(4):
        fields = {"id": identifier("r", number), "date": date(), "directory": identifier("d", dice.randrange(6))}
        rows["revision"].append(fields | {"type": "git"})
    for number in range(4):
        kind = dice.choice(["revision", "directory", "release", "content"])
        target = identifier(
            {"revision": "r", "directory": "d", "release": "l", "content": "c"}[kind], dice.randrange(5)
        )
        rows["release"].append({"id": identifier("l", number), "target": target, "target_type": kind})
    for number in range(4):
        snapshot = identifier("s", number)
        rows["snapshot"].append({"id": snapshot})
        for branch in dice.sample(BRANCHES, dice.randrange(1, len(BRANCHES) + 1)):
            kind = dice.choice(["revision", "revision", "revision", "release", "directory", "alias"])
            letter = {"revision": "r", "release": "l", "directory": "d"}.get(kind)
            target = identifier(letter, dice.randrange(5)) if letter else dice.choice(BRANCHES).hex()
            fields = {"snapshot_id": snapshot, "name": branch, "target": target, "target_type": kind}
            rows["snapshot_branch"].append(fields)
    listed = []
    for number in range(dice.randrange(1, 5)):
        url = f"https://example.org/{number}"
        for visit in range(1, dice.randrange(2, 5)):
            status = dice.choice(["full", "full", "full", "partial", "failed"])
            snapshot = identifier("s", dice.randrange(4)) if dice.random() < 0.9 else None
            fields = {"origin": url, "visit": visit, "date": date(), "status": status, "snapshot": snapshot}
            rows["origin_visit_status"].append(fields | {"type": "git"})
        if dice.random() < 0.1:
            rows["skipped"].append({"origin": url, "path": b"x", "reason": "Permission denied"})
        listed.append(
            {
                "origin_url": url,
                "repo_name": f"r/{dice.randrange(9)}{number}",
                "visit_type": "git",
                "default_branch": dice.choice([None, None, None, None, "main", "dev", "HEAD"]),
                "star_events_count": dice.randrange(2),
                "fork_events_count": dice.randrange(2),
                "gha_license_id": dice.choice([None, "MIT", "GPL-3.0-only"]),
                "github_id": dice.choice([None, 1, 2]),
            }
        )
    graph = {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in GRAPH.items()}
    return graph, pa.Table.from_pylist(listed, schema=sources.REPOSITORY)
