import pytest
import torch

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.model.memory import peak_bytes, saved_bytes
from sc2lib.model.transformer import Starcoder2
from sc2lib.training.scaling import (
    HARDWARE,
    PAPER_RUNS,
    Layout,
    Marked,
    activation_bytes,
    block_activation_bytes,
    compute_optimal,
    device_hours,
    energy_kwh,
    logit_bytes,
    plan,
    six_nd,
    training_flops,
    training_memory,
)

TINY = ModelConfig(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=96,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
)


@pytest.mark.parametrize("change", [{}, {"num_key_value_heads": 4}, {"num_hidden_layers": 1}])
def test_activations_equal_what_autograd_keeps(change):
    config = TINY.replace(**change)
    model, batch, length = Starcoder2(config), 2, 16
    tokens = torch.zeros(batch, length, dtype=torch.long)
    counted = saved_bytes(model, lambda: model.hidden(tokens))
    rotation = 2 * 4 * length * config.head_size // 2  # cosine and sine, shared by all layers
    assert counted - rotation == activation_bytes(config, batch * length, bytes_per_element=4)


def test_logits_equal_what_a_plain_cross_entropy_holds():
    tokens, vocabulary = 64, 512
    config = TINY.replace(vocab_size=vocabulary)
    x, weight = torch.randn(tokens, 32).bfloat16(), torch.randn(vocabulary, 32).bfloat16()
    x.requires_grad_()
    alive = []

    def run():
        alive.append(x @ weight.T)
        alive.append(alive[0].float())
        alive.append(torch.nn.functional.cross_entropy(alive[1], torch.zeros(tokens, dtype=torch.long)))

    assert peak_bytes(run) == pytest.approx(logit_bytes(config, tokens), rel=0.02)


def test_memory_of_one_replica_is_sixteen_bytes_per_parameter():
    for size in ("3b", "7b", "15b"):
        config = ModelConfig.preset(size)
        memory = training_memory(config, 4096)
        assert memory.weights + memory.gradients + memory.optimizer == 16 * config.parameter_count()
        spread = training_memory(config, 4096, Layout(data=8, shard_optimizer=True))
        assert spread.optimizer == memory.optimizer / 8
        assert training_memory(config, 4096, Layout(checkpointing=True)).activations < memory.activations / 4


def test_tensor_parallel_splits_everything_but_the_residual_stream():
    config = ModelConfig.preset("15b")
    whole, quarter = (block_activation_bytes(config, tensor=degree) for degree in (1, 4))
    stream = 2 * 4 * config.hidden_size + 4 * 4
    assert quarter - stream == (whole - stream) / 4


def test_layouts_that_do_not_divide_are_refused():
    with pytest.raises(ParameterError, match="take at most 2"):
        training_memory(ModelConfig.preset("3b"), 4096, Layout(tensor=4))
    with pytest.raises(ParameterError, match="40 layers"):
        training_memory(ModelConfig.preset("15b"), 4096, Layout(pipeline=3))
    with pytest.raises(ParameterError, match="data must be at least 1"):
        Layout(data=0)


def test_the_paper_counts_round_parameters():
    for run, rounded in zip(PAPER_RUNS, (3e9, 7e9, 15e9), strict=True):
        assert six_nd(rounded, run.tokens) == pytest.approx(run.flops.value, rel=5e-3)
        config = ModelConfig.preset(run.size)
        exact = training_flops(run.size, run.base_tokens.value, run.long_tokens.value)
        assert 1.0 < exact / six_nd(config.parameter_count(), run.tokens) < 1.15


def test_hours_energy_and_the_compute_optimal_point():
    hours = device_hours(989e12 * 3600, HARDWARE["h100"], 0.5)
    assert hours == pytest.approx(2)
    assert energy_kwh(hours, HARDWARE["h100"], overhead=1.5) == pytest.approx(2 * 0.7 * 1.5)
    parameters, tokens = compute_optimal(1.2e22)
    assert (parameters, tokens) == pytest.approx((1e10, 2e11))
    with pytest.raises(ParameterError, match="utilisation"):
        device_hours(1.0, HARDWARE["a100"], 1.5)


def test_a_plan_takes_its_utilisation_from_the_best_source():
    """A throughput before hours before the knob; hours that are published come out again."""
    three, seven, fifteen = (plan(run, 0.4) for run in PAPER_RUNS)
    assert three.mfu_from == "throughput (V)" and seven.mfu_from == "hours (R)" and fifteen.mfu_from == "assumed"
    assert seven.hours == pytest.approx(PAPER_RUNS[1].gpu_hours.value)
    assert fifteen.mfu == 0.4 and fifteen.hours == device_hours(fifteen.flops, HARDWARE["h100"], 0.4)
    # 10,000 tokens a second and device: hours of the tokens alone, but for the longer context of the second stage
    assert three.hours == pytest.approx(3.3e12 / 10_000 / 3600, rel=0.05)


def test_a_marked_figure_shows_its_mark():
    assert Marked(97120, "R").shown(",.0f") == "97,120 (R)" and Marked(None, "–").shown(",.0f") == "–"
