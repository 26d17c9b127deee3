"""The formula of memory against steps: fake ones on ranks that do not exist, and real ones on this machine."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F

from sc2lib import figures
from sc2lib.model.config import ModelConfig
from sc2lib.model.memory import peak_bytes
from sc2lib.model.transformer import Starcoder2
from sc2lib.scaling.memory import FULL, MASTER, Layout, training_memory
from sc2lib.scaling.sharded import fake_step

FAKE = ModelConfig(
    vocab_size=8192,
    hidden_size=256,
    intermediate_size=1024,
    num_hidden_layers=3,
    num_attention_heads=8,
    num_key_value_heads=4,
)
REAL = ((128, 4, 64), (256, 6, 64), (256, 6, 256))  # width, layers, tokens


# docs: start-checks
def fake_steps() -> Iterator[tuple[str, float, float]]:
    """(what, peak, formula) in bytes of a bf16-mixed step of 512 tokens: alone, FSDP2, FSDP2 and tensor parallel."""
    for data, tensor, again in ((1, 1, False), (160, 1, False), (8, 4, False), (8, 4, True)):
        layout = Layout(data=data, tensor=tensor, sharding="full", checkpointing=again)
        formula = training_memory(FAKE, 512, layout, MASTER, chunked_loss=True).total
        what = f"fake, sharded {data} × tensor {tensor}{', recomputed' if again else ''}"
        yield what, fake_step(FAKE, 512, layout, autocast=True), formula


def real_steps() -> Iterator[tuple[str, float, float]]:
    """(what, peak, formula) in bytes of fp32 training on this machine: two steps of two micro-batches, plain loss."""
    for width, layers, length in REAL:
        config = ModelConfig(
            vocab_size=512,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
        formula = training_memory(config, length, None, FULL).total
        yield f"real, width {width}, layers {layers}, {length} tokens", real_step(config, length), formula
        # docs: end-checks


def real_step(config: ModelConfig, length: int) -> int:
    """Peak bytes of really training that model on one sequence, by PyTorch's profiler."""
    tokens = torch.zeros(1, length, dtype=torch.long)

    def train() -> None:
        model = Starcoder2(config)
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        for _ in range(2):
            for _ in range(2):
                F.cross_entropy(model(tokens)[0], tokens[0]).backward()
            optimizer.step()
            optimizer.zero_grad()

    return peak_bytes(train)


def table() -> list[list[str]]:
    """A row for each step: what, peak, formula, and the ratio of the two."""
    return [
        [what, figures.size(peak), figures.size(formula), f"{peak / formula:.3f}"]
        for what, peak, formula in (*fake_steps(), *real_steps())
    ]
