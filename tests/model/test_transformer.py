import pytest
import torch
import torch.nn.functional as F
from transformers import Starcoder2ForCausalLM

from sc2lib.model.transformer import Starcoder2, rope, rope_frequencies, rotate

SHAPES = {
    "grouped, tied": {},
    "multi-head, untied": {"num_key_value_heads": 4, "tie_word_embeddings": False},
    "multi-query, window 16": {"num_key_value_heads": 1, "sliding_window": 16},
    "grouped, untied, window 16": {"tie_word_embeddings": False, "sliding_window": 16},
    "without biases": {"use_bias": False, "rope_theta": 1e6},
}


@pytest.mark.parametrize("change", SHAPES.values(), ids=SHAPES)
def test_logits_loss_and_gradients_equal_transformers(small, build, tmp_path, change):
    ours = build(small.replace(**change))
    ours.save_pretrained(tmp_path)
    theirs, report = Starcoder2ForCausalLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values())
    generator = torch.Generator().manual_seed(1)
    for length in (1, 15, 16, 17, 40):
        tokens = torch.randint(0, 300, (2, length), generator=generator)
        torch.testing.assert_close(ours(tokens), theirs(tokens).logits, atol=1e-4, rtol=0)

    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    loss = ours.loss(inputs, targets)
    expected = F.cross_entropy(theirs(inputs).logits.flatten(0, 1), targets.flatten())
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=0)
    loss.backward()
    expected.backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    assert set(gradients) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-4, rtol=1e-4, msg=name)


def test_initialisation_is_seeded_and_has_the_configured_width(small):
    first, second = (Starcoder2(small) for _ in range(2))
    for model in (first, second):
        model.initialize(torch.Generator().manual_seed(5))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    weight = first.model.layers[0].mlp.c_fc.weight.detach()
    assert weight.std() == pytest.approx(small.initializer_range, rel=0.05)
    assert not first.model.layers[0].mlp.c_fc.bias.any()
    assert first.model.norm.weight.eq(1).all()


def test_rope_depends_on_distance_only():
    generator = torch.Generator().manual_seed(2)
    q, k = (torch.randn(1, 1, 1, 32, generator=generator) for _ in range(2))

    def score(query, key):
        turned = [rotate(x, rope(torch.tensor([[p]]), 32, 1e4)) for x, p in ((q, query), (k, key))]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(score(9, 4), score(1009, 1004), atol=1e-3, rtol=1e-3)
    assert abs(score(9, 4) - score(9, 5)) > 1e-2


def test_rope_frequencies_fall_from_one_to_one_over_theta():
    frequency = rope_frequencies(128, 1e5)
    assert frequency[0] == 1
    assert frequency[-1] == pytest.approx(1e5 ** (-126 / 128))


def test_autocast_trains_in_bfloat16(small, build):
    model = build(small.replace(sliding_window=8))
    tokens = torch.randint(0, 300, (2, 33), generator=torch.Generator().manual_seed(4))
    exact = model.loss(tokens[:, :-1], tokens[:, 1:])
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(tokens[:, :-1], tokens[:, 1:])
    loss.backward()
    torch.testing.assert_close(loss, exact, atol=3e-2, rtol=0)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_loss_ignores_marked_targets(small, build):
    model = build(small)
    tokens = torch.randint(0, 300, (2, 9), generator=torch.Generator().manual_seed(6))
    inputs, targets = tokens[:, :-1], tokens[:, 1:].clone()
    targets[1] = -100
    torch.testing.assert_close(model.loss(inputs, targets), model.loss(inputs[:1], targets[:1]))


@torch.no_grad()
def test_reshaping_shares_weights_and_changes_positions_only(small, build):
    model = build(small)
    other = model.reshaped(small.replace(max_position_embeddings=256, rope_theta=1e6, sliding_window=16))
    assert other.output_weight_VE.data_ptr() == model.output_weight_VE.data_ptr()
    tokens = torch.arange(48)[None] % 64
    assert torch.allclose(other(tokens)[:, 0], model(tokens)[:, 0], atol=1e-6)
    assert not torch.allclose(other(tokens)[:, 40], model(tokens)[:, 40], atol=1e-4)
