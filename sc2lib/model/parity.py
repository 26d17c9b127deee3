"""Parity: the model against transformers' `Starcoder2ForCausalLM` with the same weights, number by number."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sc2lib.model.config import ModelConfig
from sc2lib.model.generation import generate
from sc2lib.model.transformer import Starcoder2

# A sequence of one token attends to itself alone, whatever its query and key: their gradients are 0 or rounding.
SMALLEST_GRADIENT = 1e-3


@dataclass(frozen=True)
class Parity:
    """Largest absolute differences, in fp32, over the lengths compared.

    `gradient` is relative to the largest gradient of its parameter (or `SMALLEST_GRADIENT`); `greedy` counts equal
    tokens of greedy continuations, one for each length, out of `new_tokens`.
    """

    logits: float
    loss: float
    gradient: float
    greedy: int
    new_tokens: int


def randomise(model: Starcoder2, seed: int, scale: float = 0.1) -> None:
    """Add noise to every parameter, so that biases are not 0 and norms not 1 and a missing one would show."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * scale * parameter.std().clamp(min=0.1))


def reference(model: Starcoder2) -> Any:
    """The same weights in transformers' own class, read from the folder that `save_pretrained` writes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tqdm misses the widgets it would draw its bars with
        from transformers import Starcoder2ForCausalLM
        from transformers.utils import logging

    logging.disable_progress_bar()
    with TemporaryDirectory() as folder:
        model.save_pretrained(Path(folder))
        return Starcoder2ForCausalLM.from_pretrained(folder).eval()


# docs: start-parity
def compare(config: ModelConfig, lengths: Sequence[int], seed: int, new_tokens: int = 16) -> Parity:
    """Build a seeded model of this shape and compare it with transformers on random tokens of each length."""
    torch.manual_seed(seed)
    ours = Starcoder2(config).eval()
    randomise(ours, seed)
    theirs = reference(ours)
    generator = torch.Generator().manual_seed(seed)
    logits = loss = gradient = 0.0
    equal = 0
    for length in lengths:
        tokens_BT = torch.randint(0, config.vocab_size, (2, length + 1), generator=generator)
        inputs_BT, targets_BT = tokens_BT[:, :-1], tokens_BT[:, 1:]
        expected_BTV = theirs(inputs_BT).logits
        expected_loss = F.cross_entropy(expected_BTV.flatten(0, 1), targets_BT.flatten())
        our_loss = ours.loss(inputs_BT, targets_BT)
        logits = max(logits, float((ours(inputs_BT) - expected_BTV).detach().abs().max()))
        loss = max(loss, float((our_loss - expected_loss).detach().abs()))
        gradient = max(gradient, _gradient_difference(ours, theirs, our_loss, expected_loss))
        equal += _greedy(ours, theirs, inputs_BT[:1], new_tokens)
    return Parity(logits, loss, gradient, equal, new_tokens * len(lengths))
    # docs: end-parity


def _gradient_difference(ours: Starcoder2, theirs: Any, our_loss: Tensor, expected_loss: Tensor) -> float:
    names = [name for name, _ in ours.named_parameters()]
    expected = dict(theirs.named_parameters())
    mine = torch.autograd.grad(our_loss, list(ours.parameters()))
    reference = torch.autograd.grad(expected_loss, [expected[name] for name in names])
    pairs = zip(mine, reference, strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(min=SMALLEST_GRADIENT)) for a, b in pairs)


def _greedy(ours: Starcoder2, theirs: Any, prompt_BT: Tensor, new_tokens: int) -> int:
    mine = generate(ours, prompt_BT.tolist(), new_tokens)[0]
    output_BT = theirs.generate(
        prompt_BT,
        attention_mask=torch.ones_like(prompt_BT),
        max_new_tokens=new_tokens,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return sum(a == b for a, b in zip(mine, output_BT[0, prompt_BT.shape[1] :].tolist(), strict=True))
