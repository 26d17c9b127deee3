from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import HARDWARE
from sc2lib.scaling.memory import FULL, MASTER, MASTER_GATHER_BF16, MIXED, Layout
from sc2lib.scaling.network import pipeline_traffic, tensor_traffic, traffic
from sc2lib.scaling.placement import Choices, place
from sc2lib.scaling.sharded import fake_cluster, fused_attention, pass_both_ways, sharded
from sc2lib.workflow import profiles

pytestmark = pytest.mark.filterwarnings("ignore:.*returned a view tensor")  # which a block adds out of place

SMALL = ModelConfig(
    vocab_size=512,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=32,
    tie_word_embeddings=False,
)


class Collectives(TorchDispatchMode):
    """Bytes of whole tensors that PyTorch's collectives gather, scatter and, over the ranks of a matrix, add up."""

    gathered = reduced = added = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if "allgather" in name:
            self.gathered += args[0].numel() * args[0].element_size()
        if "reduce_scatter" in name:
            self.reduced += args[1].numel() * args[1].element_size()
        if name == "_c10d_functional.all_reduce.default":
            self.added += args[0].numel() * args[0].element_size()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("gather_bf16", [False, True])
@pytest.mark.parametrize(("micro_batches", "deferred"), [(1, False), (3, False), (3, True)])
def test_the_bytes_of_a_step_are_those_that_fsdp2_moves(micro_batches, deferred, gather_bf16, kept):
    """A step of chapter 12's code on eight ranks that do not exist: every gather and every scatter is counted.

    The formula leaves out the last norm and takes the blocks' for matrices, and a cut that is uneven is filled up.
    """
    layout = Layout(data=8, sharding="full", defer_gradient_sync=deferred, keep_gathered=kept)
    with fake_cluster(layout.devices):
        model = sharded(SMALL, layout, gather_bf16)
        model.to_empty(device="cpu")
        tokens = torch.zeros(1, 32, dtype=torch.long)
        with Collectives() as counted:
            for number in range(1, micro_batches + 1):
                pass_both_ways(model, tokens, layout, last=number == micro_batches, autocast=True)
    found = traffic(SMALL, layout, MASTER_GATHER_BF16 if gather_bf16 else MASTER, micro_batches)
    assert found.gathered == pytest.approx(7 / 8 * counted.gathered, rel=0.02)
    assert found.reduced == pytest.approx(7 / 8 * counted.reduced, rel=0.02)


def test_copies_that_share_nothing_add_up_their_gradients_once():
    config, layout = ModelConfig.preset("3b"), Layout(data=160)
    found = traffic(config, layout, MASTER, 4)
    assert found.total == pytest.approx(2 * 159 / 160 * 4 * config.parameter_count())
    assert traffic(config, Layout(), MASTER, 4).total == 0
    # Megatron's distributed optimizer gathers weights, of two bytes, instead
    halved = traffic(config, replace(layout, sharding="optimizer"), replace(MASTER, weights=2), 4)
    assert halved.gathered == found.gathered / 2 and halved.reduced == found.reduced


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("data", "tensor"), [(1, 2), (4, 2)])
def test_the_bytes_of_tensor_parallelism_are_those_that_dtensor_adds_up(data, tensor, autocast, checkpointing):
    """A micro-batch of chapter 12's code, forward and backward: every all-reduce between the ranks of a matrix."""
    layout = Layout(data=data, tensor=tensor, sharding="full", checkpointing=checkpointing)
    with fake_cluster(layout.devices):
        model = sharded(SMALL, layout)
        model.to_empty(device="cpu")
        tokens = torch.zeros(3, 32, dtype=torch.long)
        with Collectives() as counted, fused_attention(32):
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                loss = model.loss(tokens, tokens)
            loss.backward()
    found = tensor_traffic(SMALL, layout, MASTER if autocast else FULL, tokens.numel())
    assert found == 2 * (tensor - 1) / tensor * counted.added > 0


def test_megatron_adds_up_twice_a_block_each_way_and_at_both_ends():
    """Shoeybi et al. 2019 in two bytes; full recomputation repeats the forward sums; a pipeline shares the blocks."""
    whole = 64 * 100 * 2 * (2 * 3 / 4)  # a ring of four moves 2 (n - 1) / n
    layout = Layout(tensor=4, split_vocabulary=True)
    assert tensor_traffic(SMALL, layout, MIXED, 100) == whole * (3 * 4 + 2)
    assert tensor_traffic(SMALL, replace(layout, checkpointing=True), MIXED, 100) == whole * (3 * 6 + 2)
    assert tensor_traffic(SMALL, replace(layout, pipeline=3), MIXED, 100) == whole * (4 + 2)
    assert tensor_traffic(SMALL, replace(layout, tensor=1), MIXED, 100) == 0


def test_a_pipeline_hands_on_the_residual_stream_and_its_gradient():
    assert pipeline_traffic(SMALL, Layout(pipeline=3), MIXED, 100) == 2 * 100 * 64 * 2
    assert pipeline_traffic(SMALL, Layout(), MIXED, 100) == 0


def test_gathers_in_bf16_send_half_and_need_no_copy_by_autocast():
    knobs, cluster = profiles.load("paper-15b"), Cluster(nodes=64)
    choices = (Choices(gather_bf16=flag, keep_gathered=False) for flag in (False, True))
    whole, half = (place(cluster, knobs, one)[0] for one in choices)
    ends = 127 / 128 * whole.micro_batches * 4 * 2 * 49152 * 6144  # embedding and head come in fp32 all the same
    assert half.traffic.gathered - ends == pytest.approx((whole.traffic.gathered - ends) / 2)
    assert half.traffic.reduced == whole.traffic.reduced
    assert half.memory.copies == 4 * 2 * 49152 * 6144 < whole.memory.copies


def test_deferred_gradients_leave_once_and_wait_whole():
    knobs, cluster = profiles.load("paper-15b"), Cluster(nodes=64)
    choices = (Choices(defer_gradient_sync=flag, keep_gathered=False) for flag in (False, True))
    each, once = (place(cluster, knobs, one)[0] for one in choices)
    assert each.micro_batches == 4
    assert once.traffic.reduced == each.traffic.reduced / 4 and once.traffic.gathered == each.traffic.gathered
    assert once.memory.gradients == 128 * each.memory.gradients
    assert once.memory.total - each.memory.total == once.memory.gradients - each.memory.gradients


def test_weights_that_are_kept_come_once_and_stay_whole():
    knobs, cluster = profiles.load("paper-15b"), Cluster(nodes=64)
    choices = (Choices(defer_gradient_sync=False, keep_gathered=flag) for flag in (False, True))
    each, once = (place(cluster, knobs, one)[0] for one in choices)
    assert each.micro_batches == 4 and once.traffic.reduced == each.traffic.reduced
    ends = 127 / 128 * 4 * 2 * 49152 * 6144
    assert once.traffic.gathered - ends == pytest.approx((each.traffic.gathered - 4 * ends) / (2 * 4))
    blocks = (once.traffic.gathered - ends) * 128 / 127
    assert once.memory.total - each.memory.total == pytest.approx(blocks)  # the loss leaves room for three


def test_one_micro_batch_defers_nothing_and_still_keeps_weights():
    """The long stage on the profile's own machines; copies that do not exist send nothing."""
    both = Choices(defer_gradient_sync=True, keep_gathered=True)
    _, long = place(Cluster(nodes=128), profiles.load("paper-15b"), both)
    assert long.micro_batches == 1 and not long.step_layout.defer_gradient_sync and long.step_layout.keep_gathered
    alone = replace(long, layout=replace(long.layout, data=1))
    assert alone.traffic.total == 0 and not alone.step_layout.keep_gathered


def test_a_ring_receives_over_all_the_adapters_of_its_members_in_a_node():
    """At most what a link carries on; a group inside one node never leaves it."""
    h100, cluster = HARDWARE["h100"], Cluster(nodes=2)
    assert cluster.bandwidth(members=2, in_node=1) == h100.network == 50e9
    assert cluster.bandwidth(members=16, in_node=8) == 8 * h100.network
    assert cluster.bandwidth(members=4, in_node=4) == cluster.bandwidth(members=8, in_node=8) == h100.link
    assert Cluster(nodes=2, network_gb_per_s=100).bandwidth(members=16, in_node=8) == h100.link
    assert Cluster(nodes=2, link_gb_per_s=60).bandwidth(members=16, in_node=8) == 60e9
    assert Cluster(nodes=1).network == h100.link  # nothing else connects the GPUs of one node
    with pytest.raises(ParameterError, match="give link_gb_per_s"):
        Cluster(nodes=1, network_gb_per_s=7)
