from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import HARDWARE
from sc2lib.scaling.memory import MIXED, Layout
from sc2lib.scaling.paper import PAPER_RUNS
from sc2lib.scaling.placement import Choices, Placed, Stage, place
from sc2lib.scaling.step import recomputed_flops_per_token, run_seconds, step_time
from sc2lib.training.recomputation import recompute_blocks
from sc2lib.workflow import profiles

SMALL = ModelConfig(
    vocab_size=512,
    hidden_size=64,
    intermediate_size=128,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=4,
    max_position_embeddings=32,
)
STAGE = Stage("base", SMALL, batch=64, steps=10, micro_batch=1, checkpointing=False)


def placed(**layout):
    return Placed(STAGE, Layout(**{"data": 16, "sharding": "full"} | layout))


def cluster(**given):
    return Cluster(**{"nodes": 2} | given)


def slow(one, seconds, **given):
    """Two nodes on which the copies' traffic of one step takes that long."""
    in_node = 8 // one.layout.tensor
    return cluster(network_gb_per_s=one.traffic.total / seconds / in_node / 1e9, link_gb_per_s=1e9, **given)


def test_a_step_takes_the_longer_of_compute_and_of_what_hides_behind_it():
    """FSDP2 of four micro-batches: half as long as the computing it costs nothing, twice as long as much again."""
    one = placed()
    compute = 64 * 32 * SMALL.flops_per_token(32) / (16 * 989e12) / 0.4
    hidden, late = (step_time(one, slow(one, factor * compute)) for factor in (0.5, 2))
    assert hidden.compute == pytest.approx(compute) and hidden.copies == pytest.approx(compute / 2)
    assert hidden.unhidden == 0 and hidden.total == pytest.approx(compute) and hidden.mfu == pytest.approx(0.4)
    assert late.total == pytest.approx(2 * compute) and late.mfu == pytest.approx(0.2)


@pytest.mark.parametrize(("sharding", "passes"), [("none", 2), ("optimizer", 3)])
def test_what_crosses_once_a_step_hides_behind_one_pass_of_one_micro_batch(sharding, passes):
    """Whole copies add gradients up while the last of four backward passes runs; a sharded optimizer also gathers
    weights before the first forward pass, which takes half as long as the backward pass."""
    one = placed(sharding=sharding)
    compute = step_time(one, cluster()).compute
    window = {2: 2 / 3 / 4, 3: 2 * (1 / 3 / 4)}[passes] * compute  # both halves of the traffic fit into their passes
    assert step_time(one, slow(one, 0.99 * window)).unhidden == 0
    assert step_time(one, slow(one, compute)).unhidden == pytest.approx(compute * (1 - passes / 12))


@pytest.mark.parametrize(("deferred", "passes"), [(False, 4), (True, 1)])
def test_weights_that_are_kept_hide_behind_the_first_forward_pass(deferred, passes):
    """A third of one of four micro-batches; gradients behind all four backward passes, or the last if they wait."""
    one = placed(keep_gathered=True, defer_gradient_sync=deferred)
    compute = step_time(one, cluster()).compute
    gathered = one.traffic.gathered / one.traffic.total
    step = step_time(one, slow(one, 9 * compute))
    assert step.unhidden == pytest.approx(9 * compute - compute / 12 - passes * compute / 6)
    hidden = min(1 / 12 / gathered, passes / 6 / (1 - gathered)) * compute
    assert step_time(one, slow(one, 0.99 * hidden)).unhidden == 0 < step_time(one, slow(one, 1.01 * hidden)).unhidden


def test_what_tensor_parallel_ranks_add_up_is_waited_for_over_the_links():
    one = placed(data=8, tensor=2)
    step = step_time(one, cluster(link_gb_per_s=123))
    assert step.tensor == one.tensor_traffic / 123e9
    assert step.total == pytest.approx(step.compute + step.tensor + step.unhidden)
    assert one.tensor_traffic == 8 * Placed(replace(STAGE, batch=8), one.layout).tensor_traffic  # 8 micro-batches, or 1


def test_a_pipeline_fills_and_drains():
    """Of p stages and m micro-batches a GPU idles (p - 1) / (m + p - 1) of its time (Narayanan et al. 2021)."""
    one = Placed(STAGE, Layout(pipeline=4, data=4, sharding="none"), MIXED)
    step = step_time(one, cluster(network_gb_per_s=1e6, link_gb_per_s=1e6))
    assert one.micro_batches == 16
    assert step.bubble / step.total == pytest.approx(3 / (16 + 3))
    assert step_time(one, cluster()).pipeline == one.pipeline_traffic / 50e9


def test_recomputed_blocks_cost_the_flops_that_pytorch_counts():
    """The blocks once more and not the head: what a step with `recompute_blocks` multiplies beyond one without."""
    counted = []
    for again in (False, True):
        model = Starcoder2(SMALL, device="meta")
        if again:
            recompute_blocks(model)
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, 32, dtype=torch.long, device="meta")).sum().backward()
        counted.append(counter.get_total_flops())
    # PyTorch stops before the block's last product, which no gradient needs, and counts invisible keys too
    last = 2 * 32 * SMALL.num_hidden_layers * SMALL.hidden_size * SMALL.intermediate_size
    invisible = SMALL.forward_flops_per_token(32, windowed=False) - SMALL.forward_flops_per_token(32)
    found = recomputed_flops_per_token(placed(checkpointing=True)) + invisible
    assert 32 * found == counted[1] - counted[0] + last
    assert recomputed_flops_per_token(placed()) == 0


def test_a_run_takes_the_steps_of_both_stages():
    one, two = placed(), Placed(replace(STAGE, steps=3), Layout(data=16, checkpointing=True))
    first, second = (step_time(each, cluster()).total for each in (one, two))
    assert run_seconds(cluster(), [one, two]) == pytest.approx(10 * first + 3 * second)


def test_the_verified_throughput_of_the_3b_needs_all_adapters_of_a_node():
    """10,000 tokens a second and A100, data parallel on 160 of them (V): whole copies hide their gradients at that
    speed, as they did. Through one adapter a node they would not, and the published speed would be impossible."""
    run, hardware = PAPER_RUNS[0], HARDWARE["a100"]
    base, _ = place(Cluster(nodes=20, hardware=hardware), profiles.load("paper-3b"))
    assert base.layout.sharding == "none" and base.layout.data == run.devices.value
    rate = run.tokens_per_device_second.value
    mfu = rate * base.stage.model.flops_per_token(4096) / hardware.peak_flops
    step = step_time(base, Cluster(nodes=20, hardware=hardware, mfu=mfu))
    assert step.unhidden == 0 and base.stage.batch * 4096 / step.total / 160 == pytest.approx(rate)
    alone = step_time(base, Cluster(nodes=20, hardware=hardware, mfu=mfu, link_gb_per_s=25))
    assert alone.unhidden > 0.2 * alone.total


def test_gradients_that_wait_have_only_the_last_backward_pass_to_hide_behind():
    """The 15B on 512 GPUs, with adapters of half the speed: all traffic of a step is less than its computing."""
    cluster = Cluster(nodes=64, network_gb_per_s=25)
    base, _ = place(cluster, profiles.load("paper-15b"), Choices(defer_gradient_sync=True, keep_gathered=False))
    step = step_time(base, cluster)
    assert base.micro_batches == 4 and step.copies < step.compute
    block = 10 * 6144**2 + 2 * 6144 * 512  # its matrices: grouped-query attention and MLP
    block_and_ends = 127 / 128 * (2 * 2 * 40 * block / 4 + 4 * 2 * 49152 * 6144)
    last = (block_and_ends / 2 + base.traffic.reduced) / 50e9
    assert step.unhidden == pytest.approx(last - step.compute * 2 / 3 / 4, rel=0.01) and step.unhidden > 0.1
