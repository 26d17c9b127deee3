"""What happens beside the steps: rows of the metrics table, validation, speed, progress."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch import Callback

from sc2lib.corpus.fim import FILE_SEPARATOR
from sc2lib.training.data import IGNORED, MicroBatches
from sc2lib.training.divergence import Divergence, DivergenceError, MicroBatch, SpikeRule
from sc2lib.training.labels import held_out_labels
from sc2lib.training.machine import memory_bytes
from sc2lib.training.metrics import MetricsFile, read_metrics
from sc2lib.training.module import Pretraining
from sc2lib.training.provenance import Origin, narrowed, origins
from sc2lib.training.strategies import share
from sc2lib.training.validation import ValidationWindows, bits_per_byte, byte_lengths, token_losses

Report = Callable[[str, int, int], None]
DIVERGENCE = "divergence.json"  # the step that stopped a run, micro-batch by micro-batch


class Record(Callback):
    """One row of the metrics table per `log_every_steps` steps: the mean loss since the last row.

    A row that breaks the rule of `SpikeRule` is not written: the run stops there with DivergenceError, before the
    checkpoint of that step, and `divergence.json` says what was read.
    """

    def __init__(
        self, metrics: MetricsFile, accumulation: int, newest: Callable[[lightning.Trainer], Path | None]
    ) -> None:
        self.metrics, self.accumulation, self.newest = metrics, accumulation, newest
        self.loss: float | None = None
        self.rule = SpikeRule(0.0, 2)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Pretraining)
        self.metrics.rewind(trainer.global_step or None)
        rows = read_metrics(self.metrics.path).to_pylist() if trainer.global_step else []
        before = (row["loss"] for row in rows if row["split"] == "train")
        run = pl_module.config.run
        self.rule = SpikeRule(run.loss_spike_nats, run.loss_spike_window, before)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Pretraining)
        config, step = pl_module.config, trainer.global_step
        if (batch_idx + 1) % self.accumulation or step % config.run.log_every_steps:
            return
        sums = torch.stack([pl_module.loss_sum, pl_module.target_count])
        loss_sum, count = trainer.strategy.reduce(sums, reduce_op="sum").tolist()
        pl_module.loss_sum.zero_()
        pl_module.target_count.zero_()
        assert pl_module.grad_norm is not None
        loss, norm = loss_sum / count, float(pl_module.grad_norm)
        if wrong := self.rule.verdict(loss, norm):
            self._diverged(trainer, pl_module, wrong)
        pl_module.micro_losses.clear()
        self.loss = loss
        row = {"split": "train", "loss": loss, **progress_of(pl_module, step)}
        self.metrics.log_metrics(row | {"learning_rate": pl_module.step_learning_rate, "grad_norm": norm}, step)

    def _diverged(self, trainer: lightning.Trainer, module: Pretraining, what: str) -> NoReturn:
        """Write down the micro-batches since the last row, and raise; every process calls this."""
        config, data = module.config, module.config.data
        path = Path(config.run.folder) / DIVERGENCE
        number, shares = share(trainer)
        own = torch.stack([loss.new_tensor(number) for loss in module.micro_losses[:1]] + module.micro_losses)
        rows = trainer.strategy.all_gather(own).view(-1, len(own)).tolist()  # processes of one share have equal ones
        losses = {int(row[0]): row[1:] for row in rows}
        checkpoint, text = self.newest(trainer), ""
        if trainer.is_global_zero:
            first = trainer.global_step - config.run.log_every_steps
            sizes = (data.batch_size, data.micro_batch_size, first)
            batches = [
                MicroBatch(tuple(samples), loss)
                for rank, each in losses.items()
                for samples, loss in zip(MicroBatches(*sizes, rank, shares, data.skips), each, strict=False)
            ]
            traced = [replace(one, origins=read) for one, read in zip(batches, self._origins(module, batches))]
            found = Divergence.of(what, trainer.global_step, traced, checkpoint, data.skips)
            found.save(path)
            text = found.message(path)
        raise DivergenceError(trainer.strategy.broadcast(text))

    def _origins(self, module: Pretraining, batches: Sequence[MicroBatch]) -> Iterator[tuple[Origin, ...]]:
        """The documents of each micro-batch."""
        data, samples = module.config.data, module.samples
        windows = [[samples.window_of(sample) for sample in one.samples] for one in batches]
        tables = narrowed([k for each in windows for k in each], data.sequence_length, data.token_index, data.documents)
        separator = module.tokenizer.token_id(FILE_SEPARATOR)
        for each in windows:
            yield tuple(origins(each, data.sequence_length, *tables, samples.windows.tokens, separator))


def progress_of(module: Pretraining, step: int) -> dict[str, Any]:
    """Tokens that the first `step` optimizer steps read, and how many epochs of the training file that is."""
    data = module.config.data
    return {"tokens": step * data.tokens_per_step, "epoch": step * data.batch_size / len(module.samples.windows)}


def validates(trainer: lightning.Trainer, module: lightning.LightningModule) -> bool:
    """Whether the held-out loss is measured after the step that has just ended."""
    assert isinstance(module, Pretraining)
    step = trainer.global_step
    return step % module.config.run.validate_every_steps == 0 or step == trainer.max_steps


class Validate(Callback):
    """Loss on the validation windows before the first step, every `validate_every_steps`, and after the last.

    A callback and not Lightning's validation loop: it runs before the step's checkpoint, so a run killed between
    the two repeats the validation and never skips it. Where tokens can be traced, each language and each source gets
    a row of its own.
    """

    def __init__(self, windows: ValidationWindows, metrics: MetricsFile, accumulation: int) -> None:
        self.windows, self.metrics, self.accumulation = windows, metrics, accumulation
        self.labels: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Pretraining)
        data, places = pl_module.config.data, self.windows.targets()
        number, shares = share(trainer)
        tokens = self.windows.windows.tokens
        for kind, labels in held_out_labels(tokens, data.token_index, data.documents, pl_module.tokenizer).items():
            names, codes = np.unique(labels[places], return_inverse=True)
            self.labels[kind] = names, codes.reshape(places.shape)[number::shares]
        if trainer.global_step == 0:
            self._validate(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not (batch_idx + 1) % self.accumulation and validates(trainer, pl_module):
            self._validate(trainer, pl_module)

    @torch.no_grad()
    def _validate(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, Pretraining)
        data, device = pl_module.config.data, pl_module.device
        lengths = byte_lengths(pl_module.tokenizer)
        number, shares = share(trainer)
        copies = trainer.world_size // shares  # processes that see the same windows
        parts = []
        with trainer.precision_plugin.forward_context():
            for tokens_BT, targets_BT in self.windows.batches(data.micro_batch_size, number, shares):
                tokens_BT, targets = tokens_BT.to(device), targets_BT.to(device)
                losses_BT = token_losses(pl_module.model, tokens_BT, targets, self.windows.documents(tokens_BT))
                keep = targets_BT != IGNORED
                parts.append((losses_BT.double().cpu()[keep].numpy(), lengths[targets_BT[keep].numpy()]))
        nats, text_bytes = (np.concatenate(each) for each in zip(*parts, strict=True))
        everything = {"validation": (np.array([""]), np.zeros(len(nats), np.int64))}
        for split, (names, codes) in (everything | self.labels).items():
            codes = codes.ravel()
            sums = np.stack([np.bincount(codes, weights, len(names)) for weights in (nats, text_bytes, None)])
            reduced = trainer.strategy.reduce(
                torch.from_numpy(sums / copies).to(device, pl_module.loss_sum.dtype), reduce_op="sum"
            )
            for name, (total, read, targets) in zip(names.tolist(), reduced.T.tolist(), strict=True):
                row = {"split": split, "loss": total / targets, "label": name or None, "targets": int(targets)}
                row |= progress_of(pl_module, trainer.global_step)
                row["bits_per_byte"] = float(bits_per_byte(total, read)) if read else None
                self.metrics.log_metrics(row, trainer.global_step)


class Speed(Callback):
    """Time of the steps, without validation and checkpoints, appended to a CSV file (see `HEADER`).

    `seconds` covers forward, backward and optimizer of all micro-batches of the step; `data_seconds` the wait for
    batches before them. Stands first among the callbacks, so that the others' work is in neither.
    """

    HEADER = "step,seconds,data_seconds,memory_bytes"

    def __init__(self, path: Path, accumulation: int) -> None:
        self.path, self.accumulation = path, accumulation
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
        if pl_module.device.type == "cuda" and not (batch_idx + 1) % self.accumulation:
            torch.cuda.synchronize(pl_module.device)
        self._seconds += time.perf_counter() - self._begin
        if not (batch_idx + 1) % self.accumulation:
            if trainer.is_global_zero:
                with self.path.open("a", encoding="utf-8") as file:
                    times = f"{self._seconds:.6f},{self._waiting:.6f}"
                    file.write(f"{trainer.global_step},{times},{memory_bytes(pl_module.device)}\n")
            self._seconds = self._waiting = 0.0


class EndOfStep(Callback):
    """Last of the callbacks: restarts the clock of the wait for data and reports progress."""

    def __init__(self, speed: Speed, record: Record, report: Report | None, accumulation: int) -> None:
        self.speed, self.record, self.report, self.accumulation = speed, record, report, accumulation

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._report(trainer)
        self.speed.restart()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not (batch_idx + 1) % self.accumulation:
            self._report(trainer)
        self.speed.restart()

    def _report(self, trainer: lightning.Trainer) -> None:
        if self.report and trainer.is_global_zero:
            self.report(progress_label(self.record.loss), trainer.global_step, trainer.max_steps)


def progress_label(loss: float | None) -> str:
    """What a progress line says before the number of the step."""
    return "training step" if loss is None else f"loss {loss:.2f}, training step"
