"""A training run that is asked to stop: it ends the step, writes a checkpoint, and says that it can go on."""

import signal
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import lightning.pytorch as lightning

from sc2lib.errors import StoppedError
from sc2lib.files import write_text
from sc2lib.training.checkpoints import Checkpoints
from sc2lib.training.module import Pretraining
from sc2lib.training.steps import StepCallback
from sc2lib.workflow import stopping

MARK = "stopped"  # what the last stop said, for the process that started the ranks


class Stop(StepCallback):
    """Last of the callbacks: after SIGUSR1, SIGTERM or a request of the runner, saves and raises StoppedError.

    The checkpoint is written at the end of a step whose row is in the metrics, so the run that goes on ends with the
    bytes of one that never stopped. One process that heard the signal is enough: the ranks agree at every step
    (a sum of one number; nothing on one device).
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Stop":
        """Listen to SIGUSR1, whose default would end the process."""
        self._before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
        stopping.listen(signal.SIGUSR1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._before.items():
                signal.signal(number, handler)
        stopping.forget()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        # Lightning has put its own handler on SIGTERM by now; it would end the run without a checkpoint.
        stopping.listen(signal.SIGTERM)

    def on_step_end(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        run, step = module.config.run, trainer.global_step
        if step % run.log_every_steps or step == trainer.max_steps:
            return
        if not trainer.strategy.reduce_boolean_decision(stopping.requested(), all=False):
            return
        self.checkpoints.finish(trainer)
        if not self.checkpoints.path(step).exists():
            for logger in trainer.loggers:
                logger.save()
            self.checkpoints.save(trainer)
            self.checkpoints.finish(trainer)
        message = f"training stopped on request after step {step} of {trainer.max_steps}; the same command goes on"
        if trainer.is_global_zero:
            write_text(Path(run.folder) / MARK, message)
        trainer.strategy.barrier("stopped")
        raise StoppedError(message)
