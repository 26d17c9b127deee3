"""Seconds of one optimizer step on a cluster: what the GPUs compute, and what they wait for."""

from collections.abc import Sequence
from dataclasses import dataclass

from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.placement import Placed


# docs: start-step-time
@dataclass(frozen=True)
class StepTime:
    """Seconds of a step, by part. `at_peak` is what the model's FLOPs alone would take at the peak of all GPUs.

    What `copies` of the model send each other moves while GPUs compute; what that does not hide is `unhidden`. What
    `tensor`-parallel GPUs add up and `pipeline` stages hand on is waited for, since the next layer needs it. The
    `bubble` is what a pipeline idles while it fills and drains.
    """

    at_peak: float
    compute: float
    recomputation: float
    tensor: float
    pipeline: float
    bubble: float
    copies: float
    unhidden: float

    @property
    def total(self) -> float:
        return self.compute + self.recomputation + self.tensor + self.pipeline + self.bubble + self.unhidden

    @property
    def mfu(self) -> float:
        """Model FLOPs utilisation: recomputation, traffic and bubbles are all loss."""
        return self.at_peak / self.total


def step_time(placed: Placed, cluster: Cluster) -> StepTime:
    """The longer of computing and of what it hides, plus what it cannot hide, with `cluster.mfu` while a GPU computes.

    A pipeline of p stages idles (p - 1) / m of a step of m micro-batches (Narayanan et al. 2021, sec. 2.2). Rates are
    those of data sheets, without latency: real collectives are slower. On the other side copies could send while a sum
    is waited for, which is not counted on.
    """
    stage = placed.stage
    peak = cluster.gpus * cluster.hardware.peak_flops
    tokens = stage.batch * stage.length
    at_peak = tokens * stage.model.flops_per_token(stage.length) / peak
    compute = at_peak / cluster.mfu
    again = tokens * recomputed_flops_per_token(placed) / peak / cluster.mfu
    tensor = placed.tensor_traffic / cluster.link
    pipeline = placed.pipeline_traffic / cluster.network
    return StepTime(
        at_peak=at_peak,
        compute=compute,
        recomputation=again,
        tensor=tensor,
        pipeline=pipeline,
        bubble=(compute + again + tensor + pipeline) * (placed.layout.pipeline - 1) / placed.micro_batches,
        copies=placed.traffic.total / copies_bandwidth(placed, cluster),
        unhidden=unhidden(placed, cluster, compute, again),
    )
    # docs: end-step-time


def run_seconds(cluster: Cluster, placed: Sequence[Placed]) -> float:
    """Seconds of all steps of all stages, without failures."""
    return sum(one.stage.steps * step_time(one, cluster).total for one in placed)


def recomputed_flops_per_token(placed: Placed) -> float:
    """FLOPs of the blocks' forward pass, once more, where blocks are recomputed; the head is not."""
    if not placed.layout.checkpointing:
        return 0.0
    model = placed.stage.model
    return model.forward_flops_per_token(placed.stage.length) - 2 * model.vocab_size * model.hidden_size


def copies_bandwidth(placed: Placed, cluster: Cluster) -> float:
    """Bytes per second that a GPU receives from the copies of its part of the model; ranks of a tensor-parallel group
    are neighbours, so a node of g GPUs holds g / tensor of those copies."""
    return cluster.bandwidth(placed.layout.data, cluster.gpus_per_node // placed.layout.tensor)


def unhidden(placed: Placed, cluster: Cluster, compute: float, again: float) -> float:
    """Seconds of the copies' traffic that a step does not hide behind its `compute` and what it computes `again`.

    "full": every micro-batch gathers and scatters, beside all computing; gradients that are deferred have the last
    backward pass, which gathers too. What crosses once a step hides behind one pass of one micro-batch: sums of
    gradients behind the last backward pass, in which they arise; weights that stay gathered, or those of a sharded
    optimizer, behind the first forward pass, which they begin.
    """
    moved, rate = placed.traffic, copies_bandwidth(placed, cluster)
    forward = compute / 3 / placed.micro_batches
    backward = (2 * compute / 3 + again) / placed.micro_batches
    if placed.step_layout.keep_gathered:
        passes = 1 if placed.step_layout.defer_gradient_sync else placed.micro_batches
        return max(0.0, moved.gathered / rate - forward) + max(0.0, moved.reduced / rate - passes * backward)
    if placed.layout.sharding == "full":
        waiting = moved.total / rate - compute - again
        if placed.step_layout.defer_gradient_sync:
            waiting = max(waiting, moved.in_last_backward(placed.micro_batches) / rate - backward)
        return max(0.0, waiting)
    if placed.layout.sharding == "none":
        return max(0.0, moved.total / rate - backward)
    return max(0.0, moved.gathered / rate - forward) + max(0.0, moved.reduced / rate - backward)
