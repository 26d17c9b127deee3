from collections.abc import Callable
from pathlib import Path

import pytest

from sc2lib.errors import InputError, ParameterError
from sc2lib.training.config import TrainingConfig
from sc2lib.training.stages import first_stage, second_stage
from sc2lib.workflow import profiles

Make = Callable[..., TrainingConfig]


def test_round_trip_through_json(configuration: Make, tmp_path: Path) -> None:
    config = configuration(sliding_window=16)
    config.save(tmp_path / "training.json")
    assert TrainingConfig.load(tmp_path / "training.json") == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 5}, "take 6"),
        ({"batch_size": 6, "devices": 2, "strategy": "ddp"}, "multiple of 4"),
        ({"sequence_length": 128}, "max_position_embeddings 64"),
        ({"warmup_steps": 12}, "warmup_steps must lie in 0..11"),
        ({"minimum_learning_rate": 1.0}, "between 0 and the peak"),
        ({"gradient_clip": 0.0}, "gradient_clip must be positive"),
        ({"beta2": 1.0}, "beta2"),
        ({"strategy": "dpp"}, "choose auto, single, ddp"),
        ({"strategy": "single", "devices": 2}, "use ddp"),
        ({"log_every_steps": 3}, "multiple of log_every_steps 3"),
        ({"micro_batch_size": 0}, "at least 1"),
    ],
)
def test_what_cannot_work_is_refused(configuration: Make, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        configuration(**changes)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"strategy": "fsdp2"}, "take single"),
        ({"strategy": "ddp", "devices": 4, "tensor_parallel_size": 2}, "take fsdp2_tp"),
        ({"strategy": "fsdp2_tp", "devices": 4, "tensor_parallel_size": 3}, "does not divide the 4 devices"),
        ({"strategy": "tp", "devices": 2, "nodes": 2}, "take fsdp2_tp for 2 groups"),
        ({"strategy": "fsdp2_tp", "devices": 2}, "is tp; take that"),
        ({"strategy": "tp", "devices": 4}, "num_key_value_heads 2 cannot be shared by 4.*tensor_parallel_size 2"),
        ({"strategy": "tp", "devices": 3}, "tensor_parallel_size 1, that is strategy fsdp2"),
        ({"strategy": "fsdp2", "devices": 8}, "multiple of 16"),
        ({"strategy": "ddp", "devices": 2, "validation_windows": 1}, "take at least 2"),
        ({"strategy": "ddp", "devices": 2, "defer_gradient_sync": True}, "set defer_gradient_sync to false"),
        ({"strategy": "tp", "devices": 2, "gather_bf16": True}, "set gather_bf16 to false"),
        ({"strategy": "ddp", "devices": 2, "keep_gathered": True}, "set keep_gathered to false"),
        ({"strategy": "fsdp2", "devices": 2, "gather_bf16": True}, "32-true computes with; take bf16-mixed"),
    ],
)
def test_layouts_that_cannot_work_are_refused(configuration: Make, layout: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        configuration(**layout)


def test_processes_of_one_group_read_the_same_data(configuration: Make) -> None:
    run = configuration(strategy="fsdp2_tp", devices=4, nodes=2, tensor_parallel_size=2, batch_size=8).run
    assert (run.world, run.tensor_parallel_degree, run.data_parallel_size) == (8, 2, 4)
    run = configuration(strategy="tp", devices=2).run
    assert (run.tensor_parallel_degree, run.data_parallel_size) == (2, 1)


@pytest.mark.parametrize("name", profiles.names())
def test_both_stages_of_every_profile_can_be_dealt_out_to_its_devices(name: str, tmp_path: Path) -> None:
    knobs = profiles.load(name)
    first = first_stage(knobs, tmp_path, tmp_path)
    second = second_stage(knobs, first.model, tmp_path, tmp_path, tmp_path)
    assert first.run.world == second.run.world == {"paper-3b": 160, "paper-7b": 432, "paper-15b": 1024}.get(name, 1)


def test_each_stage_says_for_itself_whether_its_blocks_are_recomputed(tmp_path: Path) -> None:
    knobs = profiles.load("paper-15b", {"activation_checkpointing": False, "long_activation_checkpointing": True})
    first = first_stage(knobs, tmp_path, tmp_path)
    second = second_stage(knobs, first.model, tmp_path, tmp_path, tmp_path)
    assert (first.run.activation_checkpointing, second.run.activation_checkpointing) == (False, True)


def test_the_second_stage_takes_over_what_the_profile_says_once(tmp_path: Path) -> None:
    knobs = profiles.load("smoke", {"z_loss": 1e-4, "learning_rate_schedule": "wsd", "loader_workers": 3})
    first = first_stage(knobs, tmp_path, tmp_path)
    second = second_stage(knobs, first.model, tmp_path, tmp_path, tmp_path)
    for stage in (first, second):
        assert (stage.optimizer.z_loss, stage.optimizer.schedule, stage.data.loader_workers) == (1e-4, "wsd", 3)
        assert stage.run.sample_tokens == knobs["sample_tokens"] > 0
    assert (first.run.long_sample, second.run.long_sample) == (False, True)


def test_a_run_on_many_devices_can_be_checked_on_one(configuration: Make) -> None:
    """The same samples and widths, so that a check of the smaller model speaks for the larger one."""
    less = {"defer_gradient_sync": True, "keep_gathered": True}
    config = configuration(strategy="fsdp2", devices=2, num_hidden_layers=3, **less)
    one = config.on_one_device(1)
    assert (one.run.world, one.run.sharded, one.data, one.optimizer) == (1, False, config.data, config.optimizer)
    assert one.model == config.model.replace(num_hidden_layers=1)
    assert config.on_one_device(8).model == config.model


def test_identity_changes_with_losses_only(configuration: Make, tmp_path: Path) -> None:
    same = {configuration(tmp_path / "a"), configuration(tmp_path / "b", micro_batch_size=4, threads=2)}
    other = [configuration(seed=8), configuration(steps=13), configuration(rope_theta=1e4)]
    other += [configuration(precision="bf16-mixed")]
    assert len({config.identity() for config in same}) == 1
    assert len({config.identity() for config in [*same, *other]}) == 5


def test_bad_files_are_named(tmp_path: Path, configuration: Make) -> None:
    with pytest.raises(InputError, match=r"none\.json"):
        TrainingConfig.load(tmp_path / "none.json")
    values = configuration().to_dict()
    values["optimizer"]["momentum"] = 0.9
    with pytest.raises(ParameterError, match="has no momentum"):
        TrainingConfig.from_dict(values)
