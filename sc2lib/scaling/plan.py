"""The plan of a run on a cluster: does it fit, how long, what does it cost. Every number carries its source."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from sc2lib import figures
from sc2lib.errors import UnsupportedError
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import energy_kwh
from sc2lib.scaling.failures import failure_budget
from sc2lib.scaling.memory import FULL, MASTER_GATHER_BF16, MIXED, training_memory
from sc2lib.scaling.placement import USABLE, Placed, remedy

TOKEN_BYTES = 2  # uint16
CHECKPOINT_BYTES = 12  # per parameter: the fp32 weight and Adam's two moments
CHECKPOINTS = 3  # on disk: two are kept (`sc2lib.training.checkpoints.KEPT`) while the next one is written


@dataclass(frozen=True)
class Quantity:
    """One line of a plan: its value in a base unit (bytes, seconds, tokens, …), and the formula behind it."""

    group: str
    name: str
    value: float
    unit: str
    source: str

    @property
    def shown(self) -> str:
        """The value for a reader."""
        if self.unit in _FORMS:
            return _FORMS[self.unit](self.value)
        return f"{self.value:,.0f} {self.unit}" if self.value >= 100 else f"{self.value:.3g} {self.unit}"


_FORMS = {
    "B": figures.size,
    "B/s": lambda value: f"{figures.size(value)}/s",
    "FLOP": lambda value: f"{figures.power(value)} FLOP",
    "fraction": lambda value: f"{value:.1%}",
    "USD": lambda value: f"{value / 1e6:,.2f} million USD",
    "tokens/day": lambda value: f"{value / 1e9:,.1f} billion tokens/day",
}


# docs: start-plan
def plan(cluster: Cluster, placed: Sequence[Placed]) -> list[Quantity]:
    """Everything there is to know before the first step, in order: model, memory, time, network, cost, storage,
    failures."""
    model, base = placed[0].stage.model, placed[0].stage
    flops = sum(one.stage.flops for one in placed)
    rate = cluster.gpus * cluster.hardware.peak_flops * cluster.mfu
    seconds = flops / rate
    saved = CHECKPOINT_BYTES * model.parameter_count()
    save_hours = saved / (cluster.storage_gb_per_s * 1e9) / 3600
    failures = failure_budget(
        cluster.nodes, save_hours, cluster.restart_minutes / 60, cluster.node_hours_between_failures
    )
    speed, days = rate / model.flops_per_token(base.length), seconds / 86400
    peak = f"{cluster.hardware.peak_flops / 1e12:g} TFLOP/s x MFU {cluster.mfu:g}"
    lines = [
        Quantity("model", "parameters", model.parameter_count(), "parameters", "counted from the shape"),
        *(
            Quantity("model", f"tokens, {one.stage.name} stage", one.stage.tokens, "tokens", "steps x batch x length")
            for one in placed
        ),
        Quantity("model", "compute", flops, "FLOP", "matrices and visible keys, forward + 2 x backward"),
    ]
    for one in placed:
        lines += _memory_lines(one, cluster)
    lines += [
        Quantity("time", "speed, base stage", speed, "tokens/s", f"GPUs x {peak} / FLOPs per token"),
        Quantity("time", "a day", speed * 86400, "tokens/day", "the same"),
        Quantity("time", "without failures", days, "days", f"compute / (GPUs x {peak})"),
        Quantity("time", "with failures", days / (1 - failures.lost), "days", "the same / (1 - share lost)"),
    ]
    for one in placed:
        lines += _network_lines(one, cluster)
    lines += _cost_lines(cluster, cluster.gpus * seconds / 3600 / (1 - failures.lost))
    reads = speed * TOKEN_BYTES * placed[0].layout.tensor
    to_save = f"checkpoint / {cluster.storage_gb_per_s:g} GB/s of storage"
    between = f"{cluster.node_hours_between_failures:,.0f} h between failures of a node / {cluster.nodes} nodes"
    lost = f"saving + restarts of {cluster.restart_minutes:g} min + half an interval a failure"
    lines += [
        Quantity("storage", "tokens read", reads, "B/s", "2 bytes a token x tensor: each rank of a group reads them"),
        Quantity("storage", "tokens read by a node", reads / cluster.nodes, "B/s", "the same / nodes"),
        Quantity("storage", "one checkpoint", saved, "B", "12 bytes a parameter: fp32 weight, two moments"),
        Quantity("storage", "checkpoints on disk", CHECKPOINTS * saved, "B", "two are kept while the next is written"),
        Quantity("storage", "time to save", save_hours * 3600, "s", to_save),
        Quantity("failures", "a failure every", failures.hours_between, "h", between),
        Quantity("failures", "failures expected", seconds / 3600 / failures.hours_between, "failures", "time / that"),
        Quantity("failures", "save every", failures.interval_hours * 60, "min", "Young 1974, Daly 2006"),
        Quantity("failures", "time lost", failures.lost, "fraction", lost),
    ]
    return lines
    # docs: end-plan


def _cost_lines(cluster: Cluster, gpu_hours: float) -> list[Quantity]:
    """Energy, emissions and price as ranges: none of them is known before the bill."""
    lines = [Quantity("cost", "GPU time", gpu_hours, "GPU hours", "GPUs x hours with failures")]
    overheads, grids = cluster.power_usage_effectiveness, cluster.carbon_intensity
    energies = [energy_kwh(gpu_hours, cluster.hardware, overhead) for overhead in overheads]
    ends = ("low", "high")
    for end, kwh, overhead in zip(ends, energies, overheads, strict=True):
        source = f"GPU hours x {cluster.hardware.watts:g} W, the power limit, x PUE {overhead:g}"
        lines.append(Quantity("cost", f"energy, {end}", kwh / 1000, "MWh", source))
    for end, kwh, grid in zip(ends, energies, grids, strict=True):
        source = f"that energy x {grid:g} kg/kWh of the grid"
        lines.append(Quantity("cost", f"emissions, {end}", kwh * grid / 1000, "t CO2eq", source))
    for end, price in zip(ends, cluster.prices, strict=True):
        source = f"GPU hours x {price:g} USD" + ("" if cluster.usd_per_gpu_hour else ", list price of May 2026 (V2)")
        lines.append(Quantity("cost", f"price, {end}", gpu_hours * price, "USD", source))
    return lines


def _memory_lines(placed: Placed, cluster: Cluster) -> list[Quantity]:
    found, group = placed.memory, f"memory of a GPU, {placed.stage.name} stage"
    sources = {
        "weights": "bytes a parameter / (tensor x pipeline [x data])",
        "gradients": "the same",
        "optimizer": "Adam's moments, and fp32 weights unless they are above (Rajbhandari et al. 2020)",
        "activations": "kept for the backward pass, fused attention (checked against autograd)",
        "logits": "a plain cross-entropy; the book's chunked loss needs less",
        "copies": "autocast's bf16 blocks; gathered (FSDP2): embedding, head, what three blocks need beyond logits",
    }
    if placed.step_layout.defer_gradient_sync:
        sources["gradients"] = "bytes a parameter / (tensor x pipeline): whole until the last micro-batch"
    if placed.layout.checkpointing:
        sources["activations"] = "each block's input, and one block recomputed, fused attention"
    lines = [
        Quantity(group, part.name, getattr(found, part.name), "B", sources[part.name])
        for part in fields(found)
        if getattr(found, part.name)
    ]
    share = found.total / cluster.hardware.memory_bytes
    lines.append(Quantity(group, "total", found.total, "B", "the sum"))
    verdict = (
        "fits" if placed.fits(cluster) else f"DOES NOT FIT: leave {1 - USABLE:.0%} free; {remedy(placed, cluster)}"
    )
    words = f"of {figures.size(cluster.hardware.memory_bytes)}: {verdict}"
    return [*lines, Quantity(group, "share of the GPU", share, "fraction", words)]


def _network_lines(placed: Placed, cluster: Cluster) -> list[Quantity]:
    moved = placed.traffic.total
    if not moved:
        return []
    tokens = placed.stage.batch * placed.stage.length
    peak = cluster.gpus * cluster.hardware.peak_flops
    at_peak = tokens * placed.stage.model.flops_per_token(placed.stage.length) / peak
    computing, moving = at_peak / cluster.mfu, moved / cluster.bandwidth
    deferred, last = placed.step_layout.defer_gradient_sync, computing * 2 / 3 / placed.micro_batches
    in_last = placed.traffic.in_last_backward(placed.micro_batches) / cluster.bandwidth if deferred else 0.0
    waiting = max(moving - computing, in_last - last)
    if waiting <= 0:
        verdict = f"can hide behind {computing:.3g} s of compute"
    else:
        what = f"LONGER than {computing:.3g} s of compute"
        if moving - computing < waiting:
            what = f"{in_last:.3g} s of it fall in the last backward pass, LONGER than its {last:.3g} s of compute"
        verdict = f"{what}: MFU at most {at_peak / (computing + waiting):.0%}"
    weights = "bf16 weights" if placed.precision is MASTER_GATHER_BF16 else "weights"
    what = {
        "full": f"{weights} gathered twice in each of {{}} micro-batches, gradients scattered once (FSDP2)"
        if deferred
        else f"{weights} gathered twice and gradients scattered in each of {{}} micro-batches (FSDP2)",
        "optimizer": "gradients scattered, weights gathered, once",
        "none": "gradients added up over the copies, once",
    }[placed.layout.sharding].format(placed.micro_batches)
    name = placed.stage.name
    speed = f"that / {cluster.bandwidth / 1e9:g} GB/s of each GPU"
    return [
        Quantity("network", f"a GPU and step, {name} stage", moved, "B", what),
        Quantity("network", f"seconds a step, {name} stage", moving, "s", f"{speed}: {verdict}"),
    ]


# docs: start-verify
def verify(placed: Placed, step: bool = True) -> list[Quantity]:
    """Rank 0 of a model that is really cut over a fake process group of all ranks: its weights, and unless `step` is
    False the peak of a whole training step, beside the formulas.

    Raises UnsupportedError for a layout that the book's training has no code for.
    """
    from sc2lib.scaling.sharded import fake_step, state_bytes

    stage, layout, precision = placed.stage, placed.step_layout, placed.precision
    if precision is MIXED:
        raise UnsupportedError("weights that are bf16 everywhere are planned by formula only; leave --megatron out")
    if layout.sharding == "none" and layout.tensor == 1:
        layout = replace(layout, data=1)  # ddp: every rank holds what a device alone would
    formula = training_memory(stage.model, stage.length, layout, precision, chunked_loss=True)
    built = {"weights": (state_bytes(stage.model, layout), formula.weights)}
    if step:
        kinds = (precision is not FULL, precision is MASTER_GATHER_BF16)
        built["peak"] = fake_step(stage.model, stage.length, layout, *kinds), formula.total
    group = f"check on a fake process group of {layout.devices} ranks, {stage.name} stage"
    sources = {
        "weights": "parallelise on meta tensors, rank 0; an uneven cut rounds it up",
        "peak": "forward, backward and AdamW of one micro-batch on fake tensors, chunked loss",
    }
    lines = []
    for name, (found, expected) in built.items():
        lines += [
            Quantity(group, f"{name}, built", found, "B", sources[name]),
            Quantity(group, f"{name}, formula", expected, "B", "as above; the peak with the chunked loss"),
            Quantity(group, f"{name}, ratio", found / expected, "fraction", "built / formula"),
        ]
    return lines
    # docs: end-verify
