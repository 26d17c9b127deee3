"""How the two stages of a profile lie on a cluster: the layout, whether it fits, and what to do when it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.memory import (
    FULL,
    MASTER,
    MASTER_GATHER_BF16,
    MIXED,
    Layout,
    Precision,
    TrainingMemory,
    divisors,
    nearest,
    training_memory,
)
from sc2lib.scaling.network import Traffic, pipeline_traffic, tensor_traffic, traffic
from sc2lib.training.config import TRAFFIC

USABLE = 0.9  # of a device's memory: the rest is for the driver, communication buffers and fragments
PRECISIONS = {"bf16-mixed": MASTER, "32-true": FULL}
MOST_GPUS = 1 << 20


@dataclass(frozen=True)
class Stage:
    """One stage of a profile: its model, sequences per step and at once, steps, and whether blocks are recomputed."""

    name: str
    model: ModelConfig
    batch: int
    steps: int
    micro_batch: int
    checkpointing: bool

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
    names = ("batch_size", "training_steps", "micro_batch_size", "activation_checkpointing")
    return [
        Stage("base", base, *(knobs[name] for name in names)),
        Stage("long", long, *(knobs[f"long_{name}"] for name in names)),
    ]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a plan may fix; None: what the profile trains with, and where that does not fit, what does.

    `sharding` none, optimizer or full. `megatron` plans that program's recipe instead of the book's: bf16 weights and
    gradients beside fp32 masters, the vocabulary split. `defer_gradient_sync`, `gather_bf16` and `keep_gathered` are
    the knobs of that name, for "full" sharding.
    """

    tensor: int | None = None
    pipeline: int | None = None
    micro_batch: int | None = None
    sharding: str | None = None
    checkpointing: bool | None = None
    megatron: bool = False
    defer_gradient_sync: bool | None = None
    gather_bf16: bool | None = None
    keep_gathered: bool | None = None

    def precision(self, knobs: Mapping[str, Any]) -> Precision:
        """Bytes of each kind of state."""
        gathers_bf16 = self.fsdp_knob("gather_bf16", knobs)
        if self.megatron:
            return MIXED
        found = PRECISIONS[knobs["precision"]]
        if gathers_bf16 and found is not MASTER:
            raise ParameterError(f"--gather-bf16 would round what {knobs['precision']} computes with; leave it out")
        return MASTER_GATHER_BF16 if gathers_bf16 else found

    def autocasts(self, knobs: Mapping[str, Any]) -> bool:
        """Whether weights are fp32 and products bf16, so that gathers in bf16 lose nothing."""
        return not self.megatron and PRECISIONS[knobs["precision"]] is MASTER

    def fsdp_knob(self, name: str, knobs: Mapping[str, Any]) -> bool:
        """`name` as chosen, else as the profile trains; always off where the copies do not share everything out."""
        chosen, full = getattr(self, name), sharding_of(knobs, self) == "full"
        if chosen and not full:
            raise ParameterError(
                f"--{name.replace('_', '-')} changes what full sharding sends; take --sharding full, or leave it out"
            )
        return full and bool(knobs[name] if chosen is None else chosen)


@dataclass(frozen=True)
class Placed:
    """A stage on a cluster: what each GPU holds, and what it receives."""

    stage: Stage
    layout: Layout
    precision: Precision = MASTER

    @property
    def memory(self) -> TrainingMemory:
        """Bytes on one GPU, with a plain cross-entropy."""
        return training_memory(self.stage.model, self.stage.length, self.step_layout, self.precision)

    @property
    def micro_batches(self) -> int:
        """Of one GPU in one step."""
        return self.stage.batch // (self.layout.micro_batch * self.layout.data)

    @property
    def sharding(self) -> str:
        """What the copies share out, and the knobs that change what they send, for a reader."""
        knobs = [name for name in TRAFFIC if getattr(self.layout, name, self.precision is MASTER_GATHER_BF16)]
        return " + ".join([f"sharding {self.layout.sharding}", *knobs])

    @property
    def step_layout(self) -> Layout:
        """The layout as a step sees it: with one copy or one micro-batch no gradient waits, and with one copy nothing
        is gathered."""
        copies = self.layout.data > 1
        deferred = self.layout.defer_gradient_sync and copies and self.micro_batches > 1
        return replace(self.layout, defer_gradient_sync=deferred, keep_gathered=self.layout.keep_gathered and copies)

    @property
    def traffic(self) -> Traffic:
        return traffic(self.stage.model, self.step_layout, self.precision, self.micro_batches)

    @property
    def tensor_traffic(self) -> float:
        """Bytes that a GPU receives in one step from those that share its matrices."""
        return self.micro_batches * tensor_traffic(self.stage.model, self.layout, self.precision, self._tokens)

    @property
    def pipeline_traffic(self) -> float:
        """Bytes that a GPU receives in one step from the pipeline stages beside its own."""
        return self.micro_batches * pipeline_traffic(self.stage.model, self.layout, self.precision, self._tokens)

    @property
    def _tokens(self) -> int:
        """Of one micro-batch."""
        return self.layout.micro_batch * self.stage.length

    def fits(self, cluster: Cluster) -> bool:
        """Whether the parts leave the free share of a GPU's memory that `USABLE` asks for."""
        return self.memory.total <= USABLE * cluster.hardware.memory_bytes


# docs: start-place
def place(cluster: Cluster, knobs: Mapping[str, Any], choices: Choices | None = None) -> list[Placed]:
    """Both stages, with copies on all the cluster's GPUs: as the profile trains, changed as little as memory asks for.

    The tensor parallel degree is the profile's, else the smallest that fits; at each degree a stage that is too large
    has its blocks recomputed. When nothing fits, the layout that needs least. Raises ParameterError naming the nearest
    degree when devices, heads, layers or batch divide by none.
    """
    choices = choices or Choices()
    found, problem = [], None
    for tensor in degrees(cluster, knobs, choices):
        try:
            placed = spread(cluster, knobs, replace(choices, tensor=tensor))
        except ParameterError as error:
            problem = problem or error
            continue
        if choices.checkpointing is None:
            placed = [one if one.fits(cluster) else recomputed(one) for one in placed]
        if all(one.fits(cluster) for one in placed):
            return placed
        found.append(placed)
    if not found:
        assert problem is not None
        raise problem
    return min(found, key=lambda placed: max(one.memory.total for one in placed))
    # docs: end-place


def degrees(cluster: Cluster, knobs: Mapping[str, Any], choices: Choices) -> Sequence[int]:
    """Tensor parallel degrees to try: the one that is fixed, else the profile's and then the others of a node.

    The book trains whole copies (ddp) on one device each.
    """
    if choices.tensor is not None:
        return [choices.tensor]
    own = 1
    if knobs["strategy"] in ("tp", "fsdp2_tp"):
        own = knobs["tensor_parallel_size"] or cluster.gpus_per_node
    if sharding_of(knobs, choices) == "none" and own == 1 and not choices.megatron:
        return [own]
    return [own, *(degree for degree in divisors(cluster.gpus_per_node) if degree != own)]


def sharding_of(knobs: Mapping[str, Any], choices: Choices) -> str:
    """What the copies share out: as chosen, else what Megatron does, or the profile's strategy."""
    if choices.sharding is not None:
        return choices.sharding
    if choices.megatron:
        return "optimizer"
    return "full" if knobs["strategy"] in ("fsdp2", "fsdp2_tp") else "none"


def recomputed(placed: Placed) -> Placed:
    """The same stage with its blocks computed again in the backward pass."""
    return replace(placed, layout=replace(placed.layout, checkpointing=True))


def spread(cluster: Cluster, knobs: Mapping[str, Any], choices: Choices) -> list[Placed]:
    """Both stages in exactly this layout, whether they fit or not; a degree of None is 1.

    Raises ParameterError naming the nearest degree when devices, heads, layers or batch do not divide.
    """
    tensor, pipeline = choices.tensor or 1, choices.pipeline or 1
    Layout(tensor=tensor, pipeline=pipeline).check(ModelConfig.from_knobs(knobs))
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
    placed = []
    for stage in stages(knobs):
        layout = Layout(
            tensor=tensor,
            pipeline=pipeline,
            data=cluster.gpus // (tensor * pipeline),
            micro_batch=stage.micro_batch if choices.micro_batch is None else choices.micro_batch,
            sharding=sharding_of(knobs, choices),
            checkpointing=stage.checkpointing if choices.checkpointing is None else choices.checkpointing,
            split_vocabulary=choices.megatron,
            defer_gradient_sync=choices.fsdp_knob("defer_gradient_sync", knobs),
            keep_gathered=choices.fsdp_knob("keep_gathered", knobs),
        )
        layout.check(stage.model)
        _check_batch(stage, layout)
        placed.append(Placed(stage, layout, choices.precision(knobs)))
    return placed


def _check_batch(stage: Stage, layout: Layout) -> None:
    if stage.batch % layout.micro_batch:
        raise ParameterError(
            f"the {stage.name} stage's batch of {stage.batch} sequences does not divide by micro-batch "
            f"{layout.micro_batch}; take {nearest(layout.micro_batch, divisors(stage.batch))}"
        )
    parts = stage.batch // layout.micro_batch
    if parts % layout.data:
        copies = nearest(layout.data, divisors(parts))
        smaller = f", or --micro-batch {_common(stage.batch, layout)}" if stage.batch % layout.data == 0 else ""
        raise ParameterError(
            f"the {stage.name} stage's batch of {stage.batch} sequences does not divide by {layout.data} copies x "
            f"micro-batch {layout.micro_batch}; take {copies} copies ({copies * layout.tensor * layout.pipeline} GPUs)"
            + smaller
        )


def _common(batch: int, layout: Layout) -> int:
    return nearest(layout.micro_batch, divisors(batch // layout.data))


def remedy(placed: Placed, cluster: Cluster) -> str:
    """What makes a stage smaller that does not fit, by the largest of its parts."""
    found, layout = placed.memory, placed.step_layout
    state = found.weights + found.gradients + found.optimizer
    if state >= max(found.activations, found.logits, found.copies):
        if layout.sharding != "full":
            return "its state is the most; take --sharding full"
        if layout.defer_gradient_sync:
            return "its gradients wait whole; take --no-defer-gradient-sync"
        for one, words in ((placed, ""), (recomputed(placed), " and --checkpointing")):
            if gpus := _gpus_that_fit(one, cluster):
                return f"its state is the most; take at least {gpus} GPUs{words}"
    if layout.keep_gathered and found.copies > max(found.activations, found.logits):
        return "its gathered weights are the most; take --no-keep-gathered"
    if not layout.checkpointing:
        return "take --checkpointing"
    if layout.micro_batch > 1:
        return "take --micro-batch 1"
    if layout.keep_gathered:
        return "take --no-keep-gathered"
    if layout.defer_gradient_sync:
        return "take --no-defer-gradient-sync"
    for degree in divisors(cluster.gpus_per_node):
        if degree > layout.tensor and _divides(placed.stage.model, replace(layout, tensor=degree)):
            return f"take --tensor-parallel {degree}"
    return "take GPUs with more memory"


def _gpus_that_fit(placed: Placed, cluster: Cluster) -> int | None:
    """The fewest, doubled from those there are, on which some tensor parallel degree of a node of eight fits."""
    layout, gpus = placed.layout, placed.layout.devices
    while gpus < MOST_GPUS:
        gpus *= 2
        for tensor in divisors(max(8, cluster.gpus_per_node)):
            other = replace(layout, tensor=tensor, data=max(1, gpus // (tensor * layout.pipeline)))
            divides = other.devices == gpus and _divides(placed.stage.model, other)
            if divides and replace(placed, layout=other).fits(cluster):
                return gpus
    return None


def _divides(model: ModelConfig, layout: Layout) -> bool:
    try:
        layout.check(model)
    except ParameterError:
        return False
    return True
