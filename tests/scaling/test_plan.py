import json
from dataclasses import replace

import pytest

from sc2lib.cli import main
from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.scaling.cluster import CARBON, OVERHEAD, Cluster
from sc2lib.scaling.costs import HARDWARE
from sc2lib.scaling.failures import failure_budget
from sc2lib.scaling.paper import PAPER_RUNS
from sc2lib.scaling.placement import Choices, place, stages
from sc2lib.scaling.plan import plan, verify
from sc2lib.training.checkpoints import KEPT
from sc2lib.workflow import profiles

COMMAND = ["plan", "--profile", "paper-15b", "--nodes", "64"]
# What the paper's runs had, by chapter 14.
MACHINES = {"paper-3b": (20, "a100"), "paper-7b": (54, "h100"), "paper-15b": (128, "h100")}


def values(capsys, *options, code=0):
    assert main([*COMMAND, "--json", *options]) == code
    return {(line["group"], line["name"]): line["value"] for line in json.loads(capsys.readouterr().out)}


def test_the_plan_of_the_15b(capsys):
    found = values(capsys, "--tensor-parallel", "4", "--mfu", "0.5")
    assert found["model", "parameters"] == ModelConfig.preset("15b").parameter_count()
    assert found["model", "tokens, base stage"] == 1_000_000 * 1024 * 4096
    # independent arithmetic: the seconds of each stage's steps, and the MFU that they mean on 512 H100
    seconds = [found[f"time of a step, {name} stage", "total"] for name in ("base", "long")]
    days = (1_000_000 * seconds[0] + 50_000 * seconds[1]) / 86400
    assert found["time", "without failures"] == pytest.approx(days)
    assert found["time", "speed, base stage"] == pytest.approx(1024 * 4096 / seconds[0])
    assert found["time", "MFU"] == pytest.approx(found["model", "compute"] / (512 * 989e12 * days * 86400))
    assert found["time", "MFU"] < 0.45
    hours = found["cost", "GPU time"]
    assert hours == pytest.approx(512 * 24 * found["time", "with failures"]) and hours > 512 * 24 * days
    assert found["cost", "energy, low"] == pytest.approx(hours * 0.7 * 1.1 / 1000)
    assert found["cost", "emissions, high"] == pytest.approx(hours * 0.7 * 1.58 * 0.7 / 1000)
    assert found["cost", "price, low"] == pytest.approx(hours * 2.0)
    assert found["storage", "one checkpoint"] == 12 * found["model", "parameters"]
    assert found["storage", "checkpoints on disk"] == (KEPT + 1) * found["storage", "one checkpoint"]
    # the four GPUs of a group read the same tokens
    assert found["storage", "tokens read"] == pytest.approx(found["time", "speed, base stage"] * 2 * 4)


def test_every_assumption_stands_beside_what_follows_from_it(capsys):
    options = ["--pue", "1.25", "--carbon", "0.1", "0.3", "--usd-per-gpu-hour", "1.5", "--node-mtbf-hours", "5000"]
    assert main([*COMMAND, *options, "--storage-gb-per-s", "7", "--network-gb-per-s", "33", "--mfu", "0.37"]) == 0
    printed = capsys.readouterr().out
    for words in ("x 700 W, the power limit, x PUE 1.25", "0.1 kg/kWh", "0.3 kg/kWh", "GPU hours x 1.5 USD"):
        assert words in printed
    for words in ("5,000 h between failures", "7 GB/s of storage", "adapter of 33 GB/s", "MFU 0.37", "of 15 min"):
        assert words in printed


def test_a_network_that_is_too_slow_makes_the_run_longer_and_is_named(capsys):
    """The 15B on 512 GPUs, one sequence at a time, gathers fp32 weights eight times a step: 404 GB, through the
    adapters of two copies a node four seconds, behind two of computing. A network eight times as fast leaves what
    tensor parallelism costs."""
    plain = ["--micro-batch", "1", "--no-gather-bf16", "--no-keep-gathered"]
    slow, fast = values(capsys, *plain), values(capsys, *plain, "--network-gb-per-s", "400")
    step = {name: value for (group, name), value in slow.items() if group == "time of a step, base stage"}
    assert step["unhidden"] == pytest.approx(slow["network", "seconds a step, base stage"] - step["compute"])
    assert step["total"] == pytest.approx(step["compute"] + step["tensor"] + step["unhidden"])
    assert slow["network", "tensor parallel, base stage"] == pytest.approx(8 * 1.5 * 4096 * 6144 * 40 * (2 * 2 + 2 * 4))
    assert ("time of a step, base stage", "unhidden") not in fast
    assert fast["time", "without failures"] < slow["time", "without failures"] / 1.5
    assert fast["cost", "price, low"] < slow["cost", "price, low"] / 1.5
    assert main([*COMMAND, *plain]) == 0
    printed = capsys.readouterr().out
    assert "that / 100 GB/s (2 copies in a node, each with an adapter of 50 GB/s): LONGER than the 2.07 s" in printed
    assert "40% assumed while a GPU computes; of the step tensor parallelism 7%, waiting for copies 45%" in printed


def test_without_traffic_the_mfu_is_the_one_assumed(capsys):
    """One GPU of 141 GB holds the 3B and sends nothing."""
    assert main(["plan", "--profile", "paper-3b", "--nodes", "1", "--gpus-per-node", "1", "--gpu", "h200"]) == 0
    printed = capsys.readouterr().out
    assert "\nnetwork\n" not in printed and "the 40% assumed: a GPU waits for nothing" in printed


def test_an_option_comes_before_the_profile_and_the_profile_before_the_range():
    """The profiles of the book leave both open, so a plan shows the range of what sites and grids have."""
    open_ = profiles.load("paper-15b")
    assert open_["power_usage_effectiveness"] is None and open_["carbon_intensity"] is None
    cluster = Cluster.of(open_, nodes=2, power_usage_effectiveness=None)
    assert cluster.power_usage_effectiveness == OVERHEAD and cluster.carbon_intensity == CARBON
    assert cluster.mfu == open_["planned_mfu"]
    known = profiles.load("paper-15b", {"power_usage_effectiveness": 1.2, "carbon_intensity": 0.0, "planned_mfu": 0.3})
    cluster = Cluster.of(known, nodes=2, mfu=0.5, power_usage_effectiveness=(1.3, 1.4))
    assert cluster.power_usage_effectiveness == (1.3, 1.4) and cluster.carbon_intensity == (0, 0)
    assert cluster.mfu == 0.5


@pytest.mark.parametrize("name", MACHINES)
def test_every_paper_profile_fits_its_own_hardware_in_both_stages(name):
    """As the profile trains, nothing searched: its knobs say what must be recomputed."""
    nodes, gpu = MACHINES[name]
    knobs, cluster = profiles.load(name), Cluster(nodes=nodes, hardware=HARDWARE[gpu])
    placed = place(cluster, knobs)
    assert nodes == knobs["nodes"] and all(one.fits(cluster) for one in placed)
    for one, prefix in zip(placed, ("", "long_"), strict=True):
        assert one.layout.checkpointing == knobs[f"{prefix}activation_checkpointing"]
        assert one.layout.micro_batch == knobs[f"{prefix}micro_batch_size"]
        assert one.layout.sharding == ("none" if knobs["strategy"] == "ddp" else "full")
        assert one.layout.tensor == (knobs["tensor_parallel_size"] or 1)


@pytest.mark.parametrize("name", ["paper-3b", "paper-15b"])
def test_the_long_stage_fits_no_gpu_of_80_gb_unless_it_is_recomputed(name):
    nodes, gpu = MACHINES[name]
    cluster = Cluster(nodes=nodes, hardware=HARDWARE[gpu])
    base, long = place(cluster, profiles.load(name), Choices(checkpointing=False))
    assert base.fits(cluster) and not long.fits(cluster)


def test_the_command_of_the_help_fits(capsys):
    """512 copies are too many for the long stage's 256 sequences, so the profile's 4 GPUs share a matrix."""
    assert main([*COMMAND, "--gpus-per-node", "8", "--gpu", "h100"]) == 0
    printed = capsys.readouterr().out
    assert "tensor 4 x pipeline 1 x data 128" in printed and "DOES NOT FIT" not in printed
    assert "long stage: 16,384 tokens, micro-batch 1, blocks recomputed" in printed


def test_what_a_profile_leaves_open_is_searched():
    """The 7B in four slices keeps its activations on 80 GB; on GPUs of half the memory its long stage is recomputed,
    and its base stage is not."""
    four = {"tensor_parallel_size": 4, "keep_gathered": False, "long_activation_checkpointing": False}
    knobs, small = profiles.load("paper-7b", four), replace(HARDWARE["h100"], memory_bytes=40e9)
    assert [one.layout.checkpointing for one in place(Cluster(nodes=54), knobs)] == [False, False]
    placed = place(Cluster(nodes=54, hardware=small), knobs)
    assert [one.layout.checkpointing for one in placed] == [False, True]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sharding", "none", "--tensor-parallel", "4"], "its state is the most; take --sharding full"),
        (["--nodes", "1", "--gpus-per-node", "1"], "its state is the most; take at least 8 GPUs"),
        (["--nodes", "1", "--gpus-per-node", "1", "--no-checkpointing"], "at least 8 GPUs and --checkpointing"),
        (["--no-checkpointing"], "leave 10% free; take --checkpointing"),
        (["--micro-batch", "2", "--no-checkpointing", "--gpu", "h200"], "leave 10% free; take --checkpointing"),
        (
            ["--nodes", "32", "--micro-batch", "1", "--checkpointing", "--tensor-parallel", "1"]
            + ["--defer-gradient-sync", "--no-keep-gathered"],
            "take --no-defer-gradient-sync",
        ),
        (
            ["--nodes", "32", "--micro-batch", "1", "--checkpointing", "--tensor-parallel", "1", "--no-gather-bf16"],
            "its gathered weights are the most; take --no-keep-gathered",
        ),
    ],
)
def test_what_does_not_fit_exits_with_1_and_names_what_does(options, words, capsys):
    assert main([*COMMAND, *options]) == 1
    printed = capsys.readouterr().out
    assert "DOES NOT FIT" in printed and words in printed, printed


def test_megatron_keeps_two_bytes_of_a_weight_and_of_the_book_four():
    """As the real run of the 15B: 4 GPUs a matrix, 2 stages, a sharded optimizer (V)."""
    knobs, cluster = profiles.load("paper-15b"), Cluster(nodes=128)
    theirs, _ = place(cluster, knobs, Choices(tensor=4, pipeline=2, megatron=True))
    ours, _ = place(cluster, knobs, Choices(tensor=4, pipeline=2, sharding="optimizer"))
    assert theirs.layout.sharding == "optimizer" and theirs.layout.split_vocabulary
    assert theirs.precision.weights == 2 and ours.precision.weights == 4 and not ours.layout.split_vocabulary


def test_the_weights_of_a_plan_are_those_of_a_model_that_is_built():
    for one in place(Cluster(nodes=64), profiles.load("paper-15b")):
        *_, ratio = verify(one, step=False)
        assert ratio.value == 1
        assert ratio.group == f"check on a fake process group of 512 ranks, {one.stage.name} stage"


CUT = ["--sharding", "full", "--tensor-parallel", "2", "--checkpointing"]


@pytest.mark.parametrize("more", [CUT, [*CUT, "--gather-bf16", "--defer-gradient-sync", "--keep-gathered"], []])
def test_a_step_of_both_stages_is_run_on_request(more, capsys):
    """Cut over four GPUs and recomputed, then sending less, and as the profile trains: whole copies (ddp)."""
    options = ["--nodes", "2", "--gpus-per-node", "1" if not more else "2", "--micro-batch", "1", "--verify", "--json"]
    assert main(["plan", "--profile", "laptop", *options, *more]) == 0
    lines = json.loads(capsys.readouterr().out)
    ratios = {line["group"][-10:]: line["value"] for line in lines if line["name"] == "peak, ratio"}
    assert ratios == {"base stage": pytest.approx(1, abs=0.1), "long stage": pytest.approx(1, abs=0.1)}
    assert {line["value"] for line in lines if line["name"] == "weights, ratio"} == {1}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sharding", "optimizer", "--tensor-parallel", "4"], "take full (FSDP2)"),
        (["--megatron"], "leave --megatron out"),
    ],
)
def test_a_plan_that_is_not_built_says_so(options, words, capsys):
    assert main([*COMMAND, *options, "--verify"]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tensor-parallel", "3"], "take 4"),
        (["--tensor-parallel", "1"], "take 256 copies (256 GPUs)"),
        (["--pipeline-parallel", "6"], "40 layers; take 5"),
        (["--gpus-per-node", "6", "--tensor-parallel", "4"], "inside a node"),
        (["--nodes", "3", "--gpus-per-node", "4", "--pipeline-parallel", "8"], "no multiple of"),
        (["--micro-batch", "3"], "micro-batch 3; take 4"),
        (["--mfu", "1.2"], "fraction of the peak"),
        (["--mfu", "0"], "fraction of the peak"),
        (["--mfu", "nan"], "fraction of the peak"),
        (["--pue", "0"], "from 1 on, not 0.0"),
        (["--carbon", "-1"], "from 0 on, not -1.0"),
        (["--carbon", "0.1", "inf"], "carbon intensity must rise"),
        (["--restart-minutes", "-5"], "restart_minutes must be at least 0"),
        (["--restart-minutes", "nan"], "restart_minutes must be at least 0"),
        (["--node-mtbf-hours", "inf"], "positive and finite, not inf"),
        (["--storage-gb-per-s", "nan"], "positive and finite, not nan"),
        (["--network-gb-per-s", "0"], "positive and finite, not 0.0"),
        (["--megatron", "--sharding", "full", "--gather-bf16"], "leave --gather-bf16 out"),
        (["--sharding", "optimizer", "--gather-bf16"], "--gather-bf16 changes what full sharding sends"),
        (["--sharding", "none", "--defer-gradient-sync"], "--defer-gradient-sync changes what full sharding sends"),
        (["--sharding", "none", "--keep-gathered"], "--keep-gathered changes what full sharding sends"),
        (["--nodes", "1", "--network-gb-per-s", "9"], "one node sends nothing over the network"),
        (["--usd-per-gpu-hour", "3", "2"], "must rise from low to high"),
        (["--node-mtbf-hours", "0.1"], "the run never ends"),
        (["--profile", "paper-15c"], "did you mean 'paper-15b'"),
    ],
)
def test_a_plan_that_cannot_work_exits_with_2_and_says_what_can(options, words, capsys):
    assert main([*COMMAND, *options]) == 2
    assert words in capsys.readouterr().err


def test_the_throughput_of_the_3b_comes_back():
    """160 A100 at the MFU that 10,000 tokens a second and device mean (V) process 1.6 million tokens a second."""
    knobs = profiles.load("paper-3b")
    rate = PAPER_RUNS[0].tokens_per_device_second.value
    model = stages(knobs)[0].model
    mfu = rate * model.flops_per_token(4096) / HARDWARE["a100"].peak_flops
    cluster = Cluster(nodes=20, hardware=HARDWARE["a100"], mfu=mfu)
    found = {line.name: line.value for line in plan(cluster, place(cluster, knobs))}
    assert found["speed, base stage"] == pytest.approx(160 * rate)
    assert found["without failures"] == pytest.approx(3.3e12 / 1.6e6 / 86400, rel=0.06)


def test_the_interval_between_checkpoints_wastes_least():
    """Young's and Daly's interval against a search over the expected loss."""
    budget = failure_budget(nodes=64, save_hours=0.01, restart_hours=0.25, node_hours=6400)
    assert budget.hours_between == 100

    def lost(interval):
        return 0.01 / (interval + 0.01) + (0.25 + interval / 2) / 100

    assert budget.lost == lost(budget.interval_hours)
    assert budget.lost < min(lost(budget.interval_hours * factor) for factor in (0.8, 1.25))
    with pytest.raises(ParameterError, match="faster storage"):
        failure_budget(nodes=1000, save_hours=1, restart_hours=1, node_hours=500)
