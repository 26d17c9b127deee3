"""What a step sends: weights that are gathered, gradients and parts of activations that are added up."""

from dataclasses import dataclass

from sc2lib.model.config import ModelConfig
from sc2lib.scaling.memory import Layout, Precision, block_parameters, end_parameters, local_parameters


# docs: start-traffic
@dataclass(frozen=True)
class Traffic:
    """Bytes that one GPU receives from its data-parallel group in one optimizer step."""

    gathered: float
    reduced: float

    @property
    def total(self) -> float:
        return self.gathered + self.reduced

    def in_last_backward(self, micro_batches: int) -> float:
        """Of them, those of the last backward pass when all gradients wait for it and no weights are kept gathered:
        they, and its own gathers."""
        return self.reduced + self.gathered / micro_batches / 2


def traffic(config: ModelConfig, layout: Layout, precision: Precision, micro_batches: int) -> Traffic:
    """Of a step of `micro_batches` per GPU; a ring of n ranks moves (n - 1) / n of what it gathers or scatters.

    "full" (FSDP2, as the book trains): in every micro-batch the blocks' weights come twice, for the forward and for the
    backward pass, embedding and head (never rounded) once, and the gradients go out; once a step if they are deferred.
    Weights that are kept gathered come once a step.
    "optimizer" scatters gradients and gathers weights once a step; "none" does the same with gradients alone (an
    all-reduce). What tensor-parallel ranks add up is in `tensor_traffic`, what pipeline stages hand on in
    `pipeline_traffic`.
    """
    ring = (layout.data - 1) / layout.data
    local = local_parameters(config, layout.tensor, layout.split_vocabulary) / layout.pipeline
    blocks = block_parameters(config) / layout.tensor / layout.pipeline
    ends = end_parameters(config) / (layout.tensor if layout.split_vocabulary else 1)
    if layout.sharding == "full":
        times, passes = (1, 1) if layout.keep_gathered else (micro_batches, 2)
        gathered = times * (passes * precision.gathered * blocks + precision.weights * ends)
        reductions = 1 if layout.defer_gradient_sync else micro_batches
        return Traffic(ring * gathered, ring * reductions * precision.gradients * local)
    again = precision.weights if layout.sharding == "optimizer" else precision.gradients
    return Traffic(ring * again * local, ring * precision.gradients * local)
    # docs: end-traffic


@dataclass(frozen=True)
class Sums:
    """All-reduces of tokens x hidden that tensor-parallel ranks do in a micro-batch, each a sum over the ranks.

    In each block: of outputs in the forward pass, again where it is recomputed, of gradients in the backward pass. At
    the ends (embedding, head): where the vocabulary is split.
    """

    forward: int
    again: int
    backward: int
    ends: int


# Shoeybi et al. 2019, sec. 3: one at the end of attention and of the MLP, and one at the start of each on the way back.
MEGATRON = Sums(forward=2, again=2, backward=2, ends=2)
# Counted on chapter 12's code: a recomputed block stops once the backward pass has all it needs, before its last sum.
BOOK = Sums(forward=2, again=1, backward=2, ends=0)


# docs: start-tensor-traffic
def tensor_traffic(config: ModelConfig, layout: Layout, precision: Precision, tokens: int) -> float:
    """Bytes that one GPU receives from its tensor-parallel group in a micro-batch of `tokens`.

    A ring all-reduce of n ranks moves 2 (n - 1) / n of what it adds up. Outputs travel in the type of the products,
    gradients in that of the residual stream: under autocast bf16 and fp32.
    """
    sums = MEGATRON if layout.split_vocabulary else BOOK
    outputs = sums.forward + (sums.again if layout.checkpointing else 0)
    block = outputs * precision.activations + sums.backward * precision.residual
    whole = block * config.num_hidden_layers / layout.pipeline + sums.ends * precision.activations
    return 2 * (layout.tensor - 1) / layout.tensor * tokens * config.hidden_size * whole
    # docs: end-tensor-traffic


def pipeline_traffic(config: ModelConfig, layout: Layout, precision: Precision, tokens: int) -> float:
    """Bytes that one GPU receives from the stages beside its own in a micro-batch of `tokens`: the residual stream from
    the one before, its gradient from the one after (Narayanan et al. 2021, sec. 3.2)."""
    return 2 * tokens * config.hidden_size * precision.residual if layout.pipeline > 1 else 0.0
