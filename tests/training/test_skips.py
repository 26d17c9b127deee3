"""The order of samples with holes, against a list of all samples."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.errors import ParameterError
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import MicroBatches, TrainingSamples
from sc2lib.training.lineage import Lineage
from sc2lib.training.run import run
from sc2lib.training.run_folder import TrainingRun
from sc2lib.training.skips import Skips
from sc2lib.training.stages import first_stage, second_stage
from sc2lib.workflow import profiles
from tests.training.processes import Broken, ending_at, interrupt
from tests.training.test_run import results

Make = Callable[..., TrainingConfig]
RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda pair: (pair[0], sum(pair))), max_size=4)


def text_of(ranges: list[tuple[int, int]]) -> str:
    return ",".join(f"{first}-{last}" for first, last in ranges)


def naive(ranges: list[tuple[int, int]], count: int) -> list[int]:
    """The first `count` samples in no range, one by one."""
    left = (k for k in itertools.count() if not any(first <= k <= last for first, last in ranges))
    return list(itertools.islice(left, count))


@given(RANGES)
def test_what_is_skipped_is_not_read_and_everything_else_is_in_order(ranges: list[tuple[int, int]]) -> None:
    skips = Skips.parse(text_of(ranges))
    assert [skips.sample(k) for k in range(80)] == naive(ranges, 80)
    assert Skips.parse(str(skips)) == skips
    dealt = [itertools.islice(MicroBatches(8, 2, 1, rank, 2, skips), 6) for rank in range(2)]
    turns = [numbers for turn in zip(*dealt, strict=True) for numbers in turn]
    assert [n for numbers in turns for n in numbers] == naive(ranges, 32)[8:], "two processes, from step 1 on"


@given(RANGES, RANGES, st.integers(0, 80))
def test_two_lists_agree_on_what_was_read(one: list, other: list, count: int) -> None:
    expected = naive(one, count) == naive(other, count)
    assert Skips.parse(text_of(one)).agrees(Skips.parse(text_of(other)), count) == expected


@pytest.mark.parametrize("text", ["7", "9-3", "a-b", "-3-4", "1-2,,3-4", "1-2;3-4"])
def test_what_is_no_range_is_named(text: str, configuration: Make) -> None:
    with pytest.raises(ParameterError, match=r"is no range of samples; write FIRST-LAST"):
        configuration(skip_samples=text)


def test_ranges_that_meet_become_one() -> None:
    assert str(Skips.parse("8-9, 1-3").and_from(4, 5)) == "1-5,8-9"
    assert str(Skips()) == "" and Skips.parse(None) == Skips.parse("") == Skips()


def test_a_run_goes_on_without_samples_that_it_has_not_read(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bytes of a run that skipped them from the start; what a checkpoint has learnt from cannot be skipped."""
    skipping = {"skip_samples": "26-29"}
    whole, broken = (configuration(tmp_path / name, **skipping) for name in ("whole", "broken"))
    run(whole)
    with ending_at(6 * 4 + 3, interrupt), pytest.raises(Broken):
        run(configuration(tmp_path / "broken"))
    with pytest.raises(ParameterError, match=r"has read 16 samples .*none.*cannot become 15-17.*from sample 16 on"):
        run(configuration(tmp_path / "broken", skip_samples="15-17"))
    read: list[int] = []
    original = TrainingSamples.__getitem__
    monkeypatch.setattr(TrainingSamples, "__getitem__", lambda self, n: (read.append(n), original(self, n))[1])
    run(broken)
    seen = read[: 8 * 4]  # the loader reads a little ahead
    assert seen == [*range(16, 26), *range(30, 52)]
    assert results(broken) == results(whole)
    assert Lineage.load(tmp_path / "broken" / "checkpoints" / "step-000000012" / "run.json").skip_samples == "26-29"


def test_a_finished_run_is_made_anew_without_the_samples(configuration: Make, tmp_path: Path) -> None:
    sizes = {"steps": 2, "warmup_steps": 1}
    first = TrainingRun(configuration(**sizes))
    run(first.config)
    before = results(first.config)
    run(configuration(skip_samples="0-3", **sizes))
    assert results(first.config) != before
    assert (tmp_path / "run-before-1" / "finished").exists()


def test_each_stage_has_skips_of_its_own(tmp_path: Path) -> None:
    knobs = profiles.load("smoke", {"skip_samples": "1-2", "long_skip_samples": "3-4"})
    first = first_stage(knobs, tmp_path, tmp_path)
    second = second_stage(knobs, first.model, tmp_path, tmp_path, tmp_path)
    assert (str(first.data.skips), str(second.data.skips)) == ("1-2", "3-4")
