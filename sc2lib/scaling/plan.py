"""The plan of a run on a cluster: does it fit, how long, what does it cost. Every number carries its source."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from sc2lib import figures
from sc2lib.errors import UnsupportedError
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.failures import failure_budget
from sc2lib.scaling.memory import FULL, MASTER_GATHER_BF16, MIXED, training_memory
from sc2lib.scaling.network import BOOK, MEGATRON
from sc2lib.scaling.placement import USABLE, Placed, remedy
from sc2lib.scaling.step import StepTime, copies_bandwidth, run_seconds, step_time

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
    """Everything there is to know before the first step, in order: model, memory, network, time, cost, storage,
    failures."""
    model, base = placed[0].stage.model, placed[0].stage
    flops = sum(one.stage.flops for one in placed)
    seconds = run_seconds(cluster, placed)
    saved = CHECKPOINT_BYTES * model.parameter_count()
    save_hours = saved / (cluster.storage_gb_per_s * 1e9) / 3600
    failures = failure_budget(
        cluster.nodes, save_hours, cluster.restart_minutes / 60, cluster.node_hours_between_failures
    )
    speed = base.batch * base.length / step_time(placed[0], cluster).total
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
    for one in placed:
        lines += [*_network_lines(one, cluster), *_cut_lines(one, cluster)]
    for one in placed:
        lines += _step_lines(one, cluster)
    mfu, days = flops / (cluster.gpus * cluster.hardware.peak_flops) / seconds, seconds / 86400
    lines += [
        Quantity("time", "MFU", mfu, "fraction", f"compute / (GPUs x peak x time); {cluster.mfu:.0%} were assumed"),
        Quantity("time", "speed, base stage", speed, "tokens/s", "batch x length / seconds of a step"),
        Quantity("time", "a day", speed * 86400, "tokens/day", "the same"),
        Quantity("time", "without failures", days, "days", "steps x seconds of a step, both stages"),
        Quantity("time", "with failures", days / (1 - failures.lost), "days", "the same / (1 - share lost)"),
    ]
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
    ends, found = ("low", "high"), cluster.footprint(gpu_hours)
    for end, overhead in zip(ends, cluster.power_usage_effectiveness, strict=True):
        source = f"GPU hours x {cluster.hardware.watts:g} W, the power limit, x PUE {overhead:g}"
        lines.append(Quantity("cost", f"energy, {end}", getattr(found, f"energy_kwh_{end}") / 1000, "MWh", source))
    for end, grid in zip(ends, cluster.carbon_intensity, strict=True):
        source, kg = f"that energy x {grid:g} kg/kWh of the grid", getattr(found, f"emissions_kg_{end}")
        lines.append(Quantity("cost", f"emissions, {end}", kg / 1000, "t CO2eq", source))
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
    if placed.step_layout.keep_gathered:
        sources["copies"] = "autocast's bf16 blocks; gathered (FSDP2): embedding, head and all blocks"
    if placed.step_layout.defer_gradient_sync:
        sources["gradients"] = "bytes a parameter / (tensor x pipeline): whole until the last micro-batch"
    if placed.layout.checkpointing:
        sources["activations"] = "each block's input, what one recomputed needs beyond logits, fused attention"
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
    """What copies of the model send each other."""
    moved, step = placed.traffic.total, step_time(placed, cluster)
    if not moved:
        return []
    if step.unhidden:
        verdict = f"LONGER than the {step.copies - step.unhidden:.3g} s that computing hides"
    else:
        verdict = "hides behind computing"
    layout, each = placed.step_layout, f"in each of {placed.micro_batches} micro-batches"
    weights = "bf16 weights" if placed.precision is MASTER_GATHER_BF16 else "weights"
    gathered = "once" if layout.keep_gathered else f"twice {each}"
    scattered = "once" if layout.defer_gradient_sync else each
    what = {
        "full": f"{weights} gathered {gathered}, gradients scattered {scattered} (FSDP2)",
        "optimizer": "gradients scattered, weights gathered, once",
        "none": "gradients added up over the copies, once",
    }[layout.sharding]
    name = placed.stage.name
    speed = f"that / {copies_bandwidth(placed, cluster) / 1e9:g} GB/s{_ring(placed, cluster)}"
    return [
        Quantity("network", f"a GPU and step, {name} stage", moved, "B", what),
        Quantity("network", f"seconds a step, {name} stage", step.copies, "s", f"{speed}: {verdict}"),
    ]


def _cut_lines(placed: Placed, cluster: Cluster) -> list[Quantity]:
    """What the parts of one copy send each other: ranks that share matrices, and stages of a pipeline."""
    name, step, lines = placed.stage.name, step_time(placed, cluster), []
    if step.tensor:
        sums = MEGATRON if placed.layout.split_vocabulary else BOOK
        again = f" + {sums.again} recomputed" if placed.layout.checkpointing else ""
        what = f"{sums.forward}{again} sums forward, {sums.backward} backward of tokens x hidden a block"
        speed = f"that / {cluster.link / 1e9:g} GB/s of a node's links: nothing hides it (Shoeybi et al. 2019)"
        lines += [
            Quantity("network", f"tensor parallel, {name} stage", placed.tensor_traffic, "B", what),
            Quantity("network", f"seconds, tensor, {name} stage", step.tensor, "s", speed),
        ]
    if step.pipeline:
        what = f"residual stream and gradient of {placed.micro_batches} micro-batches (Narayanan et al. 2021)"
        speed = f"that / {cluster.network / 1e9:g} GB/s of each GPU: nothing hides it"
        lines += [
            Quantity("network", f"pipeline, {name} stage", placed.pipeline_traffic, "B", what),
            Quantity("network", f"seconds, pipeline, {name} stage", step.pipeline, "s", speed),
        ]
    return lines


def _ring(placed: Placed, cluster: Cluster) -> str:
    """Where the rate at which copies send comes from."""
    if copies_bandwidth(placed, cluster) == cluster.link:
        return " of each GPU's links"
    copies, adapter = cluster.gpus_per_node // placed.layout.tensor, f"{cluster.network / 1e9:g} GB/s"
    return (
        f" ({copies} copies in a node, each with an adapter of {adapter})" if copies > 1 else " of each GPU's adapter"
    )


def _step_lines(placed: Placed, cluster: Cluster) -> list[Quantity]:
    """A step by what it is made of, the MFU that comes out of the one assumed, and why."""
    step, group = step_time(placed, cluster), f"time of a step, {placed.stage.name} stage"
    stages = placed.layout.pipeline
    peak = f"{cluster.hardware.peak_flops / 1e12:g} TFLOP/s x MFU {cluster.mfu:g}"
    sources = {
        "compute": f"FLOPs / (GPUs x {peak}, which is assumed)",
        "recomputation": "the blocks' forward pass once more",
        "tensor": "what the ranks of a matrix add up, as above",
        "pipeline": "what stages hand on, as above",
        "bubble": f"({stages} - 1) / {placed.micro_batches} micro-batches of the sum so far (Narayanan et al. 2021)",
        "unhidden": "what copies send, as above, beyond what hides it",
    }
    return [
        *(
            Quantity(group, part, getattr(step, part), "s", source)
            for part, source in sources.items()
            if getattr(step, part)
        ),
        Quantity(group, "total", step.total, "s", "the sum"),
        Quantity(group, "MFU", step.mfu, "fraction", _reason(step, cluster)),
    ]


def _reason(step: StepTime, cluster: Cluster) -> str:
    """Why the MFU of a step is not the one assumed: the parts of the step that compute nothing new."""
    words = {
        "recomputation": "recomputation",
        "tensor": "tensor parallelism",
        "pipeline": "the pipeline",
        "bubble": "its bubble",
        "unhidden": "waiting for copies",
    }
    lost = {word: getattr(step, part) / step.total for part, word in words.items() if getattr(step, part)}
    if not lost:
        return f"the {cluster.mfu:.0%} assumed: a GPU waits for nothing"
    shares = ", ".join(f"{word} {share:.0%}" for word, share in lost.items())
    return f"{cluster.mfu:.0%} assumed while a GPU computes; of the step {shares}"


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
