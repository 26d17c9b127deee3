"""The same training whatever the model is cut into: losses, weights and checkpoints of real runs over gloo."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from sc2lib.training.config import TRAFFIC, TrainingConfig
from sc2lib.training.metrics import read_metrics
from sc2lib.training.module import Pretraining
from sc2lib.training.run import run
from sc2lib.training.run_folder import TrainingRun
from sc2lib.training.samples import PROMPTS, long_prompt, written
from tests.training.processes import finish, start_ranks
from tests.training.test_run import results

Make = Callable[..., TrainingConfig]
SIZES = {
    "steps": 50,
    "batch_size": 8,
    "validation_windows": 7,  # an odd number: one of two processes sees its last window twice
    "validate_every_steps": 25,
    "checkpoint_every_steps": 50,
    "sample_tokens": 8,
}
KILLED = SIZES | {"checkpoint_every_steps": 10}
WHOLE = {"micro_batch_size": 8}  # one process does not accumulate, which some of the others do


def assert_same(one: TrainingConfig, other: TrainingConfig) -> None:
    """Equal rows and samples, losses within 1e-5, and as good as equal weights."""
    a, b = (read_metrics(Path(config.run.folder) / "metrics.csv") for config in (one, other))
    exact = ["step", "tokens", "epoch", "split", "label", "targets", "learning_rate"]
    assert a.select(exact).equals(b.select(exact))
    for name in ("loss", "bits_per_byte", "grad_norm"):
        for x, y in zip(a[name].to_pylist(), b[name].to_pylist(), strict=True):
            assert x == y or x == pytest.approx(y, abs=1e-5)
    first, second = (samples(config) for config in (one, other))
    assert [(row["step"], row["before"]) for row in first] == [(row["step"], row["before"]) for row in second]
    # The same weights write the same. Those after a training differ in the last bits, which may turn a token round.
    assert first[: len(PROMPTS)] == second[: len(PROMPTS)]
    before, after = (load_file(Path(config.run.folder) / "model" / "model.safetensors") for config in (one, other))
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert torch.allclose(tensor, after[name], atol=1e-4), name


def samples(config: TrainingConfig) -> list[dict[str, Any]]:
    """What the model wrote."""
    return TrainingRun(config).samples().to_pylist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the runs lie that several tests look at."""
    return tmp_path_factory.mktemp("strategies")


@pytest.fixture
def single(configuration: Make, folder: Path) -> TrainingConfig:
    """A finished run of one process, made once."""
    config = configuration(folder / "single", **(SIZES | WHOLE))
    run(config)
    return config


@pytest.fixture
def fsdp2(configuration: Make, folder: Path) -> TrainingConfig:
    """A finished run of two processes, made once."""
    config = configuration(folder / "fsdp2", devices=2, strategy="fsdp2", **SIZES)
    if not (folder / "fsdp2" / "finished").exists():
        assert finish(start_ranks(config)) == [0, 0]
    return config


def starts(config: TrainingConfig) -> list[int]:
    """The steps at which the processes that made a run, one after the other, went on."""
    rows = (Path(config.run.folder) / "speed.csv").read_text().splitlines()[1:]
    steps = [int(row.partition(",")[0]) for row in rows]
    return [after for before, after in zip([0, *steps], steps, strict=False) if after != before + 1]


def test_fsdp2_equals_one_process(single: TrainingConfig, fsdp2: TrainingConfig) -> None:
    assert_same(single, fsdp2)


@pytest.mark.parametrize(
    "layout",
    [
        {"strategy": "ddp", "devices": 2},
        {"strategy": "tp", "devices": 2, "micro_batch_size": 8},  # fewer, larger parts: the cut costs CPU per operation
        {"strategy": "fsdp2", "devices": 2, "micro_batch_size": 1, "defer_gradient_sync": True},
        {"strategy": "fsdp2", "devices": 2, "micro_batch_size": 1, "keep_gathered": True},
        pytest.param(
            {"strategy": "fsdp2_tp", "devices": 4, "tensor_parallel_size": 2, "micro_batch_size": 4},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"strategy": "fsdp2_tp", "devices": 4, "tensor_parallel_size": 2}
            | {"defer_gradient_sync": True, "keep_gathered": True},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda layout: "-".join([layout["strategy"], *(name for name in TRAFFIC if name in layout)]),
)
def test_other_cuts_equal_one_process(
    configuration: Make, tmp_path: Path, single: TrainingConfig, layout: dict[str, Any]
) -> None:
    config = configuration(tmp_path / "cut", **(SIZES | layout))
    assert finish(start_ranks(config)) == [0] * config.run.world
    assert_same(single, config)


def test_a_dead_process_ends_the_others_and_the_run_goes_on_bitwise(
    configuration: Make, tmp_path: Path, fsdp2: TrainingConfig
) -> None:
    """In the middle of accumulating step 26 of 50; then from the checkpoint of step 20."""
    config = configuration(tmp_path / "broken", devices=2, strategy="fsdp2", **KILLED)
    codes = finish(start_ranks(config, end=25 * 8 + 4, end_rank=1))
    assert codes[1] == -9 and codes[0] not in (0, None)
    assert finish(start_ranks(config)) == [0, 0]
    assert starts(config) == [21]
    assert results(config) == results(fsdp2)
    assert samples(config) == samples(fsdp2)  # those of step 25 were written twice


@pytest.mark.parametrize("strategy", ["fsdp2", "tp"])
def test_samples_change_nothing_else(configuration: Make, tmp_path: Path, held_out_index: str, strategy: str) -> None:
    """The long one among them; and a model that is cut writes what it would write whole."""
    few = {"steps": 6, "warmup_steps": 1, "validate_every_steps": 2, "devices": 2, "strategy": strategy}
    few |= {"token_index": held_out_index}
    writing = configuration(tmp_path / "writing", sample_tokens=8, long_sample=True, **few)
    silent = configuration(tmp_path / "silent", **few)
    for config in (writing, silent):
        assert finish(start_ranks(config)) == [0, 0]
    assert results(writing) == results(silent)
    assert len(samples(writing)) == 4 * (len(PROMPTS) + 1) and not samples(silent)
    whole = Pretraining(writing.on_one_device(layers=9))
    long = long_prompt(writing.data, whole.tokenizer, 64 - 8)
    assert long is not None
    assert [samples(writing)[len(PROMPTS)]["text"]] == written(
        whole.model, whole.tokenizer, 8, writing.data.seed, [long]
    )


def test_a_checkpoint_goes_on_with_any_processes(configuration: Make, tmp_path: Path, single: TrainingConfig) -> None:
    """One process to step 13, two of tp to 25, two of fsdp2 to 38, all killed there; one process to the end."""
    whole = configuration(tmp_path / "relay", **(KILLED | WHOLE))
    cut = [
        configuration(tmp_path / "relay", devices=2, strategy=strategy, **(KILLED | {"micro_batch_size": size}))
        for strategy, size in (("tp", 8), ("fsdp2", 4))
    ]
    for config, step in zip((whole, *cut), (13, 25, 38), strict=True):
        assert finish(start_ranks(config, end=step * 8)) == [-9] * config.run.world
    run(whole)
    assert starts(whole) == [11, 21, 31]
    assert_same(single, whole)
