import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from sc2lib.errors import InputError, ParameterError
from sc2lib.model.attention import AttentionPlan
from sc2lib.model.config import ModelConfig
from sc2lib.model.memory import optimizer_state_bytes, peak_bytes, saved_bytes
from sc2lib.model.transformer import Starcoder2
from sc2lib.workflow import profiles


@pytest.mark.parametrize(("size", "count"), [("3b", 3_030_371_328), ("7b", 7_173_923_840), ("15b", 15_957_889_024)])
def test_the_three_sizes_have_their_exact_parameter_counts(size, count):
    config = ModelConfig.preset(size)
    model = Starcoder2(config, device="meta")
    assert sum(parameter.numel() for parameter in model.parameters()) == count
    assert config.parameter_count() == count


@pytest.mark.parametrize("change", [{}, {"tie_word_embeddings": False}, {"use_bias": False}])
def test_parameter_table_counts_each_part(small, change):
    config = small.replace(**change)
    counted = dict.fromkeys(config.parameter_table(), 0)
    for name, parameter in Starcoder2(config, device="meta").named_parameters():
        part = next(
            part
            for part, mark in [
                ("embedding", "embed_tokens"),
                ("norms", "norm"),
                ("attention", "self_attn"),
                ("mlp", "mlp"),
                ("head", "lm_head"),
            ]
            if mark in name
        )
        counted[part] += parameter.numel()
    assert counted == config.parameter_table()


def test_presets_follow_the_two_stages():
    base, long = ModelConfig.preset("15b"), ModelConfig.preset("15b", stage="long")
    assert (base.max_position_embeddings, base.sliding_window, base.rope_theta) == (4096, None, 1e5)
    assert (long.max_position_embeddings, long.sliding_window, long.rope_theta) == (16384, 4096, 1e5)
    assert ModelConfig.preset("3b", stage="long").rope_theta == pytest.approx(1e6, rel=1e-5)
    assert not base.tie_word_embeddings
    for size in ("3b", "7b", "15b"):
        preset = ModelConfig.preset(size)
        assert preset.head_size == 128
        assert preset.initializer_range == pytest.approx(preset.hidden_size**-0.5, rel=3e-3)
    with pytest.raises(ParameterError, match="3b, 7b, 15b"):
        ModelConfig.preset("1b")
    with pytest.raises(ParameterError, match="base or long"):
        ModelConfig.preset("3b", stage="medium")


def test_readings_depart_where_the_sheet_says():
    def departures(size, stage, reading):
        paper, other = (ModelConfig.preset(size, stage, name).to_dict() for name in ("paper", reading))
        return {name: value for name, value in other.items() if paper[name] != value}

    cases = [(s, "long", r) for s in ("3b", "7b", "15b") for r in ("released", "trained")]
    cases += [(s, "base", "trained") for s in ("3b", "7b", "15b")]
    found = {case: changed for case in cases if (changed := departures(*case))}
    assert found == {
        ("7b", "long", "released"): {"initializer_range": 0.018042},
        ("15b", "base", "trained"): {"rope_theta": 10_000.0},
    }
    with pytest.raises(ParameterError, match="stage long"):
        ModelConfig.preset("3b", "base", "released")
    with pytest.raises(ParameterError, match="paper, released, trained"):
        ModelConfig.preset("3b", reading="recalled")


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"num_attention_heads": 5}, "take 4 heads"),
        ({"num_key_value_heads": 3}, "take 2"),
        ({"num_key_value_heads": 8}, "take 4"),
        ({"hidden_size": 60, "num_attention_heads": 4}, "head size must be even"),
        ({"sliding_window": 0}, "None means no window"),
        ({"sliding_window": 129}, r"1\.\.128"),
        ({"vocab_size": 0}, "vocab_size"),
        ({"rope_theta": -1.0}, "rope_theta"),
        ({"rope_theta": "1e4"}, "rope_theta must be a positive number, not '1e4'"),
        ({"hiden_size": 64}, "unknown field hiden_size"),
    ],
)
def test_impossible_shapes_are_refused_with_a_remedy(small, change, remedy):
    with pytest.raises(ParameterError, match=remedy):
        small.replace(**change)


@given(
    heads=st.integers(1, 8),
    head_size=st.integers(1, 16).map(lambda half: 2 * half),
    window=st.none() | st.integers(1, 64),
    tied=st.booleans(),
)
def test_round_trips(heads, head_size, window, tied):
    config = ModelConfig(
        hidden_size=heads * head_size,
        num_attention_heads=heads,
        num_key_value_heads=1,
        max_position_embeddings=64,
        sliding_window=window,
        tie_word_embeddings=tied,
    )
    assert ModelConfig.from_dict(json.loads(config.to_json())) == config
    assert ModelConfig.from_huggingface(json.loads(json.dumps(config.to_huggingface()))) == config


def test_reads_the_released_form_of_the_configuration():
    released = {
        "model_type": "starcoder2",
        "attention_dropout": 0.1,
        "hidden_size": 3072,
        "initializer_range": 0.018042,
        "max_position_embeddings": 16384,
        "num_hidden_layers": 30,
        "rope_theta": 999999.4420358813,
        "sliding_window": 4096,
        "use_cache": True,
    }
    assert ModelConfig.from_huggingface(released) == ModelConfig.preset("3b", stage="long")
    for key, value in (
        ("hidden_act", "silu"),
        ("model_type", "llama"),
        ("rope_scaling", {"rope_type": "yarn"}),
        ("rope_scaling", {"type": "linear", "factor": 4}),
        ("quantization_config", {"bits": 4}),
        ("head_dim", 64),
        ("num_attention_heads", 5),
        ("sliding_window", 16.5),
        ("sliding_window", True),
    ):
        with pytest.raises(InputError, match=r"here\.json"):
            ModelConfig.from_huggingface({**released, key: value}, where="here.json")


@pytest.mark.parametrize("change", [{}, {"num_key_value_heads": 1, "tie_word_embeddings": False}])
def test_flops_equal_the_counted_matrix_products(small, change):
    config, batch, length = small.replace(**change), 3, 32
    model = Starcoder2(config, device="meta")
    tokens = torch.zeros(batch, length, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as forward:
        logits = model(tokens)
    assert forward.get_total_flops() == batch * length * config.forward_flops_per_token(length, windowed=False)
    with FlopCounterMode(display=False) as backward:
        logits.sum().backward()
    counted = forward.get_total_flops() + backward.get_total_flops()
    assert counted == batch * length * config.flops_per_token(length, windowed=False)


@given(length=st.integers(1, 80), window=st.none() | st.integers(1, 80))
def test_visible_keys_are_counted_pair_by_pair(length, window):
    config = ModelConfig(max_position_embeddings=80, sliding_window=window)
    pairs = sum(0 <= q - k < (window or length) for q in range(length) for k in range(length))
    assert config.visible_keys(length) == pairs


def test_kv_cache_of_the_paper_sizes():
    base, long = ModelConfig.preset("3b"), ModelConfig.preset("3b", stage="long")
    assert base.kv_cache_bytes() == 2 * 30 * 2 * 128 * 4096 * 2
    assert long.kv_cache_bytes(batch=4, length=16384) == 4 * base.kv_cache_bytes(length=4096)


@pytest.mark.parametrize(
    "change", [{}, {"num_key_value_heads": 1}, {"num_hidden_layers": 1}, {"sliding_window": 4}], ids=str
)
def test_activations_equal_what_autograd_keeps(small, change):
    config = small.replace(**change)
    model, batch, length = Starcoder2(config), 2, 16
    tokens = torch.zeros(batch, length, dtype=torch.long)
    counted = saved_bytes(model, lambda: model.hidden(tokens))
    rotation = 2 * 4 * length * config.head_size // 2  # cosine and sine, shared by all layers
    mask = AttentionPlan.build(length, config.sliding_window, "cpu", dtype=torch.float32).mask_bytes  # shared too
    assert 0 <= counted - rotation - config.activation_bytes(batch * length, bytes_per_element=4) <= mask


def test_logits_equal_what_a_plain_cross_entropy_holds(small):
    tokens, vocabulary = 64, 1024
    config = small.replace(vocab_size=vocabulary)
    x, weight = torch.randn(tokens, 32).bfloat16(), torch.randn(vocabulary, 32).bfloat16()
    x.requires_grad_()

    def run():
        torch.nn.functional.cross_entropy((x @ weight.T).float(), torch.zeros(tokens, dtype=torch.long)).backward()

    assert peak_bytes(run) == pytest.approx(config.logit_bytes(tokens), rel=0.1)


def test_the_optimizers_bytes_are_those_of_its_two_moments(small):
    tokens = torch.zeros(1, 8, dtype=torch.long)
    assert optimizer_state_bytes(Starcoder2(small), tokens) == small.optimizer_bytes()


@pytest.mark.parametrize("profile", ["smoke", "laptop", "paper-3b", "paper-7b", "paper-15b"])
def test_the_knobs_of_a_profile_give_its_model(profile):
    knobs = profiles.load(profile)
    config = ModelConfig.from_knobs(knobs)
    assert (config.vocab_size, config.max_position_embeddings) == (knobs["vocabulary_size"], knobs["sequence_length"])
    if profile.startswith("paper"):
        published = ModelConfig.preset(profile.removeprefix("paper-"))
        assert config.initializer_range == pytest.approx(published.initializer_range, rel=5e-3)  # rounded there
        assert config.replace(initializer_range=published.initializer_range) == published
