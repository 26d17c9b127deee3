"""Loss against the position in the window: whether a model uses, or survives, a longer context."""

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from sc2lib.model.transformer import Starcoder2
from sc2lib.training.machine import accelerator, settings
from sc2lib.training.validation import ValidationWindows, autocast, window_losses

# One row per model and position; loss in nats per token, the mean over `windows` held-out windows.
LOSS_BY_POSITION = pa.schema(
    [
        ("model", pa.string()),
        ("position", pa.int32()),
        ("loss", pa.float64()),
        ("standard_error", pa.float64()),
        ("windows", pa.int32()),
    ]
)


@contextmanager
def placed(model: Starcoder2, device: str) -> Iterator[Starcoder2]:
    """The model on `device`: itself if it is there, else a copy whose memory is given back at the end.

    Between two measurements the weights wait on the CPU, because training may need all of the GPU.
    """
    if next(model.parameters()).device.type == device:
        yield model
        return
    copy = Starcoder2(model.config, device="meta")
    copy.load_state_dict({name: tensor.to(device) for name, tensor in model.state_dict().items()}, assign=True)
    try:
        yield copy
    finally:
        copy.to_empty(device="meta")
        if device == "cuda":
            torch.cuda.empty_cache()


def loss_by_position(name: str, losses: np.ndarray) -> pa.Table:
    """Losses of windows, [windows, T], as a LOSS_BY_POSITION table with T rows."""
    count, length = losses.shape
    columns = [
        pa.array([name] * length),
        pa.array(np.arange(length, dtype=np.int32)),
        pa.array(losses.mean(axis=0)),
        pa.array(standard_error(losses)),
        pa.array(np.full(length, count, np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=LOSS_BY_POSITION)


def means_behind(losses: Mapping[str, np.ndarray], first: int) -> dict[str, float]:
    """Mean loss of each entry's windows, [windows, T], from position `first` on, where it has any."""
    return {name: float(values[:, first:].mean()) for name, values in losses.items() if values.shape[1] > first}


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the first axis; NaN where one value says nothing about it."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    error: np.ndarray = np.asarray(values.std(axis=0, ddof=1) / math.sqrt(len(values)))
    return error


def binned(losses: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard error of losses [windows, T] over the position ranges between `edges` (B+1 of them).

    The error treats windows as independent and the positions of one window as not.
    """
    pairs = list(itertools.pairwise(edges))
    means = np.stack([losses[:, low:high].mean(axis=1) for low, high in pairs], axis=1)
    return means.mean(axis=0), standard_error(means)


# docs: start-paired
def paired_difference(losses: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Mean of `losses` - `reference` on the same windows, [windows, T], and its standard error over windows.

    Files differ in difficulty far more than models do. The difference within a window does not see that. Of a single
    window the error is NaN.
    """
    differences = (losses - reference).mean(axis=1)
    return float(differences.mean()), float(standard_error(differences))


def direction(difference: float, error: float) -> str:
    """What a paired difference of losses says, at two standard errors: lower, higher or no clear difference."""
    if math.isnan(error) or abs(difference) <= 2 * error:
        return "no clear difference"
    return "lower" if difference < 0 else "higher"
    # docs: end-paired


# docs: start-reach
@torch.no_grad()
def measured_reach(model: Starcoder2, tokens: np.ndarray) -> int:
    """How many tokens the first one of `tokens`, [T], reaches: the last position that changes when it does."""
    tokens_BT = torch.from_numpy(tokens.astype(np.int64)).repeat(2, 1)
    tokens_BT[1, 0] = (tokens_BT[1, 0] + 1) % model.config.vocab_size
    # One sequence at a time: a batch could round its rows differently.
    x_TE, other_TE = (model.hidden(tokens_T[None])[0] for tokens_T in tokens_BT)
    return int((x_TE != other_TE).any(dim=1).nonzero().max())
    # docs: end-reach


def measured_losses(
    model: Starcoder2, windows: ValidationWindows, threads: int, precision: str, size: int = 2, cut: int | None = None
) -> np.ndarray:
    """`window_losses` at the precision of training, [windows, T], on the GPU where there is one.

    On a CPU they are the same bits in every run.
    """
    device = accelerator()
    with settings(threads, deterministic=device == "cpu"), placed(model, device) as there:
        return window_losses(there, windows, size=size, context=autocast(device, precision), cut=cut)


def write_losses(path: Path, *arguments: Any, **keywords: Any) -> None:
    """Write what `measured_losses` returns for the arguments as a NumPy file, to be kept when a run is killed."""
    np.save(path, measured_losses(*arguments, **keywords))


def position_bins(length: int, count: int = 14) -> np.ndarray:
    """Edges of position ranges that widen geometrically, from 0 to `length`."""
    return np.unique(np.concatenate([[0], np.geomspace(min(16, length), length, count).astype(int)]))
