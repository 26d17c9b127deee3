"""What happens beside the steps: rows of the metrics table, validation, speed, progress."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch import Callback

from sc2lib.training.data import IGNORED
from sc2lib.training.divergence import SpikeRule, stop_run
from sc2lib.training.labels import held_out_labels
from sc2lib.training.machine import memory_bytes
from sc2lib.training.metrics import MetricsFile, read_metrics
from sc2lib.training.module import Pretraining
from sc2lib.training.steps import StepCallback, progress_of, step_ended, validates
from sc2lib.training.strategies import data_parallel_rank
from sc2lib.training.validation import ValidationWindows, bits_per_byte, byte_lengths, token_losses

Report = Callable[[str, int, int], None]


class Record(StepCallback):
    """One row of the metrics table per `log_every_steps` steps: the mean loss since the last row.

    A row that breaks the rule of `SpikeRule` is not written: the run stops there with DivergenceError, before the
    checkpoint of that step, and `divergence.json` says what was read.
    """

    def __init__(self, metrics: MetricsFile, newest: Callable[[lightning.Trainer], Path | None]) -> None:
        self.metrics, self.newest = metrics, newest
        self.loss: float | None = None
        self.rule = SpikeRule(0.0, 2)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Pretraining)
        self.metrics.rewind(trainer.global_step or None)
        rows = read_metrics(self.metrics.path).to_pylist() if trainer.global_step else []
        before = (row["loss"] for row in rows if row["split"] == "train")
        run = pl_module.config.run
        self.rule = SpikeRule(run.loss_spike_nats, run.loss_spike_window, before)

    def on_step_end(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        step = trainer.global_step
        if step % module.config.run.log_every_steps:
            return
        sums = torch.stack([module.loss_sum, module.target_count])
        loss_sum, count = trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        module.loss_sum.zero_()
        module.target_count.zero_()
        assert module.grad_norm is not None
        loss, norm = loss_sum / count, float(module.grad_norm)
        if wrong := self.rule.verdict(loss, norm):
            stop_run(trainer, module, wrong, self.newest(trainer))
        module.micro_losses.clear()
        self.loss = loss
        row = {"split": "train", "loss": loss, **progress_of(module, step)}
        self.metrics.log_metrics(row | {"learning_rate": module.step_learning_rate, "grad_norm": norm}, step)


class Validate(StepCallback):
    """Loss on the validation windows before the first step, every `validate_every_steps`, and after the last.

    A callback and not Lightning's validation loop: it runs before the step's checkpoint, so a run killed between
    the two repeats the validation and never skips it. Where tokens can be traced, each language and each source gets
    a row of its own.
    """

    def __init__(self, held_out: ValidationWindows, metrics: MetricsFile) -> None:
        self.held_out, self.metrics = held_out, metrics
        self.labels: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Pretraining)
        data, places = pl_module.config.data, self.held_out.targets()
        dp_rank, dp_size = data_parallel_rank(trainer)
        tokens = self.held_out.windows.tokens
        for kind, labels in held_out_labels(tokens, data.token_index, data.documents, pl_module.tokenizer).items():
            names, codes = np.unique(labels[places], return_inverse=True)
            self.labels[kind] = names, codes.reshape(places.shape)[dp_rank::dp_size]
        if trainer.global_step == 0:
            self._validate(trainer, pl_module)

    def on_step_end(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        if validates(trainer, module):
            self._validate(trainer, module)

    @torch.no_grad()
    def _validate(self, trainer: lightning.Trainer, module: Pretraining) -> None:
        data, device = module.config.data, module.device
        lengths = byte_lengths(module.tokenizer)
        dp_rank, dp_size = data_parallel_rank(trainer)
        copies = trainer.world_size // dp_size  # processes that see the same windows
        parts = []
        with trainer.precision_plugin.forward_context():
            for tokens_BT, targets_BT in self.held_out.batches(data.micro_batch_size, dp_rank, dp_size):
                tokens_BT, targets = tokens_BT.to(device), targets_BT.to(device)
                losses_BT = token_losses(module.model, tokens_BT, targets, self.held_out.documents(tokens_BT))
                keep = targets_BT != IGNORED
                parts.append((losses_BT.double().cpu()[keep].numpy(), lengths[targets_BT[keep].numpy()]))
        nats, text_bytes = (np.concatenate(each) for each in zip(*parts, strict=True))
        everything = {"validation": (np.array([""]), np.zeros(len(nats), np.int64))}
        for split, (names, codes) in (everything | self.labels).items():
            codes = codes.ravel()
            sums = np.stack([np.bincount(codes, weights, len(names)) for weights in (nats, text_bytes, None)])
            reduced = trainer.strategy.reduce(
                torch.from_numpy(sums / copies).to(device, module.loss_sum.dtype), reduce_op="sum"
            )
            for name, (total, read, targets) in zip(names.tolist(), reduced.T.tolist(), strict=True):
                row = {"split": split, "loss": total / targets, "label": name or None, "targets": int(targets)}
                row |= progress_of(module, trainer.global_step)
                row["bits_per_byte"] = float(bits_per_byte(total, read)) if read else None
                self.metrics.log_metrics(row, trainer.global_step)


class Speed(Callback):
    """Time of the steps, without validation and checkpoints, appended to a CSV file (see `HEADER`).

    `seconds` covers forward, backward and optimizer of all micro-batches of the step; `data_seconds` the wait for
    batches before them. Stands first among the callbacks, so that the others' work is in neither.
    """

    HEADER = "step,seconds,data_seconds,memory_bytes"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seconds = self._waiting = 0.0
        self._begin = self._end = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        known = self.path.exists() and self.path.read_text(encoding="utf-8").startswith(self.HEADER + "\n")
        if trainer.is_global_zero and (trainer.global_step == 0 or not known):
            self.path.write_text(self.HEADER + "\n", encoding="utf-8")
        self.restart()

    def restart(self) -> None:
        """From now on, time counts as waiting for the next batch."""
        self._end = time.perf_counter()

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._begin = time.perf_counter()
        self._waiting += self._begin - self._end

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        ended = step_ended(trainer, batch_idx)
        if pl_module.device.type == "cuda" and ended:
            torch.cuda.synchronize(pl_module.device)
        self._seconds += time.perf_counter() - self._begin
        if ended:
            if trainer.is_global_zero:
                with self.path.open("a", encoding="utf-8") as file:
                    times = f"{self._seconds:.6f},{self._waiting:.6f}"
                    file.write(f"{trainer.global_step},{times},{memory_bytes(pl_module.device)}\n")
            self._seconds = self._waiting = 0.0


class EndOfStep(Callback):
    """Last but for `Stop`: restarts the clock of the wait for data and reports progress."""

    def __init__(self, speed: Speed, record: Record, report: Report | None) -> None:
        self.speed, self.record, self.report = speed, record, report

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._report(trainer)
        self.speed.restart()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if step_ended(trainer, batch_idx):
            self._report(trainer)
        self.speed.restart()

    def _report(self, trainer: lightning.Trainer) -> None:
        if self.report and trainer.is_global_zero:
            self.report(progress_label(self.record.loss), trainer.global_step, trainer.max_steps)


def progress_label(loss: float | None) -> str:
    """What a progress line says before the number of the step."""
    return "training step" if loss is None else f"loss {loss:.2f}, training step"
