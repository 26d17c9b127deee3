"""The plan of a run on a cluster: does it fit, how long, what does it cost. Every number carries its source."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sc2lib import figures
from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.costs import HARDWARE, Hardware, energy_kwh
from sc2lib.scaling.failures import NODE_HOURS, failure_budget
from sc2lib.scaling.memory import MASTER, MIXED, Layout, TrainingMemory, divisors, nearest, training_memory

TOKEN_BYTES = 2  # uint16
CHECKPOINT_BYTES = 12  # per parameter: the fp32 weight and Adam's two moments
USABLE = 0.9  # of a device's memory: the rest is for the driver, communication buffers and fragments


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Machines, what they reach, and what they cost; `sc2 plan --help` names the source of each default."""

    nodes: int
    gpus_per_node: int = 8
    hardware: Hardware = HARDWARE["h100"]
    mfu: float = 0.4
    power_usage_effectiveness: float = 1.2
    carbon_intensity: float = 0.4
    usd_per_gpu_hour: tuple[float, float] | None = None
    node_hours_between_failures: float = NODE_HOURS
    restart_minutes: float = 15.0
    storage_gb_per_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("nodes", "gpus_per_node", "node_hours_between_failures", "storage_gb_per_s"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 < self.mfu <= 1:
            raise ParameterError(f"mfu is a fraction of the peak in (0, 1], not {self.mfu}")
        if self.power_usage_effectiveness < 1:
            raise ParameterError(f"power usage effectiveness is at least 1, not {self.power_usage_effectiveness}")
        low, high = self.prices
        if not 0 <= low <= high:
            raise ParameterError(f"the price range must rise from low to high, not {low} to {high}")

    @property
    def gpus(self) -> int:
        return self.nodes * self.gpus_per_node

    @property
    def prices(self) -> tuple[float, float]:
        """Dollars per GPU and hour, low and high."""
        return self.usd_per_gpu_hour or self.hardware.usd_per_hour


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


@dataclass(frozen=True)
class Stage:
    """One stage of a profile: its model, sequences per step, and steps."""

    name: str
    model: ModelConfig
    batch: int
    steps: int

    @property
    def length(self) -> int:
        return self.model.max_position_embeddings

    @property
    def tokens(self) -> int:
        return self.batch * self.length * self.steps

    @property
    def flops(self) -> float:
        return self.tokens * self.model.flops_per_token(self.length)


def stages(knobs: Mapping[str, Any]) -> list[Stage]:
    """The two stages that a profile trains (chapters 12 and 13)."""
    base = ModelConfig.from_knobs(knobs)
    long = base.replace(
        max_position_embeddings=knobs["long_sequence_length"],
        rope_theta=knobs["long_rope_theta"],
        sliding_window=knobs["sliding_window"],
    )
    return [
        Stage("base", base, knobs["batch_size"], knobs["training_steps"]),
        Stage("long", long, knobs["long_batch_size"], knobs["long_training_steps"]),
    ]


def spread(cluster: Cluster, knobs: Mapping[str, Any], **choices: Any) -> Layout:
    """The layout that fills the cluster with data-parallel copies; `choices` are fields of Layout but `data`.

    Raises ParameterError naming the nearest degree when the devices, the heads, the layers or the batch do not divide.
    """
    tensor, pipeline = choices.get("tensor", 1), choices.get("pipeline", 1)
    model = ModelConfig.from_knobs(knobs)
    Layout(tensor=tensor, pipeline=pipeline).check(model)
    if cluster.gpus_per_node % tensor:
        raise ParameterError(
            f"tensor parallelism stays inside a node: {tensor} does not divide its {cluster.gpus_per_node} GPUs; "
            f"take {nearest(tensor, divisors(cluster.gpus_per_node))}"
        )
    if cluster.gpus % (tensor * pipeline):
        raise ParameterError(
            f"{cluster.gpus} GPUs are no multiple of tensor {tensor} x pipeline {pipeline} = {tensor * pipeline}; "
            f"take {max(1, cluster.gpus // (tensor * pipeline)) * tensor * pipeline} GPUs or another degree"
        )
    megatron = choices.get("sharding", "none") != "full"
    layout = Layout(data=cluster.gpus // (tensor * pipeline), split_vocabulary=megatron, **choices)
    for stage in stages(knobs):
        if stage.batch % layout.micro_batch:
            raise ParameterError(
                f"the {stage.name} stage's batch of {stage.batch} sequences does not divide by micro-batch "
                f"{layout.micro_batch}; take {nearest(layout.micro_batch, divisors(stage.batch))}"
            )
        parts = stage.batch // layout.micro_batch
        if parts % layout.data:
            copies = nearest(layout.data, divisors(parts))
            raise ParameterError(
                f"the {stage.name} stage's batch of {stage.batch} sequences does not divide by {layout.data} copies x "
                f"micro-batch {layout.micro_batch}; take {copies} copies ({copies * tensor * pipeline} GPUs)"
            )
    return layout


def smallest_tensor(cluster: Cluster, knobs: Mapping[str, Any], **choices: Any) -> Layout:
    """`spread` with the smallest tensor parallel degree that divides and fits into memory, else the largest.

    Raises the ParameterError of degree 1 when no degree divides.
    """
    found, problem = None, None
    for tensor in divisors(cluster.gpus_per_node):
        try:
            found = spread(cluster, knobs, tensor=tensor, **choices)
        except ParameterError as error:
            problem = problem or error
            continue
        if all(fits(memory_of(stage, found), cluster) for stage in stages(knobs)):
            break
    if found is None:
        assert problem is not None
        raise problem
    return found


def fits(memory: TrainingMemory, cluster: Cluster) -> bool:
    """Whether the parts leave the free share of a GPU's memory that `USABLE` asks for."""
    return memory.total <= USABLE * cluster.hardware.memory_bytes


def memory_of(stage: Stage, layout: Layout) -> TrainingMemory:
    """Bytes on one GPU: as the book trains when all is sharded (FSDP2, fp32 weights), else as Megatron does (bf16
    weights beside fp32 masters, the vocabulary split)."""
    precision = MASTER if layout.sharding == "full" else MIXED
    return training_memory(stage.model, stage.length, layout, precision)


# docs: start-plan
def plan(cluster: Cluster, knobs: Mapping[str, Any], layout: Layout) -> list[Quantity]:
    """Everything there is to know before the first step, in order: model, memory, time, cost, storage, failures."""
    both = stages(knobs)
    flops = sum(stage.flops for stage in both)
    rate = cluster.gpus * cluster.hardware.peak_flops * cluster.mfu
    seconds = flops / rate
    gpu_hours = cluster.gpus * seconds / 3600
    kwh = energy_kwh(gpu_hours, cluster.hardware, cluster.power_usage_effectiveness)
    parameters = both[0].model.parameter_count()
    saved = CHECKPOINT_BYTES * parameters
    save_hours = saved / (cluster.storage_gb_per_s * 1e9) / 3600
    restart = cluster.restart_minutes / 60
    failures = failure_budget(cluster.nodes, save_hours, restart, cluster.node_hours_between_failures)
    speed = rate / both[0].model.flops_per_token(both[0].length)
    lines = [
        Quantity("model", "parameters", parameters, "parameters", "counted from the shape"),
        *(Quantity("model", f"tokens, {s.name} stage", s.tokens, "tokens", "steps x batch x length") for s in both),
        Quantity("model", "compute", flops, "FLOP", "matrices and visible keys, forward + 2 x backward"),
    ]
    for stage in both:
        lines += _memory_lines(stage, layout, cluster)
    days = seconds / 86400
    lines += [
        Quantity("time", "speed, base stage", speed, "tokens/s", "GPUs x peak x MFU / FLOPs per token"),
        Quantity("time", "a day", speed * 86400, "tokens/day", "the same"),
        Quantity("time", "without failures", days, "days", "compute / (GPUs x peak x MFU)"),
        Quantity("time", "with failures", days / (1 - failures.lost), "days", "the same / (1 - share lost)"),
        Quantity("cost", "GPU time", gpu_hours / (1 - failures.lost), "GPU hours", "GPUs x hours with failures"),
        Quantity("cost", "energy", kwh / (1 - failures.lost) / 1000, "MWh", "GPU hours x power limit x PUE, at most"),
        Quantity("cost", "emissions", kwh / (1 - failures.lost) * cluster.carbon_intensity / 1000, "t CO2eq", GRID),
    ]
    for name, price in zip(("price, low", "price, high"), cluster.prices):
        lines.append(Quantity("cost", name, gpu_hours / (1 - failures.lost) * price, "USD", PRICES))
    per_node = speed * TOKEN_BYTES / cluster.nodes
    lines += [
        Quantity("storage", "tokens read", speed * TOKEN_BYTES, "B/s", "2 bytes a token, all nodes"),
        Quantity("storage", "tokens read by a node", per_node, "B/s", "the same / nodes"),
        Quantity("storage", "one checkpoint", saved, "B", "12 bytes a parameter: fp32 weight, two moments"),
        Quantity("storage", "time to save", save_hours * 3600, "s", "checkpoint / storage bandwidth"),
        Quantity(
            "failures", "a failure every", failures.hours_between, "h", "hours between failures of a node / nodes"
        ),
        Quantity("failures", "failures expected", seconds / 3600 / failures.hours_between, "failures", "time / that"),
        Quantity("failures", "save every", failures.interval_hours * 60, "min", "Young 1974, Daly 2006"),
        Quantity("failures", "time lost", failures.lost, "fraction", "saving + restarts + half an interval a failure"),
    ]
    return lines
    # docs: end-plan


GRID = "energy x carbon intensity of the grid"
PRICES = "GPU hours x price; the default is a range of list prices of May 2026 (V2)"


def _memory_lines(stage: Stage, layout: Layout, cluster: Cluster) -> list[Quantity]:
    found, group = memory_of(stage, layout), f"memory of a GPU, {stage.name} stage"
    sources = {
        "weights": "bytes a parameter / (tensor x pipeline [x data])",
        "gradients": "the same",
        "optimizer": "Adam's moments, and fp32 weights unless they are above (Rajbhandari et al. 2020)",
        "activations": "kept for the backward pass, fused attention (checked against autograd)",
        "logits": "a plain cross-entropy; the book's chunked loss needs less",
        "copies": "autocast's bf16 blocks; gathered (FSDP2): embedding, head, what three blocks need beyond logits",
    }
    lines = [
        Quantity(group, part.name, getattr(found, part.name), "B", sources[part.name])
        for part in fields(found)
        if getattr(found, part.name)
    ]
    share = found.total / cluster.hardware.memory_bytes
    lines.append(Quantity(group, "total", found.total, "B", "the sum"))
    words = f"of {figures.size(cluster.hardware.memory_bytes)}"
    verdict = "fits" if fits(found, cluster) else f"DOES NOT FIT: leave {1 - USABLE:.0%} free; {_remedy(layout)}"
    return [*lines, Quantity(group, "share of the GPU", share, "fraction", f"{words}: {verdict}")]


def _remedy(layout: Layout) -> str:
    if layout.sharding != "full":
        return "take --sharding full"
    if not layout.checkpointing:
        return "take --checkpointing"
    return "take a larger tensor parallel degree or a smaller micro-batch"


# docs: start-verify
def verify(knobs: Mapping[str, Any], layout: Layout, step: bool = True) -> list[Quantity]:
    """Rank 0 of a model that is really cut over a fake process group of all ranks: its weights, and unless `step` is
    False the peak of a whole training step of the first stage, beside the formulas.

    Raises UnsupportedError for a layout that the book's training has no code for.
    """
    from sc2lib.scaling.sharded import fake_step, state_bytes

    base = stages(knobs)[0]
    formula = training_memory(base.model, base.length, layout, MASTER, chunked_loss=True)
    built = {"weights": (state_bytes(base.model, layout), formula.weights)}
    if step:
        built["peak"] = fake_step(base.model, base.length, layout, autocast=True), formula.total
    group = f"check on a fake process group of {layout.devices} ranks"
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
