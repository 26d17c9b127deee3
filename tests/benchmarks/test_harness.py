"""The harness measures what it says: time, memory, order, and failures."""

import functools
import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.harness import Row, compare, peers_python, report


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _allocate(size: int) -> int:
    block = bytearray(size)
    block[::4096] = b"x" * len(block[::4096])
    time.sleep(0.3)
    return len(block)


def _fail() -> None:
    raise ValueError("on purpose")


@pytest.fixture(scope="module")
def naps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    """A folder with one measurement, in which the other takes a quarter of our time; and its rows."""
    folder = tmp_path_factory.mktemp("naps")
    contenders = {"ours": functools.partial(_sleep, 0.4), "pytest": functools.partial(_sleep, 0.1)}
    return folder, compare("naps", "18", "sleeping", "naps", 1, contenders, repeats=1, folder=folder)


def test_a_ratio_is_the_time_of_the_other_over_ours(naps: tuple[Path, list[Row]]) -> None:
    ours, other = naps[1]
    assert ours["ratio"] == 1
    assert 1 / 5 < other["ratio"] < 1 / 2
    assert other["version"] == pytest.__version__ and ours["version"] is None
    assert "naps: sleeping" in report([ours, other])


def test_memory_is_that_of_the_contender(tmp_path: Path) -> None:
    size = 300 * 2**20
    small, large = compare(
        "blocks",
        "18",
        "allocating",
        "blocks",
        1,
        {"small": functools.partial(_allocate, 4096), "large": functools.partial(_allocate, size)},
        repeats=1,
        folder=tmp_path,
    )
    assert 0.9 * size < large["peak_memory_bytes"] - small["peak_memory_bytes"] < 1.2 * size


def test_rows_of_the_same_measurement_are_replaced(tmp_path: Path) -> None:
    command = {"python": [sys.executable, "-c", "pass"]}
    for what in ("one", "two", "one"):
        compare("starts", "18", what, "starts", 1, command, repeats=1, folder=tmp_path)
    assert [row["what"] for row in json.loads((tmp_path / "starts.json").read_text())] == ["two", "one"]


def test_a_failing_peer_is_left_out_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = {name: [sys.executable, "-c", f"raise SystemExit({code})"] for name, code in (("ours", 0), ("peer", 3))}
    rows = compare("failures", "18", "starts", "starts", 1, commands, repeats=2, folder=tmp_path)
    assert [row["contender"] for row in rows] == ["ours"]
    assert "peer is left out: contender 'peer' ended with status 3" in capsys.readouterr().out


@pytest.mark.parametrize("work", [_fail, [sys.executable, "-c", "raise SystemExit(3)"]])
def test_our_failure_is_an_error_and_writes_nothing(tmp_path: Path, work: object) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        compare("failures", "18", "failing", "calls", 1, {"broken": work}, repeats=1, folder=tmp_path)  # type: ignore[dict-item]
    assert not list(tmp_path.iterdir())


def test_the_summary_says_who_wins(naps: tuple[Path, list[Row]]) -> None:
    from benchmarks.__main__ import summary  # here: the process of every contender imports this module

    assert "18 sleeping: pytest, " in summary(naps[0], ["naps"])
    assert "sleeping" not in summary(naps[0], ["others"])


def test_a_peer_that_fails_once_is_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    once = f"from pathlib import Path; p = Path({str(tmp_path / 'been')!r}); p.exists() or (p.touch(), exit(3))"
    commands = {"ours": [sys.executable, "-c", "pass"], "peer": [sys.executable, "-c", once]}
    rows = compare("crashes", "18", "starts", "starts", 1, commands, repeats=1, folder=tmp_path)
    assert [row["contender"] for row in rows] == ["ours", "peer"]
    assert "peer failed and is tried again" in capsys.readouterr().out


def test_a_peer_without_its_python_is_left_out_aloud(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SC2_X_PYTHON", "/x/bin/python")
    assert peers_python("SC2_X_PYTHON", "X") == "/x/bin/python"
    monkeypatch.delenv("SC2_X_PYTHON")
    assert peers_python("SC2_X_PYTHON", "X") is None
    assert "X is left out: SC2_X_PYTHON" in capsys.readouterr().out
