from dataclasses import replace

import pytest
import torch
import torch.distributed as dist

from sc2lib.errors import UnsupportedError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.memory import FULL, MASTER, MASTER_GATHER_BF16, Layout, training_memory
from sc2lib.scaling.real_block import real_block
from sc2lib.scaling.sharded import fake_cluster, fake_step, state_bytes

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
        Layout(tensor=4),
        Layout(tensor=2, data=64, sharding="full"),
    ],
)
def test_a_rank_holds_what_the_formula_says(layout, tied):
    config = SMALL.replace(tie_word_embeddings=tied)
    assert state_bytes(config, layout) == training_memory(config, 1, layout, MASTER).weights
    assert not dist.is_initialized()


@pytest.mark.parametrize(
    ("layout", "remedy"),
    [
        (Layout(pipeline=2), "pipeline 1"),
        (Layout(data=2, sharding="optimizer"), "take full"),
        (Layout(tensor=2, split_vocabulary=True), "split_vocabulary=False"),
    ],
)
def test_what_the_training_has_no_code_for_is_refused(layout, remedy):
    with pytest.raises(UnsupportedError, match=remedy):
        state_bytes(SMALL, layout)
    with pytest.raises(UnsupportedError, match=remedy):
        fake_step(SMALL, 8, layout)


def test_a_second_process_group_is_refused():
    with fake_cluster(4), pytest.raises(UnsupportedError, match="fresh process"):
        state_bytes(SMALL, Layout(data=4, sharding="full"))


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(
    ("data", "tensor", "autocast"), [(1, 1, True), (160, 1, False), (160, 1, True), (1, 4, False), (8, 4, True)]
)
def test_a_whole_step_peaks_where_the_formula_says(data, tensor, autocast, checkpointing):
    """Forward, backward, collectives, clip and optimizer: one device, FSDP2, tensor parallel, and both."""
    config = SMALL.replace(vocab_size=8192, num_hidden_layers=3)
    layout = Layout(data=data, tensor=tensor, sharding="full", checkpointing=checkpointing)
    formula = training_memory(config, 512, layout, MASTER if autocast else FULL, chunked_loss=True)
    assert fake_step(config, 512, layout, autocast) == pytest.approx(formula.total, rel=0.1)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("gather_bf16", [False, True])
@pytest.mark.parametrize(("data", "tensor"), [(160, 1), (8, 4)])
def test_a_step_whose_gradients_wait_whole_peaks_where_the_formula_says(data, tensor, gather_bf16, checkpointing):
    config = SMALL.replace(vocab_size=8192, num_hidden_layers=3)
    layout = Layout(data=data, tensor=tensor, sharding="full", checkpointing=checkpointing)
    deferred = replace(layout, defer_gradient_sync=True)
    precision = MASTER_GATHER_BF16 if gather_bf16 else MASTER
    formula = training_memory(config, 512, deferred, precision, chunked_loss=True)
    peak = fake_step(config, 512, deferred, autocast=True, gather_bf16=gather_bf16)
    assert peak == pytest.approx(formula.total, rel=0.1)
    if not checkpointing:
        scattered = fake_step(config, 512, layout, autocast=True, gather_bf16=gather_bf16)
        assert peak - scattered == pytest.approx(formula.gradients, rel=0.15)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("data", "tensor", "deferred"), [(64, 1, False), (8, 4, True)])
def test_a_step_that_keeps_what_it_gathers_peaks_where_the_formula_says(data, tensor, deferred, checkpointing, tied):
    config = SMALL.replace(num_hidden_layers=3, tie_word_embeddings=tied)
    freed = Layout(data=data, tensor=tensor, sharding="full", checkpointing=checkpointing, defer_gradient_sync=deferred)
    kept = replace(freed, keep_gathered=True)
    formula = training_memory(config, 512, kept, MASTER_GATHER_BF16, chunked_loss=True)
    peak = fake_step(config, 512, kept, autocast=True, gather_bf16=True)
    assert peak == pytest.approx(formula.total, rel=0.1)
    assert peak > fake_step(config, 512, freed, autocast=True, gather_bf16=True)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize(("data", "tensor"), [(1, 4), (8, 4), (8, 8)])
@pytest.mark.parametrize("vocabulary", [512, 8192])
def test_the_formula_holds_where_all_logits_are_one_chunk(vocabulary, data, tensor, checkpointing, tied):
    """128 tokens: the loss is then a plain one, which needs less than a chunk, and ends matter more than blocks."""
    shape = {"vocab_size": vocabulary, "num_key_value_heads": 8, "tie_word_embeddings": tied}
    layout = Layout(data=data, tensor=tensor, sharding="full", checkpointing=checkpointing)
    formula = training_memory(SMALL.replace(**shape), 128, layout, MASTER, chunked_loss=True)
    assert fake_step(SMALL.replace(**shape), 128, layout, autocast=True) == pytest.approx(formula.total, rel=0.1)


def test_a_real_block_has_a_finite_gradient_and_the_shape_of_its_model():
    block = real_block(SMALL, 16, torch.float32)
    assert block["parameters"] == (SMALL.parameter_count() - SMALL.vocab_size * 256 - 512) / 2
    assert 0 < block["gradient_norm"] < 100 and block["output_deviation"] > 1
    assert real_block(SMALL, 16, torch.float32) == block
