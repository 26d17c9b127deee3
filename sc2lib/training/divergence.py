"""When a run stops by itself: a loss that is no number, or one far above those before it."""

import math
import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

from sc2lib.errors import Sc2Error
from sc2lib.training.provenance import Origin

NAMED = 12  # documents that a message lists before it counts the rest


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


def message(what: str, step: int, samples: range, found: Sequence[Origin], checkpoint: Path | None) -> str:
    """What the error says: the step, its samples, their documents, and what to do."""
    named = "; ".join(str(origin) for origin in found[:NAMED])
    if len(found) > NAMED:
        named += f"; and {len(found) - NAMED} more documents"
    kept = f"{checkpoint} is from before" if checkpoint else "no checkpoint was written before"
    return (
        f"{what} at step {step}, samples {samples.start} to {samples.stop - 1}"
        f"{f', which hold {named}' if named else ''}. Look at these texts; then lower learning_rate, lengthen "
        f"warmup_steps, or, if a jump is no harm, raise loss_spike_nats and run again: {kept}"
    )
