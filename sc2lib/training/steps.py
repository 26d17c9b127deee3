"""Optimizer steps as callbacks see them, where Lightning counts micro-batches."""

from abc import ABC, abstractmethod
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch import Callback

from sc2lib.training.module import Pretraining


class StepCallback(Callback, ABC):
    """A callback that acts when an optimizer step has ended; Lightning calls it after every micro-batch."""

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Pretraining)
        if step_ended(trainer, batch_idx):
            self.on_step_end(trainer, pl_module)

    @abstractmethod
    def on_step_end(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        """Step `trainer.global_step`, counted from 1, has moved the weights."""


def step_ended(trainer: lightning.Trainer, batch_idx: int) -> bool:
    """Whether micro-batch `batch_idx`, counted from 0, was the last one of its optimizer step."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0


def validates(trainer: lightning.Trainer, module: Pretraining) -> bool:
    """Whether the held-out loss is measured after the step that has just ended."""
    step = trainer.global_step
    return step % module.config.run.validate_every_steps == 0 or step == trainer.max_steps


def progress_of(module: Pretraining, step: int) -> dict[str, Any]:
    """Tokens that the first `step` optimizer steps read, and how many epochs of the training file that is."""
    data = module.config.data
    return {"tokens": step * data.tokens_per_step, "epoch": step * data.batch_size / len(module.samples.windows)}
