"""What the model writes while it trains: the same prompts at every validation, kept as a small table."""

import itertools
import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from torch import Tensor

from sc2lib.corpus.fim import FILE_SEPARATOR
from sc2lib.files import write_text
from sc2lib.model.config import ModelConfig
from sc2lib.model.generation import generate
from sc2lib.model.infilling import infilling_prompt
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.token_files import read_tokens
from sc2lib.training.config import DataConfig, TrainingConfig
from sc2lib.training.labels import split_of
from sc2lib.training.module import Pretraining
from sc2lib.training.parallel import agreed
from sc2lib.training.steps import StepCallback, progress_of, validates

# `text` continues `before`, or stands between `before` and `after` where the latter is given.
SAMPLES = pa.schema(
    [
        ("step", pa.int64()),
        ("tokens", pa.int64()),
        ("before", pa.string()),
        ("after", pa.string()),
        ("text", pa.string()),
    ]
)
SAMPLING = {"temperature": 0.8, "top_p": 0.95}


@dataclass(frozen=True)
class Prompt:
    """A beginning, and where it has one, an end: then the model fills the hole between them.

    `tokens` are read for `before` where it holds sentinels, which no text can spell.
    """

    before: str
    after: str | None = None
    tokens: tuple[int, ...] = ()


PROMPTS = (
    Prompt("def __init__(self, "),
    Prompt("import numpy as np\n"),
    Prompt("for i in range("),
    Prompt("def area(width, height):\n    return ", "\n\nprint(area(2, 3))\n"),
    Prompt("for name in ", ":\n    print(name)\n"),
)


# docs: start-write
def written(
    model: Starcoder2,
    tokenizer: Tokenizer,
    tokens: int,
    seed: int,
    prompts: Sequence[Prompt] = PROMPTS,
    agree: Callable[[Tensor], Tensor] | None = None,
) -> list[str]:
    """What the model makes of each prompt in at most `tokens` tokens; the same seed gives each the same random numbers.

    So two texts of a prompt differ by the weights alone. A text ends with its file. `agree`: see `continue_prompts`.
    """
    context, tokens = shared_out(model.config, tokens)
    encoded = [
        (list(one.tokens) or tokenizer.encode(one.before))[-context:]
        if one.after is None
        else infilling_prompt(tokenizer, one.before, one.after, context)
        for one in prompts
    ]
    ends = {tokenizer.end_of_text, tokenizer.token_id(FILE_SEPARATOR)}
    made = generate(model, encoded, tokens, seed=seed, stop_tokens=ends, agree=agree, **SAMPLING)
    return [tokenizer.decode(row) for row in made]
    # docs: end-write


def shared_out(model: ModelConfig, tokens: int) -> tuple[int, int]:
    """The positions that are left for a prompt, and those of at most `tokens` new tokens: half of all, at the most."""
    new = min(tokens, model.max_position_embeddings // 2)
    return model.max_position_embeddings - new, new


def long_prompt(data: DataConfig, tokenizer: Tokenizer, length: int) -> Prompt | None:
    """The first `length` tokens of the first held-out repository that has more of them.

    None where none is so long, or where no token index says which documents are repositories.
    """
    if data.token_index is None:
        return None
    held_out = ds.dataset(data.token_index).to_table(filter=pc.field("split") == "validation")
    for row in split_of(held_out, "validation"):
        if row["source"] == "code" and row["end"] - row["start"] > length:
            tokens = read_tokens(Path(data.validation))[row["start"] : row["start"] + length]
            return Prompt(tokenizer.decode(tokens), tokens=tuple(tokens.tolist()))
    return None


def prompts_of(config: TrainingConfig, tokenizer: Tokenizer) -> list[tuple[Prompt, ...]]:
    """The prompts of a run; those of a tuple are written together, padded to its longest."""
    if not config.run.sample_tokens:
        return []
    context, _ = shared_out(config.model, config.run.sample_tokens)
    long = long_prompt(config.data, tokenizer, context) if config.run.long_sample else None
    return [PROMPTS] if long is None else [PROMPTS, (long,)]


class SamplesFile:
    """A file of JSON lines that is cut back to a step when a run goes on from a checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rewind(self, step: int) -> None:
        """Keep the whole rows up to and including `step`."""
        kept = [row for row in self._rows() if row["step"] <= step]
        write_text(self.path, "".join(json.dumps(row) + "\n" for row in kept))

    def append(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write rows and force them to the disk, before a checkpoint relies on them."""
        with self.path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
            file.flush()
            os.fsync(file.fileno())

    def table(self) -> pa.Table:
        """The rows so far as a SAMPLES table."""
        return pa.Table.from_pylist(self._rows(), schema=SAMPLES)

    def _rows(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").split("\n")[:-1]]


class WriteSamples(StepCallback):
    """Lets the model write at every validation, before the checkpoint of the step.

    A model that lies whole on the first process writes there, and the others wait. One that is cut over processes is
    run by all of them on the same prompts, without ever being whole on one; only the first keeps the texts.

    What that costs: every token is one pass through the blocks, for all prompts at once. Under FSDP2 each pass gathers
    every block again: with P parameters in the blocks, cut over D processes, a process receives 4·P·(D-1)/D bytes for
    one token of every prompt. Tensor parallelism divides P by its degree and adds two sums of prompts times channels in
    each block; a process caches the keys and values of its own heads. For the 15B in groups of 4 that are 15 GB a
    token, 0.3 s over links of 50 GB/s, and 12 s for 40 tokens; a long prompt, written by itself, costs the same again.
    """

    def __init__(self, file: SamplesFile) -> None:
        self.file = file
        self.prompts: list[tuple[Prompt, ...]] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Pretraining)
        self.prompts = prompts_of(pl_module.config, pl_module.tokenizer)
        if trainer.is_global_zero:
            self.file.rewind(trainer.global_step or -1)
        if trainer.global_step == 0:
            self._write(trainer, pl_module)

    def on_step_end(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        if validates(trainer, module):
            self._write(trainer, module)

    def _write(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        config = module.config
        cut = config.run.sharded
        if not self.prompts or not (cut or trainer.is_global_zero):
            return
        arguments = (module.model, module.tokenizer, config.run.sample_tokens, config.data.seed)
        agree = agreed if cut else None
        # Matrices that come in bf16 want their inputs cast, as in training; others write in fp32.
        with trainer.precision_plugin.forward_context() if config.run.gather_bf16 else nullcontext():
            texts = [written(*arguments, prompts, agree) for prompts in self.prompts]
        if trainer.is_global_zero:
            now = {"step": trainer.global_step, "tokens": progress_of(module, trainer.global_step)["tokens"]}
            answers = zip(itertools.chain(*self.prompts), itertools.chain(*texts), strict=True)
            self.file.append([now | {"before": one.before, "after": one.after, "text": text} for one, text in answers])
