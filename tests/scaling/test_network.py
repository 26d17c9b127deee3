from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sc2lib.cli import main
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import HARDWARE
from sc2lib.scaling.memory import MASTER, Layout
from sc2lib.scaling.network import traffic
from sc2lib.scaling.placement import Choices, place
from sc2lib.scaling.sharded import fake_cluster, sharded
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


@pytest.mark.parametrize("micro_batches", [1, 3])
def test_the_bytes_of_a_step_are_those_that_fsdp2_moves(micro_batches):
    """A step of chapter 12's code on eight ranks that do not exist: every gather and every scatter is counted.

    The formula leaves out the norms at the end, and a cut that is uneven is filled up.
    """
    layout = Layout(data=8, sharding="full")
    with fake_cluster(layout.devices):
        model = sharded(SMALL, layout)
        model.to_empty(device="cpu")
        tokens = torch.zeros(1, 32, dtype=torch.long)
        with Collectives() as counted:
            for _ in range(micro_batches):
                model.loss(tokens, tokens).backward()
    found = traffic(SMALL, layout, MASTER, micro_batches)
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
    """The 15B on 512 GPUs gathers fp32 weights eight times a step: longer than the compute at 40% of the peak."""
    command = ["plan", "--profile", "paper-15b", "--nodes", "64"]
    assert main(command) == 0
    assert "LONGER than 2.07 s of compute: MFU at most 10%" in capsys.readouterr().out
    assert main([*command, "--network-gb-per-s", "400"]) == 0
    assert "LONGER" not in capsys.readouterr().out


def test_gathers_in_bf16_send_half_and_need_no_copy_by_autocast():
    knobs, cluster = profiles.load("paper-15b"), Cluster(nodes=64)
    whole, _ = place(cluster, knobs)
    half, _ = place(cluster, knobs, Choices(gather_bf16=True))
    assert half.traffic.gathered == whole.traffic.gathered / 2 and half.traffic.reduced == whole.traffic.reduced
    assert half.memory.copies < whole.memory.copies


def test_one_node_has_its_links_and_several_have_the_network():
    h100 = HARDWARE["h100"]
    assert Cluster(nodes=1).bandwidth == h100.link and Cluster(nodes=2).bandwidth == h100.network
    assert Cluster(nodes=1, network_gb_per_s=7).bandwidth == 7e9
