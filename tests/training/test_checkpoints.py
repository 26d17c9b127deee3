"""Checkpoints of a real run, damaged in every way a disk can."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sc2lib.errors import InputError, ParameterError, RunDirectoryError
from sc2lib.training.checkpoints import differences
from sc2lib.training.config import TrainingConfig
from sc2lib.training.run import run
from tests.training.processes import full_disk_at
from tests.training.test_run import results

Make = Callable[..., TrainingConfig]
SIZES = {"steps": 4, "warmup_steps": 1, "checkpoint_every_steps": 2}


def unfinished(configuration: Make) -> tuple[TrainingConfig, Path]:
    """A run that must load its newest checkpoint to go on, and that checkpoint."""
    config = configuration(**SIZES)
    run(config)
    folder = Path(config.run.folder)
    (folder / "finished").unlink()
    return config, folder / "checkpoints" / "step-000000004"


@pytest.mark.parametrize("name", ["__0_0.distcp", ".metadata"])
def test_a_flipped_bit_or_a_missing_end_is_refused_and_the_one_before_is_good(configuration: Make, name: str) -> None:
    config, newest = unfinished(configuration)
    whole = results(config)
    path = newest / name
    good = path.read_bytes()
    middle = len(good) // 2
    for bad in (good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :], good[:-1], b"", None):
        path.unlink(missing_ok=True)
        if bad is not None:
            path.write_bytes(bad)
        with pytest.raises(InputError, match=rf"{newest}: {name} missing or not as written; delete {newest}"):
            run(config)
    for file in newest.iterdir():
        file.unlink()
    newest.rmdir()
    run(config)
    assert results(config) == whole


@pytest.mark.parametrize("name", ["checkpoint.json", "run.json"])
@pytest.mark.parametrize("text", ["{", None])
def test_a_damaged_description_is_refused(configuration: Make, name: str, text: str | None) -> None:
    config, newest = unfinished(configuration)
    (newest / name).unlink()
    if text is not None:
        (newest / name).write_text(text)
    with pytest.raises((InputError, ParameterError), match=str(newest)):
        run(config)


def test_another_shape_is_refused_by_name(configuration: Make) -> None:
    unfinished(configuration)
    with pytest.raises(ParameterError, match=r"model\.hidden_size = 32 \(now 64\)"):
        run(configuration(hidden_size=64, **SIZES))


def test_a_full_disk_leaves_the_last_good_checkpoint(configuration: Make, tmp_path: Path) -> None:
    whole, full = (configuration(tmp_path / name, **SIZES) for name in ("whole", "full"))
    run(whole)
    with full_disk_at(3 * 4 + 1), pytest.raises(RunDirectoryError, match=r"step-000000004.*free some space"):
        run(full)
    assert [path.name for path in (tmp_path / "full" / "checkpoints").iterdir()] == ["step-000000002"]
    run(full)
    assert results(full) == results(whole)


def test_differences_are_named_by_their_path() -> None:
    before = {"a": {"b": 1, "c": [1, 2]}, "d": 3}
    assert differences(before, before) == []
    assert differences(before, {"a": {"b": 2, "c": [1, 2]}}) == ["a.b = 1 (now 2)", "d = 3 (now None)"]
