"""What a training run needs before it starts: FLOPs, bytes per device, hours, energy. Formulas of the shape alone.

The paper's own figures stand in `PAPER_RUNS`, each with its mark: V read in a
source, V2 second hand, R recalled, I inferred here.
"""

from dataclasses import dataclass

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig


@dataclass(frozen=True)
class Hardware:
    """An accelerator by its data sheet: dense bf16 FLOP/s, memory in bytes, power limit in watts."""

    name: str
    peak_flops: float
    memory_bytes: float
    watts: float


# NVIDIA data sheets of the SXM boards; peaks without sparsity.
HARDWARE = {
    "a100": Hardware("A100 80GB", 312e12, 80e9, 400.0),
    "h100": Hardware("H100 80GB", 989e12, 80e9, 700.0),
}


@dataclass(frozen=True)
class Marked:
    """A figure of the paper with its mark; None when no source has it."""

    value: float | None
    mark: str

    def shown(self, form: str) -> str:
        """The figure by a format specification, its mark in brackets; a dash where no source has it."""
        return "–" if self.value is None else f"{self.value:{form}} ({self.mark})"


UNKNOWN = Marked(None, "–")


@dataclass(frozen=True)
class PaperRun:
    """One of the paper's three runs (see book/fidelity.md)."""

    size: str
    hardware: str
    devices: Marked
    base_tokens: Marked
    flops: Marked
    long_tokens: Marked = Marked(200e9, "V2")
    gpu_hours: Marked = UNKNOWN
    co2_kg: Marked = UNKNOWN
    tokens_per_device_second: Marked = UNKNOWN

    @property
    def stage_tokens(self) -> tuple[float, float]:
        """Training tokens of the base and of the long stage."""
        assert self.base_tokens.value is not None and self.long_tokens.value is not None
        return self.base_tokens.value, self.long_tokens.value

    @property
    def tokens(self) -> float:
        """Training tokens of both stages."""
        return sum(self.stage_tokens)


PAPER_RUNS = (
    PaperRun(
        "3b",
        "a100",
        devices=Marked(160, "V"),
        base_tokens=Marked(3.1e12, "V"),
        flops=Marked(5.94e22, "V2"),
        gpu_hours=Marked(97120, "R"),
        co2_kg=Marked(16107.01, "R"),
        tokens_per_device_second=Marked(10000, "V"),
    ),
    PaperRun(
        "7b",
        "h100",
        devices=Marked(432, "R"),
        base_tokens=Marked(3.5e12, "V2"),
        flops=Marked(1.55e23, "V2"),
        gpu_hours=Marked(145152, "R"),
        co2_kg=Marked(29622.83, "R"),
    ),
    PaperRun(
        "15b",
        "h100",
        devices=Marked(1024, "V"),
        base_tokens=Marked(4.1e12, "V2"),
        flops=Marked(3.87e23, "V2"),
    ),
)


@dataclass(frozen=True)
class Layout:
    """How one model is spread: tensor, pipeline and data parallel degrees, and sequences computed at once.

    `shard_optimizer` spreads the optimizer over the data-parallel group (ZeRO stage 1, Megatron's distributed
    optimizer); `checkpointing` keeps only each block's input and computes the rest again in the backward pass.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    micro_batch: int = 1
    shard_optimizer: bool = False
    checkpointing: bool = False

    def __post_init__(self) -> None:
        for name in ("tensor", "pipeline", "data", "micro_batch"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def devices(self) -> int:
        return self.tensor * self.pipeline * self.data

    def check(self, config: ModelConfig) -> None:
        """Raise ParameterError unless heads and layers divide evenly, naming what does."""
        if config.num_attention_heads % self.tensor or config.num_key_value_heads % self.tensor:
            raise ParameterError(
                f"tensor parallel degree {self.tensor} must divide the {config.num_attention_heads} query heads and "
                f"the {config.num_key_value_heads} key-value heads; take at most {config.num_key_value_heads}"
            )
        if config.num_hidden_layers % self.pipeline:
            raise ParameterError(f"pipeline degree {self.pipeline} must divide the {config.num_hidden_layers} layers")


# docs: start-activations
def block_activation_bytes(config: ModelConfig, bytes_per_element: int = 2, tensor: int = 1) -> int:
    """Bytes that one block keeps for the backward pass, per token, with fused attention.

    Kept whole by every tensor-parallel rank: the inputs and outputs of the two norms (4 E). Split over the ranks:
    query and attention output (2 E), key and value (2 K·D), input and output of GELU (2 F). In fp32: mean and
    deviation of each norm, and one logsumexp per head. The scores, T per head and token, are never kept.
    """
    kv_size = config.num_key_value_heads * config.head_size
    split = 2 * config.hidden_size + 2 * kv_size + 2 * config.intermediate_size
    elements = 4 * config.hidden_size + split // tensor
    return bytes_per_element * elements + 4 * (4 + config.num_attention_heads // tensor)


def activation_bytes(config: ModelConfig, tokens: int, bytes_per_element: int = 2, layout: Layout | None = None) -> int:
    """Bytes kept between forward and backward for `tokens` tokens on one device, output head excluded.

    A pipeline's first stage holds as many micro-batches as it has stages, each through its share of the layers:
    together one micro-batch through all layers, so the pipeline degree cancels.
    """
    layout = layout or Layout()
    block = block_activation_bytes(config, bytes_per_element, layout.tensor)
    boundary = bytes_per_element * config.hidden_size
    layers = config.num_hidden_layers * boundary + block if layout.checkpointing else config.num_hidden_layers * block
    return tokens * (layers + boundary + 2 * 4 + 8)
    # docs: end-activations


def logit_bytes(config: ModelConfig, tokens: int, tensor: int = 1) -> int:
    """Bytes of a plain cross-entropy: the logits in bf16 and in fp32, and their log-softmax in fp32."""
    return tokens * config.vocab_size * (2 + 4 + 4) // tensor


# docs: start-memory
@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on one device while it trains, by part."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def training_memory(config: ModelConfig, length: int, layout: Layout | None = None) -> TrainingMemory:
    """Mixed-precision AdamW: 2 bytes of weight and 2 of gradient per parameter in bf16, 12 in fp32 (the weight again
    and Adam's two moments), plus the activations of one micro-batch (Rajbhandari et al. 2020, section 3).
    """
    layout = layout or Layout()
    layout.check(config)
    parameters = config.parameter_count() / (layout.tensor * layout.pipeline)
    tokens = layout.micro_batch * length
    return TrainingMemory(
        weights=2 * parameters,
        gradients=2 * parameters,
        optimizer=12 * parameters / (layout.data if layout.shard_optimizer else 1),
        activations=activation_bytes(config, tokens, layout=layout),
        logits=logit_bytes(config, tokens, layout.tensor),
    )
    # docs: end-memory


# docs: start-compute
def training_flops(size: str, base_tokens: float, long_tokens: float, windowed: bool = True) -> float:
    """FLOPs of both stages of one of the paper's sizes, from its two configurations."""
    total = 0.0
    for stage, tokens in (("base", base_tokens), ("long", long_tokens)):
        config = ModelConfig.preset(size, stage)
        total += tokens * config.flops_per_token(config.max_position_embeddings, windowed)
    return total
    # docs: end-compute


def six_nd(parameters: float, tokens: float) -> float:
    """The rule of thumb: 6 FLOPs per parameter and token (Kaplan et al. 2020); it leaves attention out."""
    return 6 * parameters * tokens


def device_hours(flops: float, hardware: Hardware, utilisation: float) -> float:
    """Hours of one device at that fraction of its peak (MFU)."""
    if not 0 < utilisation <= 1:
        raise ParameterError(f"a utilisation lies in (0, 1], not {utilisation}")
    return flops / (hardware.peak_flops * utilisation) / 3600


# docs: start-plan
@dataclass(frozen=True)
class Plan:
    """What one of the paper's runs needs: FLOPs, fraction of the peak and its source, hours of one device."""

    run: PaperRun
    hardware: Hardware
    flops: float
    mfu: float
    mfu_from: str
    hours: float


def plan(run: PaperRun, planned_mfu: float) -> Plan:
    """Hours at the utilisation that a published throughput or number of hours implies, else at `planned_mfu`."""
    hardware = HARDWARE[run.hardware]
    flops = training_flops(run.size, *run.stage_tokens)
    rate, published = run.tokens_per_device_second, run.gpu_hours
    if rate.value:
        config = ModelConfig.preset(run.size)
        per_token = config.flops_per_token(config.max_position_embeddings)
        mfu, source = rate.value * per_token / hardware.peak_flops, f"throughput ({rate.mark})"
    elif published.value:
        mfu, source = flops / (published.value * 3600 * hardware.peak_flops), f"hours ({published.mark})"
    else:
        mfu, source = planned_mfu, "assumed"
    return Plan(run, hardware, flops, mfu, source, device_hours(flops, hardware, mfu))
    # docs: end-plan


def energy_kwh(hours: float, hardware: Hardware, overhead: float = 1.0) -> float:
    """Device hours at the power limit, times what the data centre adds (power usage effectiveness).

    An upper estimate for the accelerators; processors, network and storage are not in it.
    """
    return hours * hardware.watts / 1000 * overhead


def compute_optimal(flops: float, tokens_per_parameter: float = 20.0) -> tuple[float, float]:
    """Parameters and tokens that Hoffmann et al. (2022) would choose for a budget: C = 6·N·D with D = 20·N."""
    parameters = (flops / (6 * tokens_per_parameter)) ** 0.5
    return parameters, tokens_per_parameter * parameters
