import pytest
import torch

from sc2lib.model.parity import compare, randomise
from sc2lib.model.transformer import Starcoder2


def test_equal_models_compare_equal(small):
    result = compare(small.replace(sliding_window=8), lengths=(7, 8, 9, 21), seed=3, new_tokens=5)
    assert result.logits < 1e-4
    assert result.loss < 1e-5
    assert result.gradient < 1e-4
    assert result.greedy == result.new_tokens == 5


def test_a_wrong_window_shows(small, monkeypatch):
    """The comparison can fail: a window one too short is found."""
    original = Starcoder2.hidden

    def shorter(self, tokens, cache=None, lengths=None, documents_BT=None):
        config, self.config = self.config, self.config.replace(sliding_window=self.config.sliding_window - 1)
        try:
            return original(self, tokens, cache, lengths, documents_BT)
        finally:
            self.config = config

    monkeypatch.setattr(Starcoder2, "hidden", shorter)
    assert compare(small.replace(sliding_window=8), lengths=(20,), seed=3, new_tokens=1).logits > 1e-3


def test_randomise_moves_every_parameter(small):
    model = Starcoder2(small)
    before = [parameter.clone() for parameter in model.parameters()]
    randomise(model, seed=1)
    for old, new in zip(before, model.parameters(), strict=True):
        assert (old != new).float().mean() == pytest.approx(1, abs=0.01)
    assert torch.isfinite(model.output_weight_VE).all()
