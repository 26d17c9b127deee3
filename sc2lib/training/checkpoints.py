"""Checkpoints on disk: written beside, then renamed, so that a kill at any moment leaves the last good one."""

import os
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch import Callback

from sc2lib.errors import ParameterError
from sc2lib.files import clear_temporary, remove

KEPT = 2


class Checkpoints:
    """A folder of ``step-<optimizer step>.ckpt`` files of which the newest `KEPT` stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, step: int) -> Path:
        """Where the checkpoint after `step` optimizer steps lies."""
        return self.folder / f"step-{step:09d}.ckpt"

    def newest(self) -> Path | None:
        """The last whole checkpoint, if there is one."""
        found = sorted(self.folder.glob("step-*.ckpt"))
        return found[-1] if found else None

    # docs: start-save
    def save(self, trainer: lightning.Trainer) -> None:
        """Write the state after the current step; every process calls this, the first one renames and prunes."""
        final = self.path(trainer.global_step)
        temporary = final.with_name(f".tmp-{final.name}")
        self.folder.mkdir(parents=True, exist_ok=True)
        trainer.save_checkpoint(temporary, weights_only=False)
        if trainer.is_global_zero:
            _synchronise(temporary)
            os.replace(temporary, final)
            _synchronise(self.folder)
            for old in sorted(self.folder.glob("step-*.ckpt"))[:-KEPT]:
                remove(old)
        trainer.strategy.barrier("checkpoint")
        # docs: end-save

    def clear(self) -> None:
        """Delete what an interrupted `save` left."""
        if self.folder.exists():
            clear_temporary(self.folder)


class SaveCheckpoint(Callback):
    """Saves every `every` optimizer steps, last of the callbacks, when all rows of the step are written."""

    def __init__(self, checkpoints: Checkpoints, identity: str, every: int, accumulation: int) -> None:
        self.checkpoints, self.identity = checkpoints, identity
        self.every, self.accumulation = every, accumulation

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % self.accumulation:
            return
        if trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps:
            for logger in trainer.loggers:
                logger.save()
            self.checkpoints.save(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"identity": self.identity}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["identity"] != self.identity:
            raise ParameterError(
                f"the checkpoints in {self.checkpoints.folder} belong to a run with another model, data, schedule or "
                "precision; remove the folder to start anew, or give back the parameters it was started with"
            )


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
