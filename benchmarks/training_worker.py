"""One contender of the training benchmark: some optimizer steps on a file of tokens, in whatever Python runs it.

``python training_worker.py litgpt JOB.json`` trains litgpt's model in the environment that has it; ours and
transformers' are called by the harness. All of them start from fresh weights of one shape, keep fp32 weights, and read
the same batches; each calls what its own training loop calls.
"""

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Job:
    """Shape, batches and settings of one run of a contender."""

    tokens: str
    vocabulary: int
    layers: int
    hidden: int
    heads: int
    groups: int
    length: int
    batch: int
    steps: int
    window: int | None = None
    attention: str = "auto"
    bf16: bool = True
    chunked_loss: bool = True
    fused: bool = True
    keep_memory: bool = True


def loop(job: Job, model: torch.nn.Module, loss_of: Loss, optimizer: torch.optim.Optimizer) -> None:
    """`job.steps` optimizer steps."""
    size = job.batch * job.length
    tokens = np.memmap(job.tokens, np.uint16, "r")
    for step in range(job.steps):
        start = step * size % (len(tokens) - size - 1)
        piece = torch.from_numpy(tokens[start : start + size + 1].astype(np.int64))
        inputs, targets = piece[:-1].view(job.batch, -1), piece[1:].view(job.batch, -1)
        with torch.autocast("cpu", torch.bfloat16) if job.bf16 else nullcontext():
            loss = loss_of(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    assert torch.isfinite(loss)


def ours(job: Job) -> None:
    """sc2lib; the settings of `job` switch off one improvement each."""
    from sc2lib.model import transformer
    from sc2lib.model.attention import AttentionPlan
    from sc2lib.model.config import ModelConfig
    from sc2lib.training.machine import keep_freed_memory

    if job.keep_memory:
        keep_freed_memory()
    if job.attention != "auto":
        build = AttentionPlan.build
        forced: Any = lambda *args, **more: build(*args, **more | {"backend": job.attention})  # noqa: E731
        AttentionPlan.build = forced  # type: ignore[method-assign]
    if not job.chunked_loss:
        whole = transformer.linear_cross_entropy
        transformer.linear_cross_entropy = lambda *args: whole(*args, chunk_elements=2**62)
    model = transformer.Starcoder2(ModelConfig(**_shape(job)))
    optimizer = torch.optim.AdamW(model.parameters(), 3e-4, fused=job.fused, foreach=False if not job.fused else None)
    loop(job, model, model.loss, optimizer)


def transformers(job: Job) -> None:
    """transformers' Starcoder2 with SDPA and its own loss."""
    from transformers import Starcoder2Config, Starcoder2ForCausalLM

    config = Starcoder2Config(**_shape(job), attn_implementation="sdpa", use_cache=False)
    model = Starcoder2ForCausalLM(config).train()

    def loss_of(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = model(input_ids=inputs, labels=inputs, shift_labels=targets).loss
        return loss

    loop(job, model, loss_of, torch.optim.AdamW(model.parameters(), 3e-4, fused=True))


def litgpt(job: Job) -> None:
    """litgpt's model in StarCoder2's shape with the loss of its pretraining script."""
    from litgpt import GPT, Config
    from litgpt.utils import chunked_cross_entropy

    shape = _shape(job)
    config = Config(
        name="starcoder2",
        block_size=job.length,
        padded_vocab_size=job.vocabulary,
        n_layer=job.layers,
        n_head=job.heads,
        n_query_groups=job.groups,
        n_embd=job.hidden,
        intermediate_size=shape["intermediate_size"],
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=True,
        lm_head_bias=False,
        norm_class_name="LayerNorm",
        mlp_class_name="GptNeoxMLP",
        gelu_approximate="tanh",
    )
    model = GPT(config)
    model.lm_head.weight = model.transformer.wte.weight

    def loss_of(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = chunked_cross_entropy(model(inputs), targets)
        return loss

    loop(job, model, loss_of, torch.optim.AdamW(model.parameters(), 3e-4, fused=True))


def _shape(job: Job) -> dict[str, Any]:
    return {
        "vocab_size": job.vocabulary,
        "hidden_size": job.hidden,
        "intermediate_size": 4 * job.hidden,
        "num_hidden_layers": job.layers,
        "num_attention_heads": job.heads,
        "num_key_value_heads": job.groups,
        "max_position_embeddings": job.length,
        "sliding_window": job.window,
        "tie_word_embeddings": True,
    }


if __name__ == "__main__":
    job = Job(**json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))
    {"sc2lib": ours, "transformers": transformers, "litgpt": litgpt}[sys.argv[1]](job)
