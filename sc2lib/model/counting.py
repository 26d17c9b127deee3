"""What a model costs, counted while it runs, beside what the formulas of its configuration say."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from sc2lib.model.cache import KeyValueCache
from sc2lib.model.config import ModelConfig
from sc2lib.model.memory import optimizer_state_bytes, saved_bytes
from sc2lib.model.transformer import Starcoder2


# docs: start-counting
def formulas_and_counts(config: ModelConfig, batch: int, length: int) -> dict[str, tuple[int, int]]:
    """By cost, the formula's and the counted number for `batch` rows of `length` tokens, in fp32 on the CPU.

    FLOPs are those of whole rows of keys, as PyTorch counts them; the model computes fewer, because it looks back only.
    """
    tokens_BT = torch.zeros(batch, length, dtype=torch.long)
    model = Starcoder2(config)
    with FlopCounterMode(display=False) as counter:
        Starcoder2(config, device="meta")(tokens_BT.to("meta"))
    rotation = 2 * 4 * length * config.head_size // 2  # cosines and sines, one table for all layers
    kept = saved_bytes(model, lambda: model.hidden(tokens_BT)) - rotation
    cache = KeyValueCache(config, length)
    with torch.no_grad():
        model(tokens_BT, cache)
    flops = round(batch * length * config.forward_flops_per_token(length, windowed=False))
    return {
        "FLOPs of the forward pass": (flops, counter.get_total_flops()),
        "bytes kept for the backward pass": (config.activation_bytes(batch * length, 4), kept),
        "bytes of AdamW": (config.optimizer_bytes(), optimizer_state_bytes(model, tokens_BT)),
        "bytes of the cache": (config.kv_cache_bytes(batch, length, 4), cache.bytes()),
    }
    # docs: end-counting
