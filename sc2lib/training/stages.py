"""From the knobs of a profile to the configuration of a training stage."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sc2lib.corpus.fim import FimRates
from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.training.config import DataConfig, OptimizerConfig, RunConfig, TrainingConfig

MACHINE = (
    "devices",
    "nodes",
    "strategy",
    "tensor_parallel_size",
    "precision",
    "threads",
    "checkpoint_every_steps",
    "asynchronous_checkpoints",
    "loss_spike_nats",
    "activation_checkpointing",
    "defer_gradient_sync",
    "gather_bf16",
    "keep_gathered",
)


# docs: start-first-stage
def first_stage(knobs: Mapping[str, Any], tokens: Path, folder: Path, documents: Path | None = None) -> TrainingConfig:
    """Chapter 12. `tokens` is the folder of 09_tokenizer, `folder` takes the files of the run.

    `documents` is the folder of that table of 08_formatting_and_mixture, for the names of files.
    """
    optimizer = OptimizerConfig(
        steps=knobs["training_steps"],
        learning_rate=knobs["learning_rate"],
        minimum_learning_rate=knobs["learning_rate"] / 10,
        warmup_steps=knobs["warmup_steps"],
        schedule=knobs["learning_rate_schedule"],
        z_loss=knobs["z_loss"],
    )
    sizes = (knobs["batch_size"], knobs["micro_batch_size"], knobs["validation_windows"])
    return TrainingConfig(
        model=ModelConfig.from_knobs(knobs),
        data=_data(knobs, tokens, knobs["sequence_length"], *sizes, documents),
        optimizer=optimizer,
        run=_run(knobs, folder, knobs["validate_every_steps"]),
    )


# docs: end-first-stage


# docs: start-second-stage
def second_stage(
    knobs: Mapping[str, Any],
    first: ModelConfig,
    weights: Path,
    tokens: Path,
    folder: Path,
    documents: Path | None = None,
) -> TrainingConfig:
    """Chapter 13, from the model of the first stage, whose weights lie in the folder `weights`.

    The length, the window and the RoPE base change, and the windows come in another order.
    """
    length = knobs["long_sequence_length"]
    model = first.replace(
        max_position_embeddings=length, rope_theta=knobs["long_rope_theta"], sliding_window=knobs["sliding_window"]
    )
    machine = {**knobs, "activation_checkpointing": knobs["long_activation_checkpointing"]}
    run = _run(machine, folder, max(1, knobs["long_training_steps"] // 4), long_sample=True)
    held_out = min(max(8, run.data_parallel_size), knobs["long_validation_windows"])
    sizes = (knobs["long_batch_size"], knobs["long_micro_batch_size"], held_out)
    optimizer = OptimizerConfig(
        steps=knobs["long_training_steps"],
        learning_rate=knobs["long_learning_rate"],
        minimum_learning_rate=knobs["long_learning_rate"] / 10,
        warmup_steps=knobs["long_warmup_steps"],
        schedule=knobs["learning_rate_schedule"],
        z_loss=knobs["z_loss"],
    )
    own = {"seed": knobs["seed"] + 1, "skip_samples": knobs["long_skip_samples"]}
    return TrainingConfig(
        model=model,
        data=_data({**knobs, **own}, tokens, length, *sizes, documents),
        optimizer=optimizer,
        run=run,
        initial_model=str(weights),
    )


# docs: end-second-stage


def check_stages(knobs: Mapping[str, Any], both: bool = True) -> None:
    """Build both trainings, or the first, on folders that are not there; raise ParameterError for what chapters 12 and
    13 refuse."""
    nowhere, chapter = Path("nowhere"), "12"
    try:
        first = first_stage(knobs, nowhere, nowhere)
        chapter = "13"
        if both:
            second_stage(knobs, first.model, nowhere, nowhere, nowhere)
    except ParameterError as error:
        raise ParameterError(f"chapter {chapter} would refuse these settings: {error}") from error


def _data(
    knobs: Mapping[str, Any],
    tokens: Path,
    length: int,
    batch: int,
    micro: int,
    held_out: int,
    documents: Path | None,
) -> DataConfig:
    return DataConfig(
        train=str(tokens / "train.bin"),
        validation=str(tokens / "validation.bin"),
        tokenizer=str(tokens / "tokenizer.json"),
        sequence_length=length,
        batch_size=batch,
        micro_batch_size=micro,
        validation_windows=held_out,
        fim=FimRates(knobs["fim_rate"], knobs["fim_fragment_rate"], knobs["fim_spm_rate"]),
        seed=knobs["seed"],
        document_mask=knobs["document_mask"],
        token_index=str(tokens / "token_index"),
        documents=None if documents is None else str(documents),
        loader_workers=knobs["loader_workers"],
        skip_samples=knobs["skip_samples"],
    )


def _run(knobs: Mapping[str, Any], folder: Path, validate_every_steps: int, long_sample: bool = False) -> RunConfig:
    machine = {name: knobs[name] for name in MACHINE}
    samples = {"sample_tokens": knobs["sample_tokens"], "long_sample": long_sample}
    return RunConfig(folder=str(folder), validate_every_steps=validate_every_steps, **samples, **machine)
