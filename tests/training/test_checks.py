from collections.abc import Callable

import pytest
import torch

from sc2lib.training.checks import batch_of, gradient, transformers_loss
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import IGNORED
from sc2lib.training.module import Pretraining

Make = Callable[..., TrainingConfig]


def test_checks_agree_with_the_model(configuration: Make) -> None:
    module = Pretraining(configuration())
    tokens_BT, targets_BT = batch_of(module, 4)
    targets_BT[:, :5] = IGNORED
    with torch.no_grad():
        ours = module.model.loss(tokens_BT, targets_BT, IGNORED).item()
    assert transformers_loss(module.model, tokens_BT, targets_BT) == pytest.approx(ours, abs=1e-5)
    whole, parts = (gradient(module, tokens_BT, targets_BT, size) for size in (4, 1))
    assert torch.allclose(whole, parts, atol=1e-6)
    assert whole.numel() == module.config.model.parameter_count()
    assert all(parameter.grad is None for parameter in module.parameters())
