"""Does a model use a needle in its context? The answer's probability with the needle against that without it.

Shape suffixes: B sequences · T tokens · n tokens of an answer · E channels · V vocabulary
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from torch import Tensor

from sc2lib.model.transformer import Starcoder2
from sc2lib.training.machine import accelerator, settings
from sc2lib.training.needles import Probe
from sc2lib.training.positions import placed
from sc2lib.training.validation import autocast

BATCH = 1 << 14  # tokens read at once

# One row per model and probe. Log-probabilities in nats per token of the answer; `found` with and `guessed` without the
# needle: every token of the answer was the most likely one.
RETRIEVAL = pa.schema(
    [
        ("model", pa.string()),
        ("form", pa.string()),
        ("document", pa.string()),
        ("distance", pa.int32()),
        ("tokens", pa.int32()),
        ("log_probability", pa.float64()),
        ("log_probability_without", pa.float64()),
        ("found", pa.bool_()),
        ("guessed", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Answered:
    """What a reader thinks of an answer: its log-probability in nats per token, and whether it would have said it."""

    log_probability: float
    said: bool


# A reader judges an answer to each context.
Reader = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], list[Answered]]


def judged(logits_nV: Tensor, answer_n: Tensor) -> Answered:
    """The verdict of a model whose next tokens, with each answer token before it given, have these logits."""
    picked_n = logits_nV.log_softmax(1).gather(1, answer_n[:, None])
    return Answered(float(picked_n.double().mean()), bool((logits_nV.argmax(1) == answer_n).all()))


def reader(model: Starcoder2, threads: int, precision: str) -> Reader:
    """Only the positions of the answers are turned into logits: a long context is cheap. On the GPU if there is one.

    Shorter rows of a batch are padded on the right, where no token can look. How rows are put together depends on their
    lengths alone: contexts that differ in a needle beyond the model's reach give the same bits.
    """

    @torch.no_grad()
    def read(contexts: Sequence[np.ndarray], answers: Sequence[np.ndarray]) -> list[Answered]:
        rows = [np.concatenate(pair).astype(np.int64) for pair in zip(contexts, answers, strict=True)]
        found: dict[int, Answered] = {}
        device = accelerator()
        fixed = settings(threads, deterministic=device == "cpu")
        with fixed, placed(model, device) as there, autocast(device, precision):
            for numbers in batches([len(row) for row in rows]):
                tokens_BT = torch.zeros(len(numbers), max(len(rows[k]) for k in numbers), dtype=torch.int64)
                for place, k in enumerate(numbers):
                    tokens_BT[place, : len(rows[k])] = torch.from_numpy(rows[k])
                x_BTE = there.hidden(tokens_BT.to(device))
                for place, k in enumerate(numbers):
                    due = slice(len(contexts[k]) - 1, len(rows[k]) - 1)
                    logits_nV = F.linear(x_BTE[place, due], there.output_weight_VE).float().cpu()
                    found[k] = judged(logits_nV, tokens_BT[place, len(contexts[k]) : len(rows[k])])
        return [found[k] for k in range(len(rows))]

    return read


def batches(lengths: Sequence[int], limit: int = BATCH) -> list[list[int]]:
    """Row numbers by length, in groups of at most `limit` tokens with padding (at least one row)."""
    groups: list[list[int]] = []
    for k in sorted(range(len(lengths)), key=lambda k: lengths[k]):
        if groups and (len(groups[-1]) + 1) * lengths[k] <= limit:
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


# docs: start-retrieval
def retrieval(model: str, form: str, probes: Sequence[Probe], read: Reader) -> pa.Table:
    """Ask every probe twice, with its needle and without, as a RETRIEVAL table in the order of `probes`."""
    answers = [probe.answer for probe in probes]
    present = read([probe.context for probe in probes], answers)
    absent = read([probe.without for probe in probes], answers)
    rows = [
        (model, form, x.document, x.distance, len(x.answer), a.log_probability, b.log_probability, a.said, b.said)
        for x, a, b in zip(probes, present, absent, strict=True)
    ]
    return pa.Table.from_pylist([dict(zip(RETRIEVAL.names, row, strict=True)) for row in rows], schema=RETRIEVAL)
    # docs: end-retrieval


def write_retrieval(path: Path, model: str, probes: dict[str, Sequence[Probe]], read: Reader) -> None:
    """Write the RETRIEVAL of every form of needle as one Parquet file, to be kept when a run is killed."""
    pq.write_table(pa.concat_tables([retrieval(model, form, some, read) for form, some in probes.items()]), path)


@dataclass(frozen=True)
class Gain:
    """What the needle is worth at the distances [low, high): nats per token of the answer, over `probes`."""

    low: int
    high: int
    probes: int
    mean: float
    error: float
    found: float
    guessed: float

    @property
    def clear(self) -> bool:
        """Whether the gain is more than two standard errors above zero."""
        return self.mean > 2 * self.error


def gains(table: pa.Table, ranges: Sequence[tuple[int, int]]) -> list[Gain]:
    """The gain of one model and form by distance; a range with fewer than two probes is left out.

    `error` is the standard error over probes; `found` and `guessed` are shares of the probes.
    """
    distance = table["distance"].to_numpy()
    gain = table["log_probability"].to_numpy() - table["log_probability_without"].to_numpy()
    found, guessed = (table[name].to_numpy(zero_copy_only=False) for name in ("found", "guessed"))
    result = []
    for low, high in ranges:
        own = (low <= distance) & (distance < high)
        count = int(own.sum())
        if count > 1:
            error = float(gain[own].std(ddof=1)) / math.sqrt(count)
            shares = (float(found[own].mean()), float(guessed[own].mean()))
            result.append(Gain(low, high, count, float(gain[own].mean()), error, *shares))
    return result


def gains_by_form(table: pa.Table, ranges: Sequence[tuple[int, int]]) -> dict[str, dict[str, list[Gain]]]:
    """`gains` of every form of needle and every model, in the order of the table."""
    models = pc.unique(table["model"]).to_pylist()
    return {
        form: {
            name: gains(table.filter((pc.field("form") == form) & (pc.field("model") == name)), ranges)
            for name in models
        }
        for form in pc.unique(table["form"]).to_pylist()
    }
