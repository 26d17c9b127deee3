"""Checks of a training step against something that shares no code with it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sc2lib.model.parity import reference
from sc2lib.model.transformer import Starcoder2
from sc2lib.training.data import IGNORED
from sc2lib.training.module import Pretraining


def batch_of(module: Pretraining, size: int) -> tuple[Tensor, Tensor]:
    """The first `size` samples of the run, (tokens_BT, targets_BT)."""
    samples = [module.samples[number] for number in range(size)]
    return torch.stack([tokens for tokens, _ in samples]), torch.stack([targets for _, targets in samples])


@torch.no_grad()
def transformers_loss(model: Starcoder2, tokens_BT: Tensor, targets_BT: Tensor) -> float:
    """Loss that transformers' `Starcoder2ForCausalLM` has on a batch with the same weights, in nats, fp32."""
    other = reference(model)
    logits_BTV = other(input_ids=tokens_BT).logits
    return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORED).item()


def gradient(module: Pretraining, tokens_BT: Tensor, targets_BT: Tensor, micro_batch_size: int) -> Tensor:
    """The gradient of one step, computed in micro-batches, as one vector."""
    module.zero_grad(set_to_none=True)
    parts = list(zip(tokens_BT.split(micro_batch_size), targets_BT.split(micro_batch_size), strict=True))
    for index, part in enumerate(parts):
        (module.training_step(part, index) / len(parts)).backward()
    vector = torch.cat([p.grad.flatten() for p in module.parameters() if p.grad is not None])
    module.zero_grad(set_to_none=True)
    return vector
