"""One block of a model of the paper, forward and backward with real numbers: the widths of the cluster on one core."""

import torch

from sc2lib.model.attention import AttentionPlan
from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Block, rope


def real_block(
    config: ModelConfig, length: int, dtype: torch.dtype = torch.bfloat16, seed: int = 0
) -> dict[str, float]:
    """Parameters, norm of the gradient, and standard deviation of the output of one block on random input.

    Weights are drawn as at the start of training, the input from N(0, 1). Two bytes of weight and two of gradient per
    parameter in bf16: 1.7 GB for the 15B.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        block = Block(config).to(dtype)
    block.to_empty(device="cpu")
    for parameter in block.parameters():
        if parameter.ndim == 2:
            torch.nn.init.uniform_(parameter, -1, 1, generator=generator)
            parameter.data.mul_(3**0.5 * float(config.initializer_range or 0))
        else:
            torch.nn.init.zeros_(parameter)
    for norm in (block.input_layernorm, block.post_attention_layernorm):
        torch.nn.init.ones_(norm.weight)
    x_BTE = torch.randn(1, length, config.hidden_size, generator=generator).to(dtype).requires_grad_()
    rotation = rope(torch.arange(length)[None], config.head_size, config.rope_theta)
    y_BTE = block(x_BTE, rotation, AttentionPlan.build(length, config.sliding_window, "cpu"), None, 0)
    y_BTE.float().square().mean().backward()
    norms = torch.stack([p.grad.float().norm() for p in block.parameters() if p.grad is not None])
    return {
        "parameters": sum(p.numel() for p in block.parameters()),
        "gradient_norm": float(norms.norm()),
        "output_deviation": float(y_BTE.detach().float().std()),
    }
