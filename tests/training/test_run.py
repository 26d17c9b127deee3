"""A run on real tokens: what it leaves, that it learns, and that it ends the same however often it is killed."""

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sc2lib.errors import ParameterError
from sc2lib.files import sha256
from sc2lib.model.attention import AttentionPlan
from sc2lib.model.transformer import Starcoder2
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TrainingSamples
from sc2lib.training.run import run, train
from tests.training.processes import start

Make = Callable[..., TrainingConfig]


def results(config: TrainingConfig) -> tuple[str, bytes]:
    """Hash of the weights and bytes of the metrics."""
    folder = Path(config.run.folder)
    return sha256(folder / "model" / "model.safetensors"), (folder / "metrics.csv").read_bytes()


def rows(config: TrainingConfig) -> int:
    """Rows of the metrics so far."""
    path = Path(config.run.folder) / "metrics.csv"
    return path.read_text().count("\n") - 1 if path.exists() else 0


def test_a_run_learns_and_leaves_a_model_and_metrics(configuration: Make) -> None:
    done = run(configuration(steps=30, validate_every_steps=10))
    table = done.metrics().to_pylist()
    train = [row for row in table if row["split"] == "train"]
    validation = [row for row in table if row["split"] == "validation"]
    assert [row["step"] for row in train] == list(range(1, 31))
    assert [row["step"] for row in validation] == [0, 10, 20, 30]
    assert validation[0]["loss"] == pytest.approx(math.log(512) + 0.5, abs=0.1)  # logits of variance 1
    assert validation[-1]["loss"] < validation[0]["loss"] - 0.8
    assert train[-1]["tokens"] == 30 * 4 * 64
    assert train[0]["learning_rate"] == pytest.approx(1e-3) and train[-1]["learning_rate"] == pytest.approx(3e-4)
    assert Starcoder2.from_pretrained(done.model).config == done.config.model
    speed, steps = done.speed(), done.steps(peak_flops=1e9).to_pydict()
    assert steps["step"] == list(range(1, 31)) and steps["tokens"] == [row["tokens"] for row in train]
    assert steps["epoch"] == pytest.approx([row["epoch"] for row in train])
    assert np.median(steps["tokens_per_second"]) == pytest.approx(speed["tokens_per_second"], rel=0.3)
    cost = done.config.model.flops_per_token(64)
    assert steps["mfu_causal"] == pytest.approx([rate * cost / 1e9 for rate in steps["tokens_per_second"]])
    assert all(causal < dense for causal, dense in zip(steps["mfu_causal"], steps["mfu_dense"], strict=True))
    assert min(steps["memory_bytes"]) > 50e6


def test_a_finished_run_is_not_repeated(configuration: Make) -> None:
    config = configuration(steps=4, warmup_steps=1)
    run(config)
    weights = Path(config.run.folder) / "model" / "model.safetensors"
    before = weights.stat().st_mtime_ns
    assert run(config).metrics().num_rows and weights.stat().st_mtime_ns == before


# More tokens than one block of queries: in bf16 the products of `sc2lib.model.attention.products` compute attention.
LONG = {"precision": "bf16-mixed", "sequence_length": 160, "max_position_embeddings": 160, "validation_windows": 4}


@pytest.mark.parametrize("sizes", [{}, LONG | {"sliding_window": 50}, LONG | {"document_mask": True}])
def test_stopping_and_going_on_equals_never_stopping(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: dict[str, Any]
) -> None:
    """N steps, an error in the middle of accumulation and of an epoch, and M more are bitwise N + M steps."""
    whole, broken = (configuration(tmp_path / name, **sizes) for name in ("whole", "broken"))
    asked = AttentionPlan.build
    taken: set[str] = set()

    def noted(*values: Any, **more: Any) -> AttentionPlan:
        plan = asked(*values, **more)
        taken.add(plan.backend)
        return plan

    monkeypatch.setattr(AttentionPlan, "build", noted)
    run(whole)
    assert taken == {"products" if sizes else "sdpa"}
    read = TrainingSamples.__getitem__

    def failing(self: TrainingSamples, sample: int):  # type: ignore[no-untyped-def]
        if sample == 6 * 4 + 3:
            raise KeyboardInterrupt
        return read(self, sample)

    monkeypatch.setattr(TrainingSamples, "__getitem__", failing)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(broken)
    assert not (tmp_path / "broken" / "finished").exists()
    monkeypatch.undo()
    run(broken)
    assert results(broken) == results(whole)


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_nothing(configuration: Make, tmp_path: Path) -> None:
    sizes = {"steps": 40, "checkpoint_every_steps": 2, "batch_size": 16}
    whole, killed = (configuration(tmp_path / name, **sizes) for name in ("whole", "killed"))
    run(whole)
    random_rows = random.Random(3)
    for target in sorted(random_rows.sample(range(1, 40), 2)):
        process = start(killed)
        while process.is_alive() and rows(killed) < target:
            time.sleep(0.001)
        process.kill()
        process.join()
        assert not (tmp_path / "killed" / "finished").exists()
    last = start(killed)
    last.join()
    assert last.exitcode == 0
    assert results(killed) == results(whole)


def test_checkpoints_of_another_run_are_refused(configuration: Make, tmp_path: Path) -> None:
    run(configuration(tmp_path / "run", steps=4, warmup_steps=1))
    with pytest.raises(ParameterError, match=r"optimizer.steps = 4 \(now 8\)"):
        run(configuration(tmp_path / "run", steps=8, warmup_steps=1))


def test_processes_that_read_ahead_change_nothing(configuration: Make, tmp_path: Path) -> None:
    alone, ahead = (configuration(tmp_path / str(count), loader_workers=count) for count in (0, 2))
    assert results(run(alone).config) == results(run(ahead).config)


def test_only_two_checkpoints_stay(configuration: Make, tmp_path: Path) -> None:
    run(configuration(tmp_path / "run"))
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["step-000000008", "step-000000012"]


def test_a_second_stage_starts_from_the_first_one(configuration: Make, tmp_path: Path) -> None:
    first = run(configuration(tmp_path / "first", steps=8, warmup_steps=1))
    config = configuration(
        tmp_path / "second",
        initial_model=str(first.model),
        sequence_length=256,
        max_position_embeddings=256,
        rope_theta=1e6,
        sliding_window=64,
        batch_size=1,
        micro_batch_size=1,
        steps=2,
        warmup_steps=1,
        validation_windows=4,
    )
    second = run(config)
    assert Starcoder2.from_pretrained(second.model).config.sliding_window == 64
    start_loss = second.metrics().to_pylist()[0]["loss"]
    assert start_loss < first.metrics().to_pylist()[0]["loss"]
    with pytest.raises(ParameterError, match="intermediate_size"):
        run(configuration(tmp_path / "other", initial_model=str(first.model), intermediate_size=96))


@pytest.mark.slow
def test_two_processes_equal_one(configuration: Make, tmp_path: Path) -> None:
    """DDP over gloo against one process with the same global batch: losses within 1e-5 over 20 steps."""
    sizes = {"steps": 20, "batch_size": 8, "validate_every_steps": 10, "checkpoint_every_steps": 10}
    one = run(configuration(tmp_path / "one", **sizes)).metrics()
    two = run(configuration(tmp_path / "two", devices=2, strategy="ddp", **sizes)).metrics()
    assert one.drop_columns(["loss", "bits_per_byte", "grad_norm"]).equals(
        two.drop_columns(["loss", "bits_per_byte", "grad_norm"])
    )
    for a, b in zip(one["loss"].to_pylist(), two["loss"].to_pylist(), strict=True):
        assert a == pytest.approx(b, abs=1e-5)


def test_more_devices_than_gpus_are_refused(configuration: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ParameterError, match=r"devices 4 on a machine where PyTorch sees 2 GPU"):
        train(configuration(accelerator="auto", devices=4, strategy="ddp", batch_size=8))
