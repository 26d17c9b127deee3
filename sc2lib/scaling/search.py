"""The fastest layout of a profile on a cluster: every one that divides and fits, by the seconds that it would take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from sc2lib.errors import ParameterError
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.memory import divisors
from sc2lib.scaling.placement import Choices, Placed, spread
from sc2lib.scaling.plan import Quantity
from sc2lib.scaling.step import run_seconds, step_time
from sc2lib.training.config import TRAFFIC

WORTH_IT = 0.01  # of the time: what is gained by less is less than the formulas know


# docs: start-fastest
def fastest(cluster: Cluster, knobs: Mapping[str, Any], choices: Choices | None = None) -> list[Placed] | None:
    """Both stages in the layout of least time among those that divide and fit; None when none does.

    Tensor degree, sharding, what FSDP2 sends and (Megatron's) pipeline degree are the same in both stages, as one
    profile has them; micro-batch and recomputation are chosen for each. What `choices` fixes stays. Where the seconds
    are the same, since computing hides what is sent, less to send wins: real collectives are slower than data sheets.
    Then the smaller degree and micro-batch win. The formulas do see traffic and memory; they do not see that narrow
    matrices and small micro-batches keep a GPU less busy.
    """
    choices, best = choices or Choices(), None
    for option in _options(cluster, knobs, choices):
        try:
            start = spread(cluster, knobs, option)
        except ParameterError:
            continue
        found = [_quickest(one, cluster, choices) for one in start]
        both = [one for one in found if one is not None]
        if len(both) == len(found) and (best is None or _cost(both, cluster) < _cost(best, cluster)):
            best = both
    return best
    # docs: end-fastest


def suggestion(cluster: Cluster, placed: Sequence[Placed], best: Sequence[Placed] | None) -> list[Quantity]:
    """A line on the `fastest` layout, where it is not as `placed`: what it is and how long it takes."""
    if best is None:
        return []
    seconds, now = run_seconds(cluster, best), run_seconds(cluster, placed)
    if all(one.fits(cluster) for one in placed) and seconds > (1 - WORTH_IT) * now:
        return []
    layout = best[0].layout
    degrees = f"tensor {layout.tensor}" + (f" x pipeline {layout.pipeline}" if layout.pipeline > 1 else "")
    sizes = " and ".join(str(one.layout.micro_batch) for one in best)
    again = " and ".join(one.stage.name for one in best if one.layout.checkpointing)
    words = f"{degrees}, {best[0].sharding}, micro-batch {sizes}" + (f", {again} recomputed" if again else "")
    return [
        Quantity("a faster layout that fits", "without failures", seconds / 86400, "days", f"{words}; take --search")
    ]


def _options(cluster: Cluster, knobs: Mapping[str, Any], choices: Choices) -> Iterator[Choices]:
    """Degrees and shardings that this book, or with `choices.megatron` that program, has code for."""
    pipelines = divisors(knobs["num_hidden_layers"]) if choices.megatron else [1]
    for tensor in [choices.tensor] if choices.tensor else divisors(cluster.gpus_per_node):
        for pipeline in [choices.pipeline] if choices.pipeline else pipelines:
            whole = ["none"] if tensor == 1 else []  # ddp
            shardings = ["optimizer"] if choices.megatron else [*whole, "full"]
            for sharding in [choices.sharding] if choices.sharding else shardings:
                cut = replace(choices, tensor=tensor, pipeline=pipeline, sharding=sharding)
                for sent in _sent(cut, knobs):
                    yield replace(cut, micro_batch=choices.micro_batch or 1, **sent)


def _sent(choices: Choices, knobs: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the knobs that change what FSDP2 sends, of those that this layout and precision have."""
    found = []
    for name in TRAFFIC:
        chosen = getattr(choices, name)
        has = choices.sharding == "full" and (name != "gather_bf16" or choices.autocasts(knobs))
        found.append([chosen] if chosen is not None else [False, True] if has else [False])
    return (dict(zip(TRAFFIC, values, strict=True)) for values in product(*found))


def _quickest(placed: Placed, cluster: Cluster, choices: Choices) -> Placed | None:
    """The stage with the micro-batch, and recomputed or not, that fits and takes least time."""
    share = placed.stage.batch // placed.layout.data
    sizes = divisors(share) if choices.micro_batch is None else [choices.micro_batch]
    again = [False, True] if choices.checkpointing is None else [choices.checkpointing]
    layouts = (replace(placed.layout, micro_batch=size, checkpointing=kept) for kept in again for size in sizes)
    fitting = [one for layout in layouts if (one := replace(placed, layout=layout)).fits(cluster)]
    return min(fitting, key=lambda one: _cost([one], cluster), default=None)


def _cost(placed: Sequence[Placed], cluster: Cluster) -> tuple[float, float]:
    """Seconds of the stages' steps, each to the microsecond, and those of what their copies send, hidden or not."""
    steps = [(one.stage.steps, step_time(one, cluster)) for one in placed]
    return sum(n * round(step.total, 6) for n, step in steps), sum(n * step.copies for n, step in steps)
