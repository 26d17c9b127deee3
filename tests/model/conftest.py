"""Small models, seeded, with biases and norms that are not their initial 0 and 1."""

from collections.abc import Callable

import pytest
import torch

from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2

torch.set_num_threads(1)

SMALL = ModelConfig(
    vocab_size=300,
    hidden_size=64,
    intermediate_size=256,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
)


@pytest.fixture
def small() -> ModelConfig:
    return SMALL


@pytest.fixture
def build() -> Callable[[ModelConfig], Starcoder2]:
    def make(config: ModelConfig) -> Starcoder2:
        torch.manual_seed(7)
        model = Starcoder2(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        return model

    return make
