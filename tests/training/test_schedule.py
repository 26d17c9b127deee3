import itertools

import pytest
import torch

from sc2lib.errors import ParameterError
from sc2lib.training.schedule import learning_rate


def test_warm_up_peak_and_end() -> None:
    rates = [learning_rate(step, 100, 1.0, 0.1, 10) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert rates[10] == 1.0 and rates[-1] == pytest.approx(0.1)
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))


def test_equals_pytorchs_cosine() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=2.0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=49, eta_min=0.2)
    for step in range(50):
        assert learning_rate(step, 50, 2.0, 0.2, 0) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_impossible_schedules_are_refused() -> None:
    with pytest.raises(ParameterError, match="warmup_steps"):
        learning_rate(0, 10, 1.0, 0.1, 10)
    with pytest.raises(ParameterError, match="between 0 and the peak"):
        learning_rate(0, 10, 1.0, 2.0, 1)
