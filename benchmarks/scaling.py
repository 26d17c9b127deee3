"""The paper's three models at full width on this machine: a training step on fake tensors, one block on real ones."""

from pathlib import Path

from benchmarks.harness import save_quality
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.memory import FULL, training_memory
from sc2lib.scaling.real_block import real_block
from sc2lib.scaling.sharded import chunked_loss_bytes, fake_step

LENGTH, BLOCK_LENGTH = 4096, 32  # tokens


def main(corpus: Path, repeats: int) -> None:
    """Peak memory found by running the step against the formula of chapter 14, and the gradient of one block."""
    rows = []
    for size in ("3b", "7b", "15b"):
        config = ModelConfig.preset(size)
        plain = training_memory(config, LENGTH, None, FULL)
        formula = plain.total - plain.logits + chunked_loss_bytes(config)
        peak = fake_step(config, LENGTH)
        block = real_block(config, BLOCK_LENGTH)
        rows.append({"name": size, "peak_bytes": peak, "formula_bytes": formula, "ratio": peak / formula, **block})
        print(
            f"  {size}: a step peaks at {peak / 1e9:.1f} GB on fake tensors, formula {formula / 1e9:.1f} GB; a block "
            f"of {block['parameters']:,} parameters has a gradient of norm {block['gradient_norm']:.3f}",
            flush=True,
        )
    save_quality("scaling", rows)
