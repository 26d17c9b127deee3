"""Checkpoints written while the training goes on: the same files, and nothing lost that a waiting run would keep."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sc2lib.errors import RunDirectoryError
from sc2lib.training import state
from sc2lib.training.config import TrainingConfig
from sc2lib.training.run import run
from sc2lib.training.state import StateWriter, read_state
from tests.training.processes import ending_at, finish, full_disk_at, start_ranks
from tests.training.test_run import results

Make = Callable[..., TrainingConfig]
SIZES = {"steps": 8, "warmup_steps": 1, "checkpoint_every_steps": 2}


def hashes(config: TrainingConfig) -> list[dict[str, str]]:
    """Those of the tensors of every checkpoint that stays; PyTorch's table of contents names the folder."""
    folders = sorted((Path(config.run.folder) / "checkpoints").iterdir())
    found = [json.loads((folder / "checkpoint.json").read_text())["sha256"] for folder in folders]
    assert all(each.pop(".metadata") for each in found)
    return found


def test_a_state_is_written_as_it_was_when_writing_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weight, changed = torch.arange(1000.0), threading.Event()
    own_hashes = state._own_hashes

    def after_the_change(folder: Path) -> dict[str, str]:
        assert changed.wait(30)
        return own_hashes(folder)

    monkeypatch.setattr(state, "_own_hashes", after_the_change)
    writer = StateWriter(background=True)
    writer.begin(tmp_path / "state", {"weight": weight}, {"step": 3})
    weight += 1
    assert not writer.done
    changed.set()
    writer.finish()
    read = {"weight": torch.zeros(1000)}
    assert read_state(tmp_path / "state", read) == {"step": 3}
    assert torch.equal(read["weight"], torch.arange(1000.0))


def test_the_run_goes_on_meanwhile_and_ends_with_the_same_bytes(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint, of step 2, is not written before a sample of step 4 is read."""
    waiting = configuration(tmp_path / "waiting", **SIZES)
    background = configuration(tmp_path / "background", asynchronous_checkpoints=True, **SIZES)
    run(waiting)
    reached, own_hashes, writes = threading.Event(), state._own_hashes, []

    def late(folder: Path) -> dict[str, str]:
        writes.append(reached.wait(30))
        return own_hashes(folder)

    monkeypatch.setattr(state, "_own_hashes", late)
    with ending_at(3 * 4, reached.set):
        run(background)
    assert writes == [True] * 4
    assert results(background) == results(waiting)
    assert hashes(background) == hashes(waiting)


def test_processes_write_in_the_background_together(configuration: Make, tmp_path: Path) -> None:
    sizes = SIZES | {"devices": 2, "strategy": "fsdp2", "batch_size": 8, "validation_windows": 8}
    waiting = configuration(tmp_path / "waiting", **sizes)
    background = configuration(tmp_path / "background", asynchronous_checkpoints=True, **sizes)
    for config in (waiting, background):
        assert finish(start_ranks(config)) == [0, 0]
    assert results(background) == results(waiting)
    assert hashes(background) == hashes(waiting)


def test_a_kill_while_one_is_written_leaves_the_one_before(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes die in step 6, with step 4 begun and never hashed; they go on from step 2 to the same bytes."""
    sizes = SIZES | {"devices": 2, "strategy": "ddp", "batch_size": 8, "asynchronous_checkpoints": True}
    whole, killed = (configuration(tmp_path / name, **sizes) for name in ("whole", "killed"))
    assert finish(start_ranks(whole)) == [0, 0]
    own_hashes = state._own_hashes

    def stuck_at_the_second(folder: Path) -> dict[str, str]:
        return own_hashes(folder) if folder.name.endswith("2") else threading.Event().wait() or {}

    monkeypatch.setattr(state, "_own_hashes", stuck_at_the_second)
    assert finish(start_ranks(killed, end=5 * 8)) == [-9, -9]
    names = {path.name for path in (tmp_path / "killed" / "checkpoints").iterdir()}
    assert names == {"step-000000002", ".tmp-step-000000004"}
    monkeypatch.undo()
    assert finish(start_ranks(killed)) == [0, 0]
    assert results(killed) == results(whole)


def test_a_full_disk_is_told_and_leaves_the_last_good_checkpoint(configuration: Make, tmp_path: Path) -> None:
    sizes = SIZES | {"asynchronous_checkpoints": True}
    whole, full = (configuration(tmp_path / name, **sizes) for name in ("whole", "full"))
    run(whole)
    with full_disk_at(3 * 4 + 1), pytest.raises(RunDirectoryError, match=r"step-00000000.*free some space"):
        run(full)
    run(full)
    assert results(full) == results(whole)
