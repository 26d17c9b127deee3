"""GHArchive: hourly logs of GitHub's public events, to one row per repository (bigcode-project/the-stack-v2).

Stars are `WatchEvent`s and forks `ForkEvent`s, counted per repository id: the released code counts per id and name, so
that a renamed repository loses what it had before. Nobody logs the removal of a star, so stars over-count. The other
columns (`DESCRIBED`: all that the released code keeps) come from the latest description of a repository in a
`PullRequestEvent` (``payload.pull_request.base.repo``) or a `ForkEvent` (``payload.forkee``, the new fork). The paper
reads every hour since the first, ``2011-01-01-0``; `missing_hours` tells what a window of one's own lacks.
"""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.errors import InputError
from sc2lib.tables import TIMESTAMP

# docs: start-described
# Column, where it stands in a description, and its type. `repository_table` reads the first four and the counts.
DESCRIBED: tuple[tuple[str, str, pa.DataType], ...] = (
    ("default_branch", "default_branch", pa.string()),
    ("gha_license_id", "license.spdx_id", pa.string()),
    ("gha_created_at", "created_at", TIMESTAMP),
    ("gha_language", "language", pa.string()),
    *((f"gha_{name}", name, TIMESTAMP) for name in ("updated_at", "pushed_at")),
    *((f"gha_{name}", name, pa.string()) for name in ("html_url", "mirror_url", "description", "homepage")),
    *((f"gha_license_{name}", f"license.{name}", pa.string()) for name in ("key", "name", "url", "node_id")),
    *(
        (f"gha_{name}", name, pa.int64())  # as GitHub counted them at that moment; `size` in kilobytes
        for name in ("size", "stargazers_count", "forks_count", "open_issues_count")
    ),
    *((f"gha_{name}", name, pa.bool_()) for name in ("fork", "archived", "disabled")),
    *(
        (f"gha_has_{name}", f"has_{name}", pa.bool_())
        for name in ("issues", "projects", "downloads", "wiki", "pages", "discussions")
    ),
)
# docs: end-described
REPOSITORIES = pa.schema(
    [
        ("repo_name", pa.string()),
        ("github_id", pa.int64()),
        ("star_events_count", pa.int64()),
        ("fork_events_count", pa.int64()),
        ("gha_event_created_at", TIMESTAMP),
        *((name, kind) for name, _, kind in DESCRIBED),
    ]
)
# One row per repository and hour: counts, the last event, and the latest description with the moment it was logged.
HOUR = pa.schema(
    [
        ("github_id", pa.int64()),
        ("full_name", pa.string()),
        ("stars", pa.int64()),
        ("forks", pa.int64()),
        ("about", pa.struct([(name, kind) for name, _, kind in DESCRIBED])),
        ("latest_event", TIMESTAMP),
        ("described", TIMESTAMP),
        ("event_id", pa.int64()),
    ]
)
_TYPES = (b'"WatchEvent"', b'"ForkEvent"', b'"PullRequestEvent"')
_OF_TYPE: dict[pa.DataType, type] = {pa.string(): str, pa.int64(): int, pa.bool_(): bool}
_DECODER = json.JSONDecoder()
_HOUR_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})-(\d{1,2})\.json\.gz")


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
    missing = [str(path) for path in sorted(found) if not path.exists()]
    if missing or not found:
        where = ", ".join(missing or map(str, paths))
        raise InputError(f"no .json.gz file in {where}; give hourly GHArchive files, or folders of them")
    return sorted(found)


def missing_hours(paths: Iterable[Path]) -> list[str]:
    """The names of the hours that are not there between the first and the last of some files.

    What they logged is not counted. Files that are not called as GHArchive calls them (``2023-09-06-7.json.gz``) say
    nothing about a window.
    """
    names = [match for match in (_HOUR_NAME.fullmatch(path.name) for path in paths) if match and int(match[2]) < 24]
    there = {datetime.fromisoformat(match[1]) + timedelta(hours=int(match[2])) for match in names}
    if not there:
        return []
    length = (max(there) - min(there)) // timedelta(hours=1)
    window = (min(there) + timedelta(hours=number) for number in range(length))
    return [f"{hour:%Y-%m-%d}-{hour.hour}.json.gz" for hour in window if hour not in there]


def read_hour(path: Path) -> Hour:
    """Read one hourly file as a stream; a line that is no JSON object is counted and left out.

    Some hours hold runs of NUL, and several events on one line: each of them counts as a line.

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
                if line.startswith(b"{") and line.endswith(b"}") and not any(kind in line for kind in _TYPES):
                    continue  # parsing is the cost, and most lines are other events
                try:
                    found = [json.loads(line)]
                except (ValueError, RecursionError):
                    found = list(_pieces(line))
                    lines += len(found) - 1
                for event in found:
                    try:
                        events += _count(rows, event)
                    except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
                        bad += 1
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read to its end ({error}); fetch this hour again") from error
    ordered = [rows[identifier] for identifier in sorted(rows)]
    return Hour(pa.Table.from_pylist(ordered, schema=HOUR), lines, events, bad)


def _pieces(line: bytes) -> Iterator[Any]:
    """The events of a line that is not one: runs of NUL part them, or nothing does; None for what is no event."""
    for part in line.split(b"\0"):
        text, start = part.decode("utf-8", "surrogateescape").strip(), 0
        while start < len(text):
            try:
                event, end = _DECODER.raw_decode(text, start)
            except (ValueError, RecursionError):
                event, end = None, text.find('}{"', start) + 1 or len(text)  # a damaged event costs itself alone
            yield event
            start = end


# docs: start-merge
MERGE = """
SELECT * EXCLUDE about, about.*
FROM (
    SELECT
        arg_max(full_name, (coalesce(described, latest_event), event_id)) AS repo_name,
        github_id,
        sum(stars)::BIGINT AS star_events_count,
        sum(forks)::BIGINT AS fork_events_count,
        coalesce(max(described), max(latest_event)) AS gha_event_created_at,
        arg_max(about, (described, event_id)) FILTER (described IS NOT NULL) AS about
    FROM hour
    GROUP BY github_id
    -- a name that was given up and taken again belongs to the repository that was seen last
    QUALIFY row_number() OVER (PARTITION BY repo_name ORDER BY gha_event_created_at DESC, github_id DESC) = 1
)
ORDER BY repo_name
"""
# docs: end-merge


def merge(tables: Iterable[pa.Table]) -> pa.Table:
    """The REPOSITORIES table of some hours, whatever their order; missing counts are 0."""
    hour = pa.concat_tables([HOUR.empty_table(), *tables])
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.register("hour", hour)
        return database.sql(MERGE).to_arrow_table().cast(REPOSITORIES)


class Built(NamedTuple):
    """What a build read and made."""

    hours: int
    lines: int
    events: int
    bad_lines: int
    repositories: int


def build(paths: Iterable[Path], out: Path, say: Callable[[str], None] = lambda text: None) -> Built:
    """Write the REPOSITORIES table of hourly files; an interrupted build goes on with the first hour that is missing.

    Each hour's table waits in a folder beside `out` until all are there, so memory holds one hour at a time and the
    union is DuckDB's, which spills to disk.
    """
    waiting = out.with_name(f"{out.name}.hours")
    found = hours(paths)
    counts = [0, 0, 0]
    parts = []
    for number, path in enumerate(found, 1):
        part = waiting / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]}.parquet"
        if not part.exists():
            hour = read_hour(path)
            told = {b"counts": json.dumps(hour[1:]).encode()}
            files.write_parquet(part, hour.table.replace_schema_metadata(told))
            say(f"[{number}/{len(found)}] {path.name}: {hour.events:,} events, {hour.bad_lines} bad lines")
        kept = json.loads(pq.read_schema(part).metadata[b"counts"])
        for index, own in enumerate(kept):
            counts[index] += own
        parts.append(str(part))
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET temp_directory = ?", [str(waiting / ".spill")])
        database.execute("CREATE VIEW hour AS SELECT * FROM read_parquet(" + repr(parts) + ")")
        table = database.sql(MERGE).to_arrow_table().cast(REPOSITORIES)
    files.write_parquet(out, table)
    files.remove(waiting)
    lines, events, bad_lines = counts
    return Built(len(found), lines, events, bad_lines, table.num_rows)


def _count(rows: dict[int, dict[str, Any]], event: dict[str, Any]) -> int:
    """Add one event to the rows by repository id; returns 1 when it is one that counts."""
    kind, when = event["type"], _moment(event["created_at"])
    number = int(event.get("id") or 0)
    # what is no description makes a bad line, before anything of it was counted
    abouts = [(described, _about(described)) for described in _descriptions(kind, event.get("payload") or {})]
    used = 0
    for name in ("WatchEvent", "ForkEvent"):
        if kind == name:
            repo = event.get("repo") or event["repository"]  # the second before 2015
            row = _row(rows, int(repo["id"]), _name(repo), when, number)
            row["stars" if kind == "WatchEvent" else "forks"] += 1
            used = 1
    for described, about in abouts:
        used = 1
        row = _row(rows, int(described["id"]), described["full_name"], when, number)
        if row["described"] is None or (when, number) >= (row["described"], row["event_id"]):
            row |= {"full_name": described["full_name"], "about": about, "described": when, "event_id": number}
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


def _about(described: dict[str, Any]) -> dict[str, Any]:
    """The columns of a description; TypeError or ValueError when one is of another type than GitHub's."""
    about: dict[str, Any] = {}
    for column, place, kind in DESCRIBED:
        outer, _, inner = place.rpartition(".")
        value = ((described.get(outer) or {}) if outer else described).get(inner)
        if value is not None and kind == TIMESTAMP:
            value = _moment(value)
        elif value is not None and type(value) is not _OF_TYPE[kind]:
            raise TypeError(f"{place} is {value!r}")
        about[column] = value
    return about


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
    """A moment in UTC: ISO 8601, or ``2012/03/11 12:00:00 -0700`` as in the hours of 2012 and before."""
    slashed = text[4:5] == "/"  # strptime is ten times slower
    moment = datetime.strptime(text, "%Y/%m/%d %H:%M:%S %z") if slashed else datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
