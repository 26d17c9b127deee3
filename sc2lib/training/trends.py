"""What the curves of a run say, in numbers: when a level was passed, how steep the end is, how calm the gradient."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sc2lib.training.metrics import rows_of


def _in_order(metrics: pa.Table, split: str) -> pa.Table:
    return rows_of(metrics, split).sort_by("tokens")


def passed(metrics: pa.Table, levels: Mapping[str, float]) -> dict[str, int | None]:
    """Tokens read at the first validation whose loss is below each level; None if none is.

    `metrics` is a METRICS table, levels are in nats per token.
    """
    held_out = _in_order(metrics, "validation")
    tokens, losses = held_out["tokens"].to_numpy(), held_out["loss"].to_numpy()
    below = {name: np.flatnonzero(losses < level) for name, level in levels.items()}
    return {name: int(tokens[found[0]]) if found.size else None for name, found in below.items()}


def halves(metrics: pa.Table) -> tuple[float, float]:
    """How much the held-out loss fell (nats per token) in the first and in the second half of the tokens.

    Between validations the loss is interpolated; a negative number is a rise.
    """
    held_out = _in_order(metrics, "validation")
    tokens, losses = held_out["tokens"].to_numpy(), held_out["loss"].to_numpy()
    middle = np.interp((tokens[0] + tokens[-1]) / 2, tokens, losses)
    return float(losses[0] - middle), float(middle - losses[-1])


def gradient_tenths(metrics: pa.Table, clip: float) -> tuple[float, float, float, float]:
    """Norm of the gradient: at the first step, its median over the first and the last tenth; share clipped."""
    norms = _in_order(metrics, "train")["grad_norm"].to_numpy()
    tenth = max(1, len(norms) // 10)
    middle = (float(np.median(norms[:tenth])), float(np.median(norms[-tenth:])))
    return float(norms[0]), *middle, float((norms > clip).mean())
