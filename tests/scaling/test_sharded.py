import pytest
import torch
import torch.distributed as dist

from sc2lib.errors import UnsupportedError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.memory import FULL, MASTER, Layout, training_memory
from sc2lib.scaling.real_block import real_block
from sc2lib.scaling.sharded import chunked_loss_bytes, fake_cluster, fake_step, state_bytes

SMALL = ModelConfig(
    vocab_size=4096,
    hidden_size=256,
    intermediate_size=1024,
    num_hidden_layers=2,
    num_attention_heads=8,
    num_key_value_heads=4,
    max_position_embeddings=512,
)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "layout",
    [
        Layout(data=16, sharding="full"),
        Layout(tensor=4, data=2),
        Layout(tensor=2, data=64, sharding="full"),
        Layout(tensor=4, data=4, sharding="optimizer"),
    ],
)
def test_a_rank_holds_what_the_formula_says(layout, tied):
    config = SMALL.replace(tie_word_embeddings=tied)
    assert state_bytes(config, layout) == training_memory(config, 1, layout, MASTER).weights
    assert not dist.is_initialized()


def test_pipelines_and_a_second_process_group_are_refused():
    with pytest.raises(UnsupportedError, match="pipeline 1"):
        state_bytes(SMALL, Layout(pipeline=2))
    with fake_cluster(4), pytest.raises(UnsupportedError, match="fresh process"):
        state_bytes(SMALL, Layout(data=4))


def test_a_fake_step_peaks_where_the_formula_says():
    """A deep model with a small vocabulary, so that state and activations decide."""
    config = SMALL.replace(vocab_size=512, num_hidden_layers=6)
    found = training_memory(config, 512, None, FULL)
    assert fake_step(config, 512) == pytest.approx(found.total - found.logits + chunked_loss_bytes(config), rel=0.1)


def test_a_real_block_has_a_finite_gradient_and_the_shape_of_its_model():
    block = real_block(SMALL, 16, torch.float32)
    assert block["parameters"] == (SMALL.parameter_count() - SMALL.vocab_size * 256 - 512) / 2
    assert 0 < block["gradient_norm"] < 100 and block["output_deviation"] > 1
    assert real_block(SMALL, 16, torch.float32) == block
