"""What a step sends over the network: weights that are gathered, gradients that are added up."""

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
        """Of them, those of the last backward pass when all gradients wait for it: they, and its own gathers."""
        return self.reduced + self.gathered / micro_batches / 2


def traffic(config: ModelConfig, layout: Layout, precision: Precision, micro_batches: int) -> Traffic:
    """Of a step of `micro_batches` per GPU; a ring of n ranks moves (n - 1) / n of what it gathers or scatters.

    "full" (FSDP2, as the book trains): in every micro-batch the blocks' weights come twice, for the forward and for the
    backward pass, embedding and head (never rounded) once, and the gradients go out; once a step if they are deferred.
    "optimizer" scatters gradients and gathers weights once a step; "none" does the same with gradients alone (an
    all-reduce). What tensor-parallel ranks add up inside a node is not in it.
    """
    ring = (layout.data - 1) / layout.data
    local = local_parameters(config, layout.tensor, layout.split_vocabulary) / layout.pipeline
    blocks = block_parameters(config) / layout.tensor / layout.pipeline
    ends = end_parameters(config) / (layout.tensor if layout.split_vocabulary else 1)
    if layout.sharding == "full":
        gathered = micro_batches * (2 * precision.gathered * blocks + precision.weights * ends)
        reductions = 1 if layout.defer_gradient_sync else micro_batches
        return Traffic(ring * gathered, ring * reductions * precision.gradients * local)
    again = precision.weights if layout.sharding == "optimizer" else precision.gradients
    return Traffic(ring * again * local, ring * precision.gradients * local)
    # docs: end-traffic
