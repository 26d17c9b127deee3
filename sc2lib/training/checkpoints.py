"""Checkpoints on disk: written beside, then renamed, so that a kill at any moment leaves the last good one."""

import os
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning

from sc2lib.errors import InputError, ParameterError
from sc2lib.files import clear_temporary, remove
from sc2lib.training.lineage import Lineage
from sc2lib.training.module import Pretraining
from sc2lib.training.skips import Skips
from sc2lib.training.state import StateWriter, remedy
from sc2lib.training.steps import StepCallback

KEPT = 2
RUN = "run.json"  # the lineage of the checkpoint


class Checkpoints:
    """A folder of checkpoints ``step-<optimizer step>``, each a folder itself, of which the newest `KEPT` stay.

    A checkpoint of other decisive values than those of `lineage` is refused; one made by other code is taken, and what
    is saved from then on names both. There is no random state to save: what a step draws, it draws from generators
    keyed by seed and sample.

    With a `writer` that works in the background, `save` leaves a folder that becomes a checkpoint in `finish`. Who
    needs it whole calls that; else it happens after the step in which the last process is done.
    """

    def __init__(self, folder: Path, lineage: Lineage, writer: StateWriter | None = None) -> None:
        self.folder, self.lineage = folder, lineage
        self.writer = writer or StateWriter()
        self._begun: tuple[Path, Path] | None = None

    def path(self, step: int) -> Path:
        """Where the checkpoint after `step` optimizer steps lies."""
        return self.folder / f"step-{step:09d}"

    def all(self) -> list[Path]:
        """The whole checkpoints, oldest first."""
        return sorted(self.folder.glob("step-*"))

    def newest(self) -> Path | None:
        """The last whole checkpoint, if there is one.

        Raises ParameterError, naming the differences, when it belongs to another run or has read what is to be skipped
        now; InputError when it is damaged.
        """
        found = self.all()
        if not found:
            return None
        try:
            before = Lineage.load(found[-1] / RUN)
        except InputError as error:
            raise InputError(f"{error}; {remedy(found[-1])}") from error
        if different := differences(before.decisive, self.lineage.decisive):
            raise ParameterError(
                f"{found[-1]} belongs to a run with {', '.join(different)}; give these values back to go on with it, "
                f"or remove {self.folder} to start anew"
            )
        read = int(found[-1].name.removeprefix("step-")) * before.decisive["data"]["batch_size"]
        skipped, skips = Skips.parse(before.skip_samples), Skips.parse(self.lineage.skip_samples)
        if not skips.agrees(skipped, read):
            raise ParameterError(
                f"{found[-1]} has read {read} samples with skip_samples {str(skipped) or 'none'}, which cannot become "
                f"{str(skips) or 'none'} any more; change it from sample {skipped.sample(read)} on, or delete "
                f"{found[-1]} to go on from the checkpoint before it"
            )
        self.lineage = self.lineage.after(before)
        return found[-1]

    # docs: start-save
    def save(self, trainer: lightning.Trainer) -> None:
        """Write the state after the current step; every process calls this."""
        self.finish(trainer)
        final = self.path(trainer.global_step)
        temporary = final.with_name(f".tmp-{final.name}")
        trainer.save_checkpoint(temporary, weights_only=False)
        self._begun = temporary, final
        if not self.writer.background:
            self.finish(trainer)

    def finish(self, trainer: lightning.Trainer) -> None:
        """Make a checkpoint of what `save` began, if it did; the first process renames and prunes."""
        if self._begun is None:
            return
        (temporary, final), self._begun = self._begun, None
        self.writer.finish()
        if trainer.is_global_zero:
            self.lineage.save(temporary / RUN)
            _synchronise(temporary)
            remove(final)
            os.replace(temporary, final)
            _synchronise(self.folder)
            for old in self.all()[:-KEPT]:
                remove(old)
        trainer.strategy.barrier("checkpoint")
        # docs: end-save

    def finish_if_written(self, trainer: lightning.Trainer) -> None:
        """The same once all processes have written their parts; until then, the run goes on."""
        if self._begun and trainer.strategy.reduce_boolean_decision(self.writer.done, all=True):
            self.finish(trainer)

    def settled(self, trainer: lightning.Trainer) -> Path | None:
        """The last whole checkpoint after `finish`."""
        self.finish(trainer)
        return self.newest()

    def clear(self) -> None:
        """Delete what an interrupted `save` left."""
        if self.folder.exists():
            clear_temporary(self.folder)


def differences(before: Any, now: Any, name: str = "") -> list[str]:
    """Where two nested dictionaries differ, as ``name = value before (now value)``."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return [] if before == now else [f"{name} = {before} (now {now})"]
    found = []
    for key in sorted(before.keys() | now.keys()):
        inner = f"{name}.{key}" if name else key
        found += differences(before.get(key), now.get(key), inner)
    return found


class SaveCheckpoint(StepCallback):
    """Saves every `checkpoint_every_steps`, when all rows of the step are written, and the last step's at once."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints

    def on_step_end(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        self.checkpoints.finish_if_written(trainer)
        last = trainer.global_step == trainer.max_steps
        if trainer.global_step % module.config.run.checkpoint_every_steps == 0 or last:
            for logger in trainer.loggers:
                logger.save()
            self.checkpoints.save(trainer)
        if last:
            self.checkpoints.finish(trainer)


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
