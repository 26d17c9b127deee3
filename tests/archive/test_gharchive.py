"""GHArchive: hours of events to repositories, against a naive count, and files that are not whole."""

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.archive import gharchive
from sc2lib.errors import InputError

NOON = "2023-09-06T12:00:00Z"


def star(repo: int, name: str, when: str = NOON, number: int = 1) -> dict[str, Any]:
    return {"id": str(number), "type": "WatchEvent", "repo": {"id": repo, "name": name}, "created_at": when}


def described(repo: int, name: str, branch: str = "main", spdx: str | None = "MIT") -> dict[str, Any]:
    license_ = None if spdx is None else {"key": "x", "spdx_id": spdx}
    about = {"id": repo, "full_name": name, "default_branch": branch, "license": license_, "language": "C"}
    return about | {"created_at": "2020-01-01T00:00:00Z"}


def fork(repo: int, name: str, forkee: dict[str, Any], when: str = NOON, number: int = 1) -> dict[str, Any]:
    return star(repo, name, when, number) | {"type": "ForkEvent", "payload": {"forkee": forkee}}


def pull(base: dict[str, Any], when: str = NOON, number: int = 1) -> dict[str, Any]:
    payload = {"pull_request": {"base": {"repo": base}}}
    return star(base["id"], base["full_name"], when, number) | {"type": "PullRequestEvent", "payload": payload}


def hour(path: Path, *events: dict[str, Any] | bytes) -> Path:
    lines = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    return path


def read(*paths: Path) -> dict[int, dict[str, Any]]:
    table = gharchive.merge(gharchive.read_hour(path).table for path in paths)
    assert table.schema == gharchive.REPOSITORIES
    return {row["github_id"]: row for row in table.to_pylist()}


def test_stars_forks_and_the_latest_description(tmp_path: Path) -> None:
    first = hour(
        tmp_path / "2023-09-06-12.json.gz",
        star(1, "ada/engine"),
        fork(1, "ada/engine", described(2, "bob/engine", "trunk", None)),
        pull(described(1, "ada/engine", "master"), "2023-09-06T12:10:00Z"),
        {"id": "9", "type": "PushEvent", "repo": {"id": 3, "name": "c/c"}, "created_at": NOON},
    )
    second = hour(
        tmp_path / "2023-09-06-13.json.gz",
        star(1, "ada/machine", "2023-09-06T13:00:00Z"),
        pull(described(1, "ada/machine", "main", "NOASSERTION"), "2023-09-06T13:10:00Z"),
    )
    found = read(first, second)
    assert read(second, first) == found and set(found) == {1, 2}
    assert found[1] == {
        "full_name": "ada/machine",  # renamed: the stars of both names count
        "stars": 2,
        "forks": 1,
        "default_branch": "main",
        "license": "NOASSERTION",
        "latest_event": dt.datetime(2023, 9, 6, 13, 10, tzinfo=dt.UTC),
        "github_id": 1,
        "language": "C",
        "created_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
    }
    assert (found[2]["stars"], found[2]["default_branch"], found[2]["license"]) == (0, "trunk", None)


def test_a_licence_that_was_taken_away_is_gone(tmp_path: Path) -> None:
    old, new = described(1, "a/b", spdx="MIT"), described(1, "a/b", spdx=None)
    paths = [
        hour(tmp_path / "1.json.gz", pull(old, "2023-01-01T00:00:00Z")),
        hour(tmp_path / "2.json.gz", pull(new, "2023-01-02T00:00:00Z")),
    ]
    assert read(*paths)[1]["license"] is None


def test_bad_lines_are_counted_and_the_others_count(tmp_path: Path) -> None:
    path = hour(
        tmp_path / "a.json.gz",
        star(1, "a/b"),
        b"not json",
        b'{"type": "WatchEvent", "cut": ',
        b'{"type": "WatchEvent" oops}',
        b'{"type": "WatchEvent", "repo": null, "created_at": "2023-01-01T00:00:00Z"}',
        b'{"type": "ForkEvent", "repo": {"id": 1, "name": "a/b"}, "created_at": "yesterday"}',
        b"",
        b"\xff\xfe{}",
    )
    found = gharchive.read_hour(path)
    assert (found.lines, found.events, found.bad_lines) == (7, 1, 6)
    assert found.table["stars"].to_pylist() == [1]


def test_events_from_before_2015(tmp_path: Path) -> None:
    event = {"type": "WatchEvent", "created_at": "2012-03-11T00:00:00-08:00"}
    event |= {"repository": {"id": 5, "name": "engine", "owner": "ada"}}
    row = read(hour(tmp_path / "a.json.gz", event))[5]
    assert row["full_name"] == "ada/engine" and row["latest_event"] == dt.datetime(2012, 3, 11, 8, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-12], lambda data: b"plain text", lambda data: data[:40] + b"\0\0\0" + data[43:]]
)
def test_a_corrupt_hour_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = hour(tmp_path / "2023-09-06-12.json.gz", *(star(n, f"a/b{n}") for n in range(50)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"2023-09-06-12\.json\.gz cannot be read to its end .*fetch this hour again"):
        gharchive.read_hour(path)


def test_folders_and_files(tmp_path: Path) -> None:
    one, two = hour(tmp_path / "b.json.gz", star(1, "a/b")), hour(tmp_path / "a.json.gz", star(1, "a/b"))
    assert gharchive.hours([tmp_path, one]) == [two, one]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"no \.json\.gz file"):
        gharchive.hours([empty])


@settings(max_examples=15, deadline=None)
@given(
    events=st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(0, 59)), max_size=30),
    cut=st.integers(0, 30),
)
def test_counts_equal_a_naive_count_however_the_hours_are_cut(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[bool, int, int]], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("hours")
    made = [
        (star if is_star else lambda r, n, w, k: fork(r, n, {}, w, k))(
            repo, f"a/{repo}", f"2023-09-06T12:{minute:02d}:00Z", number
        )
        for number, (is_star, repo, minute) in enumerate(events)
    ]
    found = read(hour(folder / "1.json.gz", *made[:cut]), hour(folder / "2.json.gz", *made[cut:]))
    expected: dict[int, list[int]] = {}
    for is_star, repo, _ in events:
        expected.setdefault(repo, [0, 0])[not is_star] += 1
    assert {repo: [row["stars"], row["forks"]] for repo, row in found.items()} == expected
