from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sc2lib.cli import main
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import HARDWARE
from sc2lib.scaling.memory import MASTER, MASTER_GATHER_BF16, Layout
from sc2lib.scaling.network import traffic
from sc2lib.scaling.placement import Choices, place
from sc2lib.scaling.sharded import fake_cluster, sharded
from sc2lib.training.parallel import deferred_gradient_sync
from sc2lib.workflow import profiles

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
    """Bytes of whole tensors that PyTorch's collectives gather and scatter."""

    gathered = reduced = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if "allgather" in name:
            self.gathered += args[0].numel() * args[0].element_size()
        if "reduce_scatter" in name:
            self.reduced += args[1].numel() * args[1].element_size()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("gather_bf16", [False, True])
@pytest.mark.parametrize(("micro_batches", "deferred"), [(1, False), (3, False), (3, True)])
def test_the_bytes_of_a_step_are_those_that_fsdp2_moves(micro_batches, deferred, gather_bf16):
    """A step of chapter 12's code on eight ranks that do not exist: every gather and every scatter is counted.

    The formula leaves out the last norm and takes the blocks' for matrices, and a cut that is uneven is filled up.
    """
    layout = Layout(data=8, sharding="full", defer_gradient_sync=deferred)
    with fake_cluster(layout.devices):
        model = sharded(SMALL, layout, gather_bf16)
        model.to_empty(device="cpu")
        tokens = torch.zeros(1, 32, dtype=torch.long)
        with Collectives() as counted:
            for last in range(1 - micro_batches, 1):
                with deferred_gradient_sync(model) if deferred and last else nullcontext():
                    with torch.autocast("cpu", torch.bfloat16):
                        loss = model.loss(tokens, tokens)
                    loss.backward()
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


def test_a_network_too_slow_for_the_mfu_is_named_with_the_mfu_that_it_allows(capsys):
    """The 15B on 512 GPUs, one sequence at a time: fp32 weights come and gradients go eight times a step, which takes
    longer than the compute at 40% of the peak. As the profile trains, only the gradients outlast what hides them."""
    command = ["plan", "--profile", "paper-15b", "--nodes", "64"]
    plain = ["--micro-batch", "1", "--no-gather-bf16", "--no-defer-gradient-sync"]
    assert main([*command, *plain]) == 0
    assert "8.08 s" in (printed := capsys.readouterr().out)
    assert "LONGER than 2.07 s of compute: MFU at most 10%" in printed
    assert main(command) == 0
    assert "last backward pass, LONGER than its 0.345 s of compute: MFU at most 37%" in capsys.readouterr().out
    assert main([*command, "--network-gb-per-s", "400"]) == 0
    assert "LONGER" not in capsys.readouterr().out


def test_gathers_in_bf16_send_half_and_need_no_copy_by_autocast():
    knobs, cluster = profiles.load("paper-15b"), Cluster(nodes=64)
    whole, half = (place(cluster, knobs, Choices(gather_bf16=flag))[0] for flag in (False, True))
    ends = 127 / 128 * whole.micro_batches * 4 * 2 * 49152 * 6144  # embedding and head come in fp32 all the same
    assert half.traffic.gathered - ends == pytest.approx((whole.traffic.gathered - ends) / 2)
    assert half.traffic.reduced == whole.traffic.reduced
    assert half.memory.copies == 4 * 2 * 49152 * 6144 < whole.memory.copies


def test_deferred_gradients_leave_once_and_wait_whole():
    knobs, cluster = profiles.load("paper-15b"), Cluster(nodes=64)
    each, once = (place(cluster, knobs, Choices(defer_gradient_sync=flag))[0] for flag in (False, True))
    assert each.micro_batches == 4
    assert once.traffic.reduced == each.traffic.reduced / 4 and once.traffic.gathered == each.traffic.gathered
    assert once.memory.gradients == 128 * each.memory.gradients
    assert once.memory.total - each.memory.total == once.memory.gradients - each.memory.gradients


def test_one_micro_batch_defers_nothing():
    """The long stage on the profile's own machines."""
    _, long = place(Cluster(nodes=128), profiles.load("paper-15b"))
    assert long.micro_batches == 1 and not long.step_layout.defer_gradient_sync


def test_one_node_has_its_links_and_several_have_the_network():
    h100 = HARDWARE["h100"]
    assert Cluster(nodes=1).bandwidth == h100.link and Cluster(nodes=2).bandwidth == h100.network
    assert Cluster(nodes=1, network_gb_per_s=7).bandwidth == 7e9
