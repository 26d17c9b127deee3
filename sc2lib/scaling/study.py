"""A scaling study: a grid of sizes and token budgets, each cell a training run of its own that is never repeated."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib.corpus.fim import FimRates
from sc2lib.errors import InputError, ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.fit import Runs
from sc2lib.training.callbacks import Report
from sc2lib.training.config import DataConfig, OptimizerConfig, RunConfig, TrainingConfig
from sc2lib.training.run import run

WARMUP = 0.05  # of the steps
FEWEST_STEPS = 4
HEAD_SIZE = 32


# docs: start-grid
@dataclass(frozen=True)
class Cell:
    """One run of the grid: a shape, and the tokens it reads once."""

    layers: int
    width: int
    tokens: int

    @property
    def name(self) -> str:
        """Folder of the run."""
        return f"{self.layers}x{self.width}-{self.tokens}"


def grid(shapes: str, budgets: str) -> list[Cell]:
    """Every shape of "1x16,1x32,2x64" (layers x width) with every number of tokens of "40000,80000"."""
    try:
        pairs = [tuple(int(part) for part in shape.split("x")) for shape in shapes.split(",")]
        tokens = [int(budget) for budget in budgets.split(",")]
        cells = [Cell(layers, width, budget) for layers, width in pairs for budget in tokens]
    except ValueError as error:
        raise ParameterError(
            f"a grid is written like 1x16,2x32 (layers x width) and 40000,80000 (tokens), not {shapes!r}, {budgets!r}"
        ) from error
    if len(set(pairs)) < 2 or len(set(tokens)) < 2:
        raise ParameterError("a scaling study needs at least two shapes and two numbers of tokens")
    return cells
    # docs: end-grid


# docs: start-cell
def shape(knobs: Mapping[str, Any], cell: Cell) -> ModelConfig:
    """The profile's kind of model at the width and depth of a cell: MLP four times as wide, heads of about 32."""
    groups = knobs["num_key_value_heads"]
    return ModelConfig(
        vocab_size=knobs["vocabulary_size"],
        hidden_size=cell.width,
        intermediate_size=4 * cell.width,
        num_hidden_layers=cell.layers,
        num_attention_heads=max(1, cell.width // (HEAD_SIZE * groups)) * groups,
        num_key_value_heads=groups,
        max_position_embeddings=knobs["sequence_length"],
        rope_theta=knobs["rope_theta"],
        tie_word_embeddings=knobs["tie_word_embeddings"],
    )


def configuration(knobs: Mapping[str, Any], cell: Cell, tokens: Path, folder: Path) -> TrainingConfig:
    """The training run of a cell: the recipe of chapter 12, its schedule stretched to the tokens of the cell.

    A cosine must end with its run: a longer one read off halfway looks worse than it is (Hoffmann et al. 2022).
    """
    data = DataConfig(
        train=str(tokens / "train.bin"),
        validation=str(tokens / "validation.bin"),
        tokenizer=str(tokens / "tokenizer.json"),
        sequence_length=knobs["sequence_length"],
        batch_size=knobs["study_batch_size"],
        micro_batch_size=min(knobs["study_batch_size"], knobs["micro_batch_size"]),
        validation_windows=knobs["study_validation_windows"],
        fim=FimRates(0.0, 0.0, 0.0),
        seed=knobs["seed"],
    )
    steps = max(FEWEST_STEPS, cell.tokens // data.tokens_per_step)
    rate = knobs["study_learning_rate"]
    return TrainingConfig(
        model=shape(knobs, cell),
        data=data,
        optimizer=OptimizerConfig(
            steps=steps,
            learning_rate=rate,
            minimum_learning_rate=rate / 10,
            warmup_steps=max(1, int(WARMUP * steps)),
        ),
        run=RunConfig(
            folder=str(folder),
            precision=knobs["precision"],
            threads=knobs["threads"],
            loss_spike_nats=0.0,
            validate_every_steps=steps,
            checkpoint_every_steps=max(knobs["checkpoint_every_steps"], 100),
        ),
    )
    # docs: end-cell


# docs: start-study
def study(
    knobs: Mapping[str, Any], cells: Sequence[Cell], tokens: Path, folder: Path, report: Report | None = None
) -> pa.Table:
    """Train every cell, smallest first, below `folder`, and return one row each: its shape, tokens, FLOPs and loss.

    A finished cell is read, not trained again; an interrupted one goes on from its last checkpoint. `tokens` is the
    folder of 09_tokenizer. Raises InputError when a cell would read the training tokens more than once, and
    ParameterError when whole steps make equal what was to differ.
    """
    available = (tokens / "train.bin").stat().st_size // 2
    configurations = {cell: configuration(knobs, cell, tokens, folder / cell.name) for cell in cells}
    read = {config.tokens for config in configurations.values()}
    largest = max(read)
    if largest > available:
        raise InputError(
            f"a cell of {largest:,} tokens would repeat the {available:,} training tokens, and repetition bends the "
            "law; lower study_tokens or raise max_train_bytes"
        )
    asked = {cell.tokens for cell in cells}
    if len(read) < len(asked):
        raise ParameterError(
            f"runs of {', '.join(map(str, sorted(asked)))} tokens would read {', '.join(map(str, sorted(read)))}: "
            f"each takes whole steps, {FEWEST_STEPS} at least; set study_tokens further apart, or lower "
            "study_batch_size or sequence_length"
        )
    rows = []
    for number, cell in enumerate(sorted(cells, key=lambda cell: cell.tokens * cell.layers * cell.width)):
        config = configurations[cell]
        if report:
            report(f"scaling study, {cell.name}", number, len(cells))
        done = run(config)
        shutil.rmtree(done.folder / "checkpoints", ignore_errors=True)
        metrics = done.metrics().to_pylist()
        flops = config.tokens * config.model.flops_per_token(config.data.sequence_length)
        rows.append(
            {
                "layers": cell.layers,
                "hidden_size": cell.width,
                "parameters": config.model.parameter_count(),
                "tokens": config.tokens,
                "flops": flops,
                "loss": [row["loss"] for row in metrics if row["split"] == "validation"][-1],
            }
        )
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["parameters"], row["tokens"])))
    # docs: end-study


def runs_of(table: pa.Table) -> Runs:
    """The study as the arrays that a law is fitted to."""
    return Runs(*(table[name].to_numpy().astype(np.float64) for name in ("parameters", "tokens", "loss")))
