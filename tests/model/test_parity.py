import pytest
import torch

from sc2lib.model.parity import compare, randomise
from sc2lib.model.transformer import Starcoder2


@pytest.mark.parametrize("window", [None, 8])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("groups", [1, 2, 4], ids=["multi-query", "grouped", "multi-head"])
def test_every_shape_equals_transformers_below_at_and_above_the_window(small, groups, tied, window):
    """All parameters are randomised by `compare`, biases and norms too."""
    config = small.replace(num_key_value_heads=groups, tie_word_embeddings=tied, sliding_window=window)
    result = compare(config, lengths=(1, 7, 8, 9, 21), seed=3, new_tokens=5)
    assert result.logits < 1e-4
    assert result.loss < 1e-5
    assert result.gradient < 1e-4
    assert result.greedy == result.new_tokens == 25


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
