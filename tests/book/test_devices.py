"""Chapter 12 with its model cut over two processes, on the data of a finished run."""

import shutil
from pathlib import Path

import pytest

from sc2lib.workflow import manifest as manifests
from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import run_chain, select

DEVICES = {"devices": 2, "micro_batch_size": 2}


@pytest.mark.slow
def test_chapter_12_trains_a_model_that_no_process_holds_whole(finished: Path, tmp_path: Path) -> None:
    """The checks before the training need weights to check, and the tables after it a model read from its files."""
    run = RunDirectory(tmp_path / "run")
    shutil.copytree(finished, run.path, ignore=shutil.ignore_patterns("book", ".lock", "1[0-9]_*"))
    assert run_chain(run, "smoke", DEVICES | {"strategy": "fsdp2"}, select(only="12")) == 1
    done = manifests.load(run.stage("12_pretraining"))
    assert done is not None and done.measured["devices"] == 2
    loss, uniform = done.metrics["validation_loss"], done.metrics["uniform_loss"]
    assert done.metrics["initial_loss"] == pytest.approx(uniform + 0.5, abs=0.2) and loss < uniform - 0.5
