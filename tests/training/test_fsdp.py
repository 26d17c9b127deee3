"""What the processes of FSDP2 send, counted in real runs over gloo, and that sending less keeps the losses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sc2lib.training.config import TRAFFIC, TrainingConfig
from tests.training.processes import finish, start_ranks
from tests.training.test_run import results
from tests.training.test_strategies import KILLED, starts

Make = Callable[..., TrainingConfig]
LAYERS = 2
FSDP2: dict[str, Any] = KILLED | {"strategy": "fsdp2", "devices": 2}  # 2 micro-batches a step
MIXED = {"precision": "bf16-mixed"}
SHORT: dict[str, Any] = {"steps": 3, "warmup_steps": 1, "validation_windows": 2, "validate_every_steps": 3}


def finished(config: TrainingConfig, **more: Any) -> TrainingConfig:
    """The same, after its run."""
    assert finish(start_ranks(config, **more)) == [0] * config.run.world
    return config


def sent(configuration: Make, folder: Path, **changes: Any) -> tuple[list[int], list[int]]:
    """Bytes of each tensor gathered and of each scattered in three steps, validation before and after."""
    finished(configuration(folder, **(FSDP2 | SHORT | changes)), count=folder / "sent.json")
    gathered, scattered = json.loads((folder / "sent.json").read_text()).values()
    return gathered, scattered


def test_deferred_gradients_are_scattered_once_a_step(configuration: Make, tmp_path: Path) -> None:
    """Each block's matrices, and the rest, travel as one tensor."""
    gathered, scattered = sent(configuration, tmp_path / "each")
    assert len(scattered) == 3 * 2 * (LAYERS + 1)
    same, once = sent(configuration, tmp_path / "once", defer_gradient_sync=True)
    assert len(once) == 3 * (LAYERS + 1) and sum(once) == sum(scattered) / 2
    assert same == gathered


def test_gathers_in_bf16_halve_the_blocks_alone(configuration: Make, tmp_path: Path) -> None:
    """Norms and embedding come in fp32, and so do the gradients leave."""
    gathered, scattered = sent(configuration, tmp_path / "fp32", **MIXED)
    halved, same = sent(configuration, tmp_path / "bf16", gather_bf16=True, **MIXED)
    rest = max(gathered)  # the embedding is the most of a model as small as this one
    assert halved == [size if size == rest else size / 2 for size in gathered]
    assert same == scattered


@pytest.mark.parametrize("again", [False, True])
def test_weights_that_are_kept_are_gathered_once_a_step(configuration: Make, tmp_path: Path, again: bool) -> None:
    """Each block's matrices came twice in each of two micro-batches, the rest once; passes that are not trained on
    free what they gather, as before. No bit of the run changes."""
    apart, together = (
        finished(
            configuration(folder, keep_gathered=kept, activation_checkpointing=again, **(FSDP2 | SHORT)),
            count=folder / "sent.json",
        )
        for folder, kept in ((tmp_path / "apart", False), (tmp_path / "kept", True))
    )
    (gathered, scattered), (once, same) = (
        json.loads((Path(config.run.folder) / "sent.json").read_text()).values() for config in (apart, together)
    )
    assert len(gathered) - len(once) == 3 * (2 * (2 * LAYERS + 1) - (LAYERS + 1))
    rest = max(gathered)  # the embedding is the most of a model as small as this one
    assert gathered.count(rest) - once.count(rest) == 3 * (2 - 1)
    assert same == scattered
    assert results(apart) == results(together)


@pytest.mark.parametrize(
    "layout",
    [
        {"activation_checkpointing": True},
        pytest.param(
            {"strategy": "fsdp2_tp", "devices": 4, "tensor_parallel_size": 2},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["fsdp2", "fsdp2_tp"],
)
def test_gathers_in_bf16_keep_every_bit(configuration: Make, tmp_path: Path, layout: dict[str, Any]) -> None:
    """Losses, norms of gradients, validation and the trained weights of 50 steps under autocast."""
    fp32, bf16 = (
        finished(configuration(tmp_path / str(flag), gather_bf16=flag, **(FSDP2 | MIXED | layout)))
        for flag in (False, True)
    )
    assert results(fp32) == results(bf16)


def test_with_all_three_a_dead_process_ends_the_others_and_the_run_goes_on_bitwise(
    configuration: Make, tmp_path: Path
) -> None:
    """In the middle of accumulating step 26 of 50, gradients and weights held; then from the checkpoint of step 20."""
    less = FSDP2 | MIXED | dict.fromkeys(TRAFFIC, True)
    whole = finished(configuration(tmp_path / "whole", **less))
    broken = configuration(tmp_path / "broken", **less)
    codes = finish(start_ranks(broken, end=25 * 8 + 4, end_rank=1))
    assert codes[1] == -9 and codes[0] not in (0, None)
    assert starts(finished(broken)) == [21]
    assert results(broken) == results(whole)
