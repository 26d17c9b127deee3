"""GHArchive: hours of events to repositories, against a naive count, and files that are not whole."""

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.archive import gharchive, repository_table, sources
from sc2lib.errors import InputError

NOON = "2023-09-06T12:00:00Z"


def star(repo: int, name: str, when: str = NOON, number: int = 1) -> dict[str, Any]:
    return {"id": str(number), "type": "WatchEvent", "repo": {"id": repo, "name": name}, "created_at": when}


def described(repo: int, name: str, branch: str = "main", spdx: str | None = "MIT") -> dict[str, Any]:
    license_ = None if spdx is None else {"key": "x", "spdx_id": spdx}
    about = {"id": repo, "full_name": name, "default_branch": branch, "license": license_, "language": "C"}
    return about | {"created_at": "2020-01-01T00:00:00Z"}


# A description as GitHub's API documents it, with what the released code does not keep left out.
WHOLE = described(1, "ada/engine") | {
    "html_url": "https://github.com/ada/engine",
    "mirror_url": None,
    "description": "Analytical \u2028 engine",
    "homepage": "",
    "updated_at": "2023-09-05T10:00:00Z",
    "pushed_at": "2023-09-06T11:00:00+02:00",
    "size": 108,
    "stargazers_count": 80,
    "forks_count": 9,
    "open_issues_count": 0,
    "fork": False,
    "archived": False,
    "disabled": True,
    "has_issues": True,
    "has_projects": True,
    "has_downloads": True,
    "has_wiki": False,
    "has_pages": False,
    "has_discussions": False,
    "license": {"key": "mit", "name": "MIT License", "spdx_id": "MIT", "url": "https://x/mit", "node_id": "MDc6"},
}


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
    assert {name: value for name, value in found[1].items() if value is not None} == {
        "repo_name": "ada/machine",  # renamed: the stars of both names count
        "github_id": 1,
        "star_events_count": 2,
        "fork_events_count": 1,
        "default_branch": "main",
        "gha_license_id": "NOASSERTION",
        "gha_event_created_at": dt.datetime(2023, 9, 6, 13, 10, tzinfo=dt.UTC),
        "gha_created_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC),
        "gha_language": "C",
        "gha_license_key": "x",
    }
    assert (found[2]["star_events_count"], found[2]["default_branch"], found[2]["gha_license_id"]) == (0, "trunk", None)


def test_every_field_that_the_released_code_keeps_of_a_description(tmp_path: Path) -> None:
    (row,) = read(hour(tmp_path / "a.json.gz", pull(WHOLE))).values()
    moments = {name: dt.datetime.fromisoformat(WHOLE[name]) for name in ("created_at", "updated_at", "pushed_at")}
    for name, value in (WHOLE | moments).items():
        if name == "license":
            for part, expected in value.items():
                assert row["gha_license_id" if part == "spdx_id" else f"gha_license_{part}"] == expected
        else:
            own = {"id": "github_id", "full_name": "repo_name", "default_branch": "default_branch"}
            assert row[own.get(name, f"gha_{name}")] == value, name
    assert (row["star_events_count"], row["fork_events_count"]) == (0, 0), "counted from events, whatever it says"


def test_of_two_descriptions_the_later_one_counts_as_a_whole(tmp_path: Path) -> None:
    """A field that the later one does not have is not taken from the earlier."""
    later = described(1, "ada/engine", "trunk")
    paths = [
        hour(tmp_path / "1.json.gz", pull(WHOLE, "2023-09-06T12:00:00Z")),
        hour(tmp_path / "2.json.gz", pull(later, "2023-09-06T12:00:01Z")),
    ]
    row = read(*paths)[1]
    assert (row["default_branch"], row["gha_html_url"], row["gha_size"]) == ("trunk", None, None)


@pytest.mark.parametrize("wrong", [{"size": "big"}, {"fork": 1}, {"license": "MIT"}, {"pushed_at": 7}])
def test_a_description_of_other_types_is_a_bad_line_and_counts_nothing(tmp_path: Path, wrong: dict[str, Any]) -> None:
    path = hour(tmp_path / "a.json.gz", fork(1, "ada/engine", described(2, "bob/engine") | wrong))
    found = gharchive.read_hour(path)
    assert (found.bad_lines, found.events, found.table.num_rows) == (1, 0, 0)


def test_the_hours_that_a_window_lacks_are_named() -> None:
    names = ["2023-09-06-22", "2023-09-07-1", "2023-09-07-2"]
    paths = [Path(f"hours/{name}.json.gz") for name in names]
    assert gharchive.missing_hours(paths) == ["2023-09-06-23.json.gz", "2023-09-07-0.json.gz"]
    assert gharchive.missing_hours(paths[1:]) == gharchive.missing_hours([]) == []
    assert gharchive.missing_hours([*paths[1:], Path("2011-01-01-77.json.gz"), Path("mine.json.gz")]) == []


def test_a_licence_that_was_taken_away_is_gone(tmp_path: Path) -> None:
    old, new = described(1, "a/b", spdx="MIT"), described(1, "a/b", spdx=None)
    paths = [
        hour(tmp_path / "1.json.gz", pull(old, "2023-01-01T00:00:00Z")),
        hour(tmp_path / "2.json.gz", pull(new, "2023-01-02T00:00:00Z")),
    ]
    assert read(*paths)[1]["gha_license_id"] is None


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


def test_a_name_taken_again_and_the_table_as_the_archive_reads_it(tmp_path: Path) -> None:
    path = hour(
        tmp_path / "a.json.gz",
        star(1, "Ada/engine", "2023-09-06T12:00:00Z"),
        pull(described(2, "Ada/engine", "trunk"), "2023-09-06T12:30:00Z"),
    )
    gharchive.build([path], tmp_path / "table.parquet")
    listed = pa.Table.from_pylist([{"repo_name": "Ada/engine", "visit_type": "stack_v2"}], schema=sources.REPOSITORY)
    (row,) = repository_table.enrich(listed, str(tmp_path / "table.parquet")).to_pylist()
    assert (row["github_id"], row["default_branch"], row["gha_license_id"]) == (2, "trunk", "MIT")
    assert row["star_events_count"] == 0


def test_events_from_before_2015(tmp_path: Path) -> None:
    """As the hours of 2012 have them: slashes in dates, `repository` in place of `repo`, an owner apart."""
    event = {"type": "WatchEvent", "created_at": "2012/03/11 12:00:00 -0700", "actor": "bors"}
    event |= {"repository": {"id": 5, "name": "engine", "owner": "ada"}, "payload": {"action": "started"}}
    forkee = described(6, "bob/engine") | {"created_at": "2012/03/11 11:59:59 -0700"}
    forked = event | {"type": "ForkEvent", "payload": {"forkee": forkee}}
    path = hour(tmp_path / "a.json.gz", event, forked)
    assert gharchive.read_hour(path).bad_lines == 0
    found = read(path)
    assert (found[5]["repo_name"], found[5]["star_events_count"], found[5]["fork_events_count"]) == ("ada/engine", 1, 1)
    assert found[5]["gha_event_created_at"] == dt.datetime(2012, 3, 11, 19, tzinfo=dt.UTC)
    assert found[6]["gha_created_at"] == dt.datetime(2012, 3, 11, 18, 59, 59, tzinfo=dt.UTC)


def test_events_glued_together_and_runs_of_nul(tmp_path: Path) -> None:
    """2023-05-14-19 holds an event, 1,409 NULs and another event on one line; other hours ``{...}{...}``."""
    one, two, three = (json.dumps(star(number, f"a/{number}")).encode() for number in (1, 2, 3))
    text = json.dumps(pull(described(4, "a/4") | {"description": "}{ in a text, caf\u00e9 \\u0000"})).encode()
    path = hour(
        tmp_path / "a.json.gz",
        one + b"\0" * 1409 + two,
        b"\0" * 50 + three,
        one + two + three,
        one + b"\0" + two + text + three,
        text,
        one + two + b'{"type": "WatchEvent", "cut": ',
        b'{"type": "WatchEvent" oops}' + one,
        b"\0\0",
    )
    found = gharchive.read_hour(path)
    assert (found.lines, found.events, found.bad_lines) == (16, 14, 2)
    rows = {row["full_name"]: row["stars"] for row in found.table.to_pylist()}
    assert rows == {"a/1": 5, "a/2": 4, "a/3": 3, "a/4": 0}
    assert found.table["about"][3]["gha_description"].as_py() == "}{ in a text, café \\u0000"


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


def test_a_build_goes_on_where_it_was_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's hours"
    folder.mkdir()
    events = [pull(described(n, f"a/{n}"), number=n) for n in range(1, 7)]
    for number in range(3):
        hour(folder / f"{number}.json.gz", *events[2 * number : 2 * number + 2], star(1, "a/1"), b"bad")
    whole = gharchive.build([folder], tmp_path / "whole.parquet")
    assert whole == (3, 12, 9, 3, 6)
    read_one, seen = gharchive.read_hour, []

    def stop_at_the_last(path: Path) -> gharchive.Hour:
        seen.append(path.name)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return read_one(path)

    monkeypatch.setattr(gharchive, "read_hour", stop_at_the_last)
    with pytest.raises(KeyboardInterrupt):
        gharchive.build([folder], tmp_path / "again.parquet")
    assert not (tmp_path / "again.parquet").exists()
    assert gharchive.build([folder], tmp_path / "again.parquet") == whole
    assert seen == ["0.json.gz", "1.json.gz", "2.json.gz", "2.json.gz"]
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not list(tmp_path.glob("*.hours"))


@settings(max_examples=15)
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
    assert {repo: [row["star_events_count"], row["fork_events_count"]] for repo, row in found.items()} == expected
