from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from sc2lib.cli import main
from sc2lib.errors import ParameterError
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import HARDWARE
from sc2lib.scaling.placement import Choices, place, spread
from sc2lib.scaling.search import fastest, suggestion
from sc2lib.scaling.step import run_seconds, step_time
from sc2lib.training.config import TRAFFIC
from sc2lib.workflow import profiles


def by_hand(cluster, knobs, stage):
    """Seconds of a step of a stage, and of what copies send, by every combination that divides and fits."""
    sent = list(product((False, True), repeat=3))
    layouts = product((1, 2, 4, 8), ("none", "full"), range(1, 9), (False, True), sent)
    for tensor, sharding, micro_batch, again, sending in layouts:
        if sharding == "none" and (tensor > 1 or any(sending)):
            continue
        less = dict(zip(TRAFFIC, sending, strict=True))
        choices = Choices(tensor=tensor, sharding=sharding, micro_batch=micro_batch, checkpointing=again, **less)
        try:
            placed = spread(cluster, knobs | {"long_micro_batch_size": 1}, choices)
        except ParameterError:
            continue
        if placed[stage].fits(cluster):
            step = step_time(placed[stage], cluster)
            yield (tensor, sharding, sending), (round(step.total, 6), step.copies)


@pytest.mark.parametrize("rates", [{}, {"network_gb_per_s": 5}])
def test_the_fastest_layout_is_the_fastest_of_all_that_fit(rates):
    """Against plain enumeration, and of those that are as fast the one that sends least. The long stage has as many
    sequences as the base stage here, so both divide alike."""
    cluster, knobs = Cluster(nodes=8, **rates), profiles.load("paper-7b", {"batch_size": 512, "long_batch_size": 512})
    base, long = ({}, {})
    for stage, found in enumerate((base, long)):
        for cut, seconds in by_hand(cluster, knobs, stage):
            found[cut] = min(seconds, found.get(cut, seconds))
    steps = np.array([knobs["training_steps"], knobs["long_training_steps"]])
    least = min(tuple(steps @ np.array([base[cut], long[cut]])) for cut in base.keys() & long.keys())
    best = fastest(cluster, knobs)
    assert all(one.fits(cluster) for one in best)
    sent = sum(one.stage.steps * step_time(one, cluster).copies for one in best)
    assert (run_seconds(cluster, best), sent) == pytest.approx(least, rel=1e-5)
    assert any(getattr(best[0].layout, name) for name in ("defer_gradient_sync", "keep_gathered"))


@pytest.mark.parametrize(("name", "nodes", "gpu"), [("paper-3b", 20, "a100"), ("paper-15b", 64, "h100")])
def test_no_paper_profile_is_faster_than_what_is_found(name, nodes, gpu):
    cluster, knobs = Cluster(nodes=nodes, hardware=HARDWARE[gpu]), profiles.load(name)
    best, now = fastest(cluster, knobs), place(cluster, knobs)
    assert run_seconds(cluster, best) < run_seconds(cluster, now)
    (line,) = suggestion(cluster, now, best)
    assert line.value == run_seconds(cluster, best) / 86400 and "take --search" in line.source
    assert suggestion(cluster, best, best) == [] and suggestion(cluster, now, None) == []


def test_what_is_chosen_stays():
    cluster, knobs = Cluster(nodes=64), profiles.load("paper-15b")
    chosen = Choices(tensor=4, micro_batch=1, sharding="full", checkpointing=True)
    for one in fastest(cluster, knobs, chosen):
        layout = one.layout
        assert (layout.tensor, layout.micro_batch, layout.sharding, layout.checkpointing) == (4, 1, "full", True)
    megatron = fastest(cluster, knobs, Choices(pipeline=2, megatron=True))
    assert {(one.layout.pipeline, one.layout.sharding) for one in megatron} == {(2, "optimizer")}


def test_where_nothing_fits_nothing_is_found(capsys):
    small = replace(HARDWARE["h100"], memory_bytes=1e9)
    assert fastest(Cluster(nodes=2, hardware=small), profiles.load("paper-15b")) is None
    assert main(["plan", "--profile", "paper-15b", "--nodes", "1", "--gpus-per-node", "1", "--search"]) == 1
    assert "DOES NOT FIT" in capsys.readouterr().out


def test_the_command_suggests_and_plans_the_fastest(capsys):
    command = ["plan", "--profile", "paper-15b", "--nodes", "64"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert (
        "a faster layout that fits" in printed
        and "tensor 2, sharding full + gather_bf16, micro-batch 2 and 1" in printed
    )
    assert main([*command, "--search"]) == 0
    printed = capsys.readouterr().out
    assert (
        "tensor 2 x pipeline 1 x data 256, sharding full + gather_bf16\n" in printed
        and "a faster layout" not in printed
    )
