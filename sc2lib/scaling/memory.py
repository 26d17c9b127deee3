"""Bytes on one device while a model trains, by part, for every way of splitting it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.model.loss import CPU_CHUNK, SMALLEST_CHUNK_TOKENS

SHARDINGS = ("none", "optimizer", "full")


@dataclass(frozen=True, kw_only=True)
class Precision:
    """Bytes per parameter of each kind of state, and per element of activations, residual stream, gathered blocks.

    `casts` are those of the copies that autocast makes of matrices; a block's it keeps for the backward pass.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    residual: int
    gathered: int
    casts: int = 0

    @property
    def block_casts(self) -> int:
        """Of `casts`, those of a block: none where its weights come in autocast's own type."""
        return self.casts if self.gathered > self.casts else 0


# bf16 weights and gradients; in fp32 the weight that learns and Adam's two moments (Rajbhandari et al. 2020, sec. 3).
MIXED = Precision(weights=2, gradients=2, optimizer=12, activations=2, residual=2, gathered=2)
# The book's bf16-mixed: everything that lasts is fp32, autocast computes the matrix products in bf16.
MASTER = Precision(weights=4, gradients=4, optimizer=8, activations=2, residual=4, gathered=4, casts=2)
# The same with `gather_bf16`: a block's matrices come as autocast wants them.
MASTER_GATHER_BF16 = replace(MASTER, gathered=2)
FULL = Precision(weights=4, gradients=4, optimizer=8, activations=4, residual=4, gathered=4)


@dataclass(frozen=True)
class Layout:
    """How one model is spread: tensor, pipeline and data parallel degrees, and sequences computed at once.

    `sharding` says what the data-parallel group shares out: "none" (every rank has all), "optimizer" (ZeRO stage 1,
    Megatron's distributed optimizer) or "full" (ZeRO stage 3, FSDP2: weights and gradients too, each block gathered
    when it computes). `defer_gradient_sync`: with "full", gradients stay whole until the last of several micro-batches;
    `keep_gathered`: weights stay gathered from the first forward pass of a step to its last backward pass.
    `checkpointing` keeps only each block's input and computes the rest again in the backward pass.
    `split_vocabulary` cuts embedding, head and logits over the tensor-parallel ranks too, as Megatron does; the
    book's training keeps them whole.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    micro_batch: int = 1
    sharding: str = "none"
    defer_gradient_sync: bool = False
    keep_gathered: bool = False
    checkpointing: bool = False
    split_vocabulary: bool = False

    def __post_init__(self) -> None:
        for name in ("tensor", "pipeline", "data", "micro_batch"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.sharding not in SHARDINGS:
            raise ParameterError(f"sharding {self.sharding!r} is unknown; choose {', '.join(SHARDINGS)}")

    @property
    def devices(self) -> int:
        return self.tensor * self.pipeline * self.data

    def check(self, config: ModelConfig) -> None:
        """Raise ParameterError unless heads, vocabulary and layers divide evenly, naming the nearest degree that does.

        A key-value head is not split: beyond their number, ranks would hold copies (Megatron does that).
        """
        heads, groups = config.num_attention_heads, config.num_key_value_heads
        vocabulary = config.vocab_size if self.split_vocabulary else 0
        limit = math.gcd(heads, groups, config.intermediate_size, vocabulary)
        if limit % self.tensor:
            raise ParameterError(
                f"tensor parallel degree {self.tensor} must divide the {heads} query heads, the {groups} key-value "
                f"heads and the MLP's {config.intermediate_size} channels"
                f"{' and the vocabulary' if vocabulary else ''}; take {nearest(self.tensor, divisors(limit))}"
            )
        layers = config.num_hidden_layers
        if layers % self.pipeline:
            raise ParameterError(
                f"pipeline degree {self.pipeline} must divide the {layers} layers; "
                f"take {nearest(self.pipeline, divisors(layers))}"
            )


def divisors(number: int) -> list[int]:
    """All divisors, ascending."""
    return [candidate for candidate in range(1, number + 1) if number % candidate == 0]


def nearest(wanted: int, valid: Iterable[int]) -> int:
    """The valid degree at the smallest ratio to the wanted one, the smaller of two."""
    return min(valid, key=lambda candidate: (abs(math.log(candidate / wanted)), candidate))


def end_parameters(config: ModelConfig) -> int:
    """Parameters of the embedding, and of the head where it is not tied."""
    return config.vocab_size * config.hidden_size * (1 if config.tie_word_embeddings else 2)


def block_parameters(config: ModelConfig) -> int:
    """Parameters of all blocks: what remains without embedding, head and last norm."""
    return config.parameter_count() - end_parameters(config) - 2 * config.hidden_size


def local_parameters(config: ModelConfig, tensor: int = 1, split_vocabulary: bool = False) -> int:
    """Parameters of one tensor-parallel rank: matrices are cut; norms and the biases added after a sum are whole."""
    biases = 2 * config.hidden_size if config.use_bias else 0
    whole = config.num_hidden_layers * (4 * config.hidden_size + biases) + 2 * config.hidden_size
    if not split_vocabulary:
        whole += end_parameters(config)
    return (config.parameter_count() - whole) // tensor + whole


def autocast_bytes(config: ModelConfig, tokens: int, precision: Precision, layout: Layout) -> int:
    """Bytes of activations that autocast adds: the residual stream is fp32 (input of both norms, and of the last), and
    the first norm's output is cast three times, once each for query, key and value."""
    wider = precision.residual - precision.activations
    block = config.hidden_size * (2 * wider + (2 * precision.activations if precision.casts else 0))
    layers = config.num_hidden_layers
    blocks = layers * wider * config.hidden_size + block if layout.checkpointing else layers * block
    return tokens * (blocks + wider * config.hidden_size)


def mlp_gradient_bytes(config: ModelConfig, tokens: int, precision: Precision, layout: Layout) -> int:
    """Bytes of gradients beside a block that is recomputed: before and after GELU, where a block is widest.

    Without recomputation they come when activations of the same size have just gone.
    """
    wide = 2 * config.intermediate_size // layout.tensor
    return tokens * precision.activations * wide if layout.checkpointing else 0


def recomputed_bytes(config: ModelConfig, tokens: int, precision: Precision, layout: Layout) -> int:
    """Bytes that the backward pass of a recomputed block needs, and that are free while the loss is computed."""
    kept = config.block_activation_bytes(precision.activations, layout.tensor)
    wider = 2 * (precision.residual - precision.activations) + (2 * precision.activations if precision.casts else 0)
    return tokens * (kept + wider * config.hidden_size) + mlp_gradient_bytes(config, tokens, precision, layout)


@dataclass(frozen=True)
class LossMemory:
    """Bytes that the loss needs forward, and backward."""

    forward: int
    backward: int


def plain_loss_bytes(config: ModelConfig, tokens: int, parts: int = 1) -> LossMemory:
    """A cross-entropy of whole logits: forward, the logits and their log-softmax in fp32; each of `parts` ranks holds
    its part of the vocabulary."""
    backward = config.logit_bytes(tokens, parts)
    return LossMemory(backward * 2 // 3, backward)


def chunked_loss_bytes(config: ModelConfig, tokens: int, precision: Precision) -> LossMemory:
    """The book's loss on a CPU; what is added up is fp32.

    In chunks, forward: the gradients of its input and of the output matrix, the matrix as autocast casts it, and of one
    chunk the logits and their log-softmax, or a product of the matrix's size; backward, both gradients, and no copy.
    Where one chunk holds all logits the loss is a plain one, with the matrix as autocast casts it and its gradient.
    """
    hidden, matrix = tokens * config.hidden_size, config.vocab_size * config.hidden_size
    if tokens * config.vocab_size <= CPU_CHUNK:
        plain, cast = plain_loss_bytes(config, tokens), precision.casts * matrix
        return LossMemory(cast + plain.forward, cast + max(plain.backward, 4 * matrix))
    chunk = max(CPU_CHUNK, SMALLEST_CHUNK_TOKENS * config.vocab_size)
    product = precision.activations * matrix + (4 + precision.casts) * chunk
    forward = 4 * hidden + (4 + precision.casts) * matrix + max(2 * 4 * chunk, product)
    return LossMemory(forward, 4 * (hidden + matrix))


def activation_bytes(config: ModelConfig, tokens: int, layout: Layout, precision: Precision) -> tuple[int, int]:
    """Bytes kept for the backward pass, and those of a block that is recomputed there (0 where none is)."""
    kept = config.activation_bytes(tokens, precision.activations, layout.tensor, layout.checkpointing)
    kept += autocast_bytes(config, tokens, precision, layout) + mlp_gradient_bytes(config, tokens, precision, layout)
    block = recomputed_bytes(config, tokens, precision, layout) if layout.checkpointing else 0
    return kept - block, block


def bytes_beside_state(
    config: ModelConfig,
    layout: Layout,
    precision: Precision,
    activations: tuple[int, int],
    loss: LossMemory,
) -> float:
    """The most that a micro-batch adds to weights, gradients and moments: in its loss, in the backward pass of a block,
    or at the end, where the embedding has its gradient.

    Autocast keeps its copies of the blocks' matrices until their backward pass, gathered or not; where blocks are
    recomputed, its cache keeps them until the loss is there. With "full" sharding come whole weights beside the shards:
    embedding, last norm and head from forward to backward, and the blocks if they are kept gathered, else the one that
    computes and its neighbour; and the gradients of one before they are scattered. That of the output matrix waits for
    the embedding's, if they are one matrix or scattered together; two gradients of one matrix are added up in a third.
    """
    blocks = block_parameters(config) / layout.tensor
    matrix = config.vocab_size * config.hidden_size / (layout.tensor if layout.split_vocabulary else 1)
    tied, full = config.tie_word_embeddings, layout.sharding == "full" and layout.data > 1
    waits = tied or (full and not layout.defer_gradient_sync)
    kept, block = activations
    casts, gathered, passing = precision.block_casts * blocks / layout.pipeline, 0.0, 0.0
    if full:
        gathered = precision.weights * matrix * (1 if tied else 2)
        passing = precision.gradients * blocks / config.num_hidden_layers
        if layout.keep_gathered:
            gathered += precision.gathered * blocks / layout.pipeline
        else:
            passing += 2 * precision.gathered * blocks / config.num_hidden_layers
    late = casts / config.num_hidden_layers if layout.checkpointing else casts
    at_loss = max(loss.forward + casts, loss.backward + (0 if layout.checkpointing else casts))
    in_block = block + late + passing + (precision.gradients * matrix if waits else 0)
    at_end = 3 * precision.gradients * matrix if tied else 0
    return gathered + max(kept + max(at_loss, in_block), at_end)


# docs: start-memory
@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on one device while it trains, by part."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    copies: float = 0.0

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.copies


def training_memory(
    config: ModelConfig,
    length: int,
    layout: Layout | None = None,
    precision: Precision = MIXED,
    chunked_loss: bool = False,
) -> TrainingMemory:
    """State of AdamW per parameter, and what one micro-batch of sequences of `length` tokens adds to it.

    A recomputed block counts for what it needs beyond `logits`, which have gone by then; `copies` are all the rest.
    """
    layout = layout or Layout()
    layout.check(config)
    parameters = local_parameters(config, layout.tensor, layout.split_vocabulary) / layout.pipeline
    shared = parameters / (layout.data if layout.sharding == "full" else 1)
    tokens = layout.micro_batch * length
    plain = plain_loss_bytes(config, tokens, layout.tensor if layout.split_vocabulary else 1)
    loss = chunked_loss_bytes(config, tokens, precision) if chunked_loss else plain
    kept, block = activation_bytes(config, tokens, layout, precision)
    logits = max(loss.forward, loss.backward)
    activations = kept + max(0, block - logits)
    beside = bytes_beside_state(config, layout, precision, (kept, block), loss)
    return TrainingMemory(
        weights=precision.weights * shared,
        gradients=precision.gradients * (parameters if layout.defer_gradient_sync else shared),
        optimizer=precision.optimizer * parameters / (1 if layout.sharding == "none" else layout.data),
        activations=activations,
        logits=logits,
        copies=beside - activations - logits,
    )
    # docs: end-memory
