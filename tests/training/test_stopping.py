"""A real signal during training: a checkpoint of that step, and a run that ends as if nothing had happened."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sc2lib.errors import StoppedError
from sc2lib.training.config import TrainingConfig
from sc2lib.training.run import run
from sc2lib.training.stopping import MARK
from sc2lib.workflow import stopping
from tests.training.test_run import results, rows

Make = Callable[..., TrainingConfig]


def signal_after(config: TrainingConfig, row: int, number: int) -> None:
    """Send this process a signal as soon as the metrics have that many rows."""

    def watch() -> None:
        while rows(config) < row:
            time.sleep(0.001)
        os.kill(os.getpid(), number)

    threading.Thread(target=watch, daemon=True).start()


def test_a_signal_saves_and_the_run_goes_on_to_the_same_bytes(configuration: Make, tmp_path: Path) -> None:
    sizes = {"steps": 40, "validate_every_steps": 20, "checkpoint_every_steps": 40}
    whole, stopped = configuration(tmp_path / "whole", **sizes), configuration(tmp_path / "stopped", **sizes)
    run(whole)
    for number, row in zip(stopping.SIGNALS, (5, 18), strict=True):
        before = signal.getsignal(number)
        signal_after(stopped, row, number)
        with pytest.raises(StoppedError, match="the same command goes on"):
            run(stopped)
        assert signal.getsignal(number) == before and not stopping.requested()
        saved = max((tmp_path / "stopped" / "checkpoints").iterdir())
        assert saved.name < "step-000000040" and not (tmp_path / "stopped" / "finished").exists()
        assert f"after step {int(saved.stem.split('-')[1])} " in (tmp_path / "stopped" / MARK).read_text()
    run(stopped)
    assert results(stopped) == results(whole)


def test_a_request_of_the_runner_stops_after_one_step(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = tmp_path / ".stop"
    request.touch()
    monkeypatch.setenv(stopping.VARIABLE, str(request))
    config = configuration(tmp_path / "run", steps=4, warmup_steps=1)
    with pytest.raises(StoppedError, match="after step 1 of 4"):
        run(config)
    request.unlink()
    assert run(config).metrics()["step"].to_pylist() == [0, 1, 2, 3, 4, 4]
