"""When a run stops by itself: a loss that is no number, or one far above those before it."""

import json
import math
import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn, Self

import lightning.pytorch as lightning
import torch

from sc2lib.corpus.fim import FILE_SEPARATOR
from sc2lib.errors import Sc2Error
from sc2lib.files import write_text
from sc2lib.training.data import MicroBatches
from sc2lib.training.module import Pretraining
from sc2lib.training.provenance import Origin, narrowed, origins
from sc2lib.training.skips import Skips
from sc2lib.training.strategies import data_parallel_rank

DIVERGENCE = "divergence.json"  # the step that stopped a run, micro-batch by micro-batch
NAMED = 12  # documents that a message names
SHOWN = 3  # micro-batches that it names


class DivergenceError(Sc2Error):
    """The loss is no longer a finite number, or jumped far above its running median."""


# docs: start-spikes
class SpikeRule:
    """A spike is a loss more than `nats` above the median of the last `window` losses; 0 nats switch the rule off.

    The median ignores the spike itself and single odd batches. The rule is silent until half the window is full.
    """

    def __init__(self, nats: float, window: int, before: Iterable[float] = ()) -> None:
        self.nats, self.window = nats, window
        self.losses: deque[float] = deque(before, maxlen=window)

    def verdict(self, loss: float, norm: float) -> str | None:
        """What is wrong with the loss and the gradient norm of a step, or None; a good loss joins the window."""
        if not math.isfinite(loss) or not math.isfinite(norm):
            return f"loss {loss} and gradient norm {norm}"
        if self.nats and 2 * len(self.losses) >= self.window:
            median = statistics.median(self.losses)
            if loss > median + self.nats:
                return (
                    f"loss {loss:.3f}, {loss - median:.3f} nats above the median {median:.3f} of the last "
                    f"{len(self.losses)} (more than {self.nats:g})"
                )
        self.losses.append(loss)
        return None
        # docs: end-spikes


@dataclass(frozen=True)
class MicroBatch:
    """What one process computed at once: its samples, its loss, and the documents in it."""

    samples: tuple[int, ...]
    loss: float
    origins: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class Divergence:
    """A step that broke the rule: what is wrong, and its micro-batches, those that are no number and the largest first.

    `skips` are the samples that the run leaves out so far.
    """

    what: str
    step: int
    batches: tuple[MicroBatch, ...]
    checkpoint: Path | None
    skips: Skips

    @classmethod
    def of(
        cls, what: str, step: int, batches: Iterable[MicroBatch], checkpoint: Path | None, skips: Skips | None = None
    ) -> Self:
        """With the micro-batches in the order of suspicion."""
        ordered = sorted(batches, key=lambda one: -one.loss if math.isfinite(one.loss) else -math.inf)
        return cls(what, step, tuple(ordered), checkpoint, skips or Skips())

    def save(self, path: Path) -> None:
        """Write all micro-batches with all their documents as JSON; a loss that is no number becomes a string."""
        batches = [
            {
                "loss": one.loss if math.isfinite(one.loss) else str(one.loss),
                "samples": one.samples,
                "documents": [asdict(origin) for origin in one.origins],
            }
            for one in self.batches
        ]
        values = {"what": self.what, "step": self.step, "skip_samples": self.remedy, "micro_batches": batches}
        write_text(path, json.dumps(values, indent=1, default=str) + "\n")

    @property
    def remedy(self) -> str:
        """What `skip_samples` must be for the run to go on without this step's samples."""
        samples = [sample for one in self.batches for sample in one.samples]
        return str(self.skips.and_from(min(samples), max(samples)))

    def message(self, path: Path) -> str:
        """What the error says: the step, the suspects with their documents, what to do, and where all of it is."""
        parts, left = [], NAMED
        for one in self.batches:
            named = "; ".join(str(origin) for origin in one.origins[:left])
            left -= min(left, len(one.origins))
            place = f"loss {one.loss:.3f} in samples {one.samples[0]} to {one.samples[-1]}"
            parts.append(f"{place}, which hold {named}" if named else place)
            if left == 0 or len(parts) == SHOWN:
                break
        if more := len(self.batches) - len(parts):
            parts.append(f"{more} more micro-batches")
        kept = f"{self.checkpoint} is from before" if self.checkpoint else "no checkpoint was written before"
        return (
            f"{self.what} at step {self.step}. The worst first: {'; '.join(parts)} (all documents: {path}). Look at "
            "these texts: the same samples give the same loss again. To go on without them, set skip_samples (of the "
            f"second stage: long_skip_samples) to {self.remedy}, or to a wider range: {kept}. If a jump is no harm, "
            "raise loss_spike_nats; another learning_rate or warmup_steps begins a new run"
        )


def stop_run(trainer: lightning.Trainer, module: Pretraining, what: str, checkpoint: Path | None) -> NoReturn:
    """Write down the micro-batches since the last row in `divergence.json`, and raise DivergenceError.

    Every process calls this. `what` is the verdict of `SpikeRule`, `checkpoint` the one from which a run can go on.
    """
    losses, text = _losses_by_rank(trainer, module), ""
    if trainer.is_global_zero:
        first_step = trainer.global_step - module.config.run.log_every_steps
        path = Path(module.config.run.folder) / DIVERGENCE
        batches = _traced(module, first_step, losses)
        found = Divergence.of(what, trainer.global_step, batches, checkpoint, module.config.data.skips)
        found.save(path)
        text = found.message(path)
    raise DivergenceError(trainer.strategy.broadcast(text))


def _losses_by_rank(trainer: lightning.Trainer, module: Pretraining) -> list[list[float]]:
    """Losses of the micro-batches since the last row, a list for each data-parallel rank; every process calls this."""
    dp_rank, dp_size = data_parallel_rank(trainer)
    own = torch.stack([loss.new_tensor(dp_rank) for loss in module.micro_losses[:1]] + module.micro_losses)
    rows = trainer.strategy.all_gather(own).view(-1, len(own)).tolist()  # processes of one rank have equal ones
    losses = {int(row[0]): row[1:] for row in rows}
    return [losses[rank] for rank in range(dp_size)]


def _traced(module: Pretraining, first_step: int, losses: list[list[float]]) -> list[MicroBatch]:
    """These losses with the samples and documents behind them; they begin with `first_step`, counted from 0."""
    data, samples = module.config.data, module.samples
    sizes = (data.batch_size, data.micro_batch_size, first_step)
    read = [
        (tuple(numbers), loss)
        for rank, own in enumerate(losses)
        for numbers, loss in zip(MicroBatches(*sizes, rank, len(losses), data.skips), own, strict=False)
    ]
    windows = [[samples.window_of(number) for number in numbers] for numbers, _ in read]
    tables = narrowed([k for each in windows for k in each], data.sequence_length, data.token_index, data.documents)
    inside = (*tables, samples.windows.tokens, module.tokenizer.token_id(FILE_SEPARATOR))
    return [
        MicroBatch(numbers, loss, tuple(origins(each, data.sequence_length, *inside)))
        for (numbers, loss), each in zip(read, windows, strict=True)
    ]
