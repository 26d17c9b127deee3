import pytest

from sc2lib.model.counting import formulas_and_counts


@pytest.mark.parametrize("change", [{}, {"num_key_value_heads": 1}, {"tie_word_embeddings": False, "use_bias": True}])
def test_formulas_say_what_is_counted(small, change):
    found = formulas_and_counts(small.replace(**change), batch=2, length=16)
    assert len(found) == 4
    for what, (formula, counted) in found.items():
        assert formula == counted > 0, what


def test_a_wrong_formula_is_seen(small, monkeypatch):
    """The MLP's width counted once instead of twice."""
    right = small.block_activation_bytes(4)
    monkeypatch.setattr(type(small), "block_activation_bytes", lambda *_: right - 4 * small.intermediate_size)
    formula, counted = formulas_and_counts(small, 2, 16)["bytes kept for the backward pass"]
    assert counted - formula == 4 * small.intermediate_size * 2 * 16 * small.num_hidden_layers
