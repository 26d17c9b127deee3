"""GHArchive: hourly logs of GitHub's public events, to one row per repository (reference sheet, section 1.2).

Stars are `WatchEvent`s and forks `ForkEvent`s, counted per repository id: the released code counts per id and name, so
that a renamed repository loses what it had before. Nobody logs the removal of a star, so stars over-count. The other
columns come from the latest description of a repository in a `PullRequestEvent` (``payload.pull_request.base.repo``)
or a `ForkEvent` (``payload.forkee``, the new fork).
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from sc2lib.errors import InputError
from sc2lib.tables import TIMESTAMP

REPOSITORIES = pa.schema(
    [
        ("full_name", pa.string()),
        ("stars", pa.int64()),
        ("forks", pa.int64()),
        ("default_branch", pa.string()),
        ("license", pa.string()),
        ("latest_event", TIMESTAMP),
        ("github_id", pa.int64()),
        ("language", pa.string()),
        ("created_at", TIMESTAMP),
    ]
)
# One row per repository and hour: counts, and the latest description with the moment it was logged.
HOUR = pa.schema(
    [
        *REPOSITORIES,
        ("described", TIMESTAMP),
        ("event_id", pa.int64()),
    ]
)
_TYPES = (b'"WatchEvent"', b'"ForkEvent"', b'"PullRequestEvent"')


class Hour(NamedTuple):
    """What one file holds: its table, its lines, how many were events we use, and how many no JSON object."""

    table: pa.Table
    lines: int
    events: int
    bad_lines: int


def hours(paths: Iterable[Path]) -> list[Path]:
    """The ``.json.gz`` files among files and folders, sorted; InputError when there is none."""
    paths = list(paths)
    found = {file for path in paths for file in (path.glob("*.json.gz") if path.is_dir() else [path])}
    if not found:
        raise InputError(f"no .json.gz file in {', '.join(map(str, paths))}; give folders of hourly GHArchive files")
    return sorted(found)


def read_hour(path: Path) -> Hour:
    """Read one hourly file as a stream; a line that is no JSON object is counted and left out.

    Raises InputError, naming the file, when it cannot be read to its end: half an hour is no hour.
    """
    rows: dict[int, dict[str, Any]] = {}
    lines = events = bad = 0
    try:
        with gzip.open(path, "rb") as file:
            for line in file:
                line = line.strip()
                if not line:
                    continue
                lines += 1
                if not (line.startswith(b"{") and line.endswith(b"}")):
                    bad += 1
                elif any(kind in line for kind in _TYPES):  # parsing is the cost, and most lines are other events
                    try:
                        events += _count(rows, json.loads(line))
                    except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
                        bad += 1
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read to its end ({error}); fetch this hour again") from error
    ordered = [rows[identifier] for identifier in sorted(rows)]
    return Hour(pa.Table.from_pylist(ordered, schema=HOUR), lines, events, bad)


# docs: start-merge
MERGE = """
SELECT
    arg_max(full_name, (coalesce(described, latest_event), event_id)) AS full_name,
    sum(stars)::BIGINT AS stars,
    sum(forks)::BIGINT AS forks,
    arg_max(default_branch, (described, event_id)) FILTER (described IS NOT NULL) AS default_branch,
    arg_max_null(license, (described, event_id)) FILTER (described IS NOT NULL) AS license,
    coalesce(max(described), max(latest_event)) AS latest_event,
    github_id,
    arg_max_null(language, (described, event_id)) FILTER (described IS NOT NULL) AS language,
    arg_max(created_at, (described, event_id)) FILTER (described IS NOT NULL) AS created_at
FROM hour
GROUP BY github_id
ORDER BY github_id
"""
# docs: end-merge


def merge(tables: Iterable[pa.Table]) -> pa.Table:
    """The REPOSITORIES table of some hours, whatever their order; missing counts are 0."""
    hour = pa.concat_tables([HOUR.empty_table(), *tables])
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("hour", hour)
        return database.sql(MERGE).to_arrow_table().cast(REPOSITORIES)


def _count(rows: dict[int, dict[str, Any]], event: dict[str, Any]) -> int:
    """Add one event to the rows by repository id; returns 1 when it is one that counts."""
    kind, when = event["type"], _moment(event["created_at"])
    number = int(event.get("id") or 0)
    used = 0
    for name in ("WatchEvent", "ForkEvent"):
        if kind == name:
            repo = event.get("repo") or event["repository"]  # the second before 2015
            row = _row(rows, int(repo["id"]), _name(repo), when, number)
            row["stars" if kind == "WatchEvent" else "forks"] += 1
            used = 1
    for described in _descriptions(kind, event.get("payload") or {}):
        used = 1
        row = _row(rows, int(described["id"]), described["full_name"], when, number)
        if row["described"] is None or (when, number) >= (row["described"], row["event_id"]):
            row |= {
                "full_name": described["full_name"],
                "default_branch": described.get("default_branch"),
                "license": (described.get("license") or {}).get("spdx_id"),
                "language": described.get("language"),
                "created_at": _moment(described["created_at"]) if described.get("created_at") else None,
                "described": when,
                "event_id": number,
            }
            rows[row["github_id"]] = row
    return used


def _descriptions(kind: str, payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if kind == "PullRequestEvent":
        repo = ((payload.get("pull_request") or {}).get("base") or {}).get("repo")
    elif kind == "ForkEvent":
        repo = payload.get("forkee")
    else:
        return
    if isinstance(repo, dict) and repo.get("full_name"):
        yield repo


def _row(rows: dict[int, dict[str, Any]], identifier: int, name: str, when: datetime, number: int) -> dict[str, Any]:
    row = rows.get(identifier)
    if row is None:
        row = {"full_name": name, "stars": 0, "forks": 0, "latest_event": when, "github_id": identifier}
        row |= {"described": None, "event_id": number}
        rows[identifier] = row
    elif when > row["latest_event"]:
        row["latest_event"] = when
        if row["described"] is None:
            row |= {"full_name": name, "event_id": number}
    return row


def _name(repo: dict[str, Any]) -> str:
    name = repo["name"]
    return name if "/" in name else f"{repo['owner']}/{name}"


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
