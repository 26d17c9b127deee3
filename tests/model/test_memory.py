import pytest
import torch

from sc2lib.model.memory import peak_bytes, saved_bytes


def test_peak_bytes_sees_what_lives_at_once():
    def one_after_the_other():
        for _ in range(4):
            torch.zeros(1000)

    def together():
        return [torch.zeros(1000) for _ in range(4)]

    assert peak_bytes(one_after_the_other) == pytest.approx(4000, rel=0.1)
    assert peak_bytes(together) == pytest.approx(16000, rel=0.1)


def test_saved_bytes_counts_each_storage_once_and_no_parameter():
    layer, x = torch.nn.Linear(16, 16, bias=False), torch.randn(10, 16)

    def forward():
        hidden = layer(x)  # keeps x, for the gradient of the weight
        return layer(hidden) * hidden  # keeps hidden (twice, one storage) and the product's other factor

    assert saved_bytes(layer, forward) == 3 * 10 * 16 * 4
    with torch.no_grad():
        assert saved_bytes(layer, forward) == 0
