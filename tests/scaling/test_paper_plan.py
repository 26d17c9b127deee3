import pytest

from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import paper_cost
from sc2lib.scaling.paper import PAPER_RUNS
from sc2lib.scaling.paper_plan import needed_mfu, published, table
from sc2lib.scaling.placement import Choices, place
from sc2lib.scaling.step import run_seconds
from sc2lib.training.config import TRAFFIC
from sc2lib.workflow import profiles


def test_the_mfu_that_hours_ask_for_gives_those_hours_again():
    cluster = Cluster(nodes=64, mfu=0.37)
    placed = place(cluster, profiles.load("paper-7b", {"batch_size": 512, "long_batch_size": 512}))
    hours = run_seconds(cluster, placed) * 512 / 3600
    assert needed_mfu(cluster, placed, hours) == pytest.approx(0.37)
    assert needed_mfu(cluster, placed, hours / 10) is None


def test_the_published_runs_ask_for_these_mfus():
    """The verified speed of the 3B and its recalled hours agree on one MFU. The recalled hours of the 7B ask for more
    where matrices are cut in four than in the two of its profile, and would be too few if FSDP2 then sent all."""
    found = {name: mfu for name, _, mfu in published()}
    speed, hours = found["3B, base stage, whole copies"], found["3B, both stages, whole copies"]
    assert speed == pytest.approx(paper_cost(PAPER_RUNS[0], 0.4).mfu)  # no traffic is left over
    assert hours == pytest.approx(speed, rel=0.03)
    assert found["7B, as the profile trains"] == pytest.approx(0.37, abs=0.005)
    assert found["7B, tensor 4"] == pytest.approx(0.41, abs=0.005)
    everything = {"tensor_parallel_size": 4, "long_activation_checkpointing": False} | dict.fromkeys(TRAFFIC, False)
    cluster = Cluster(nodes=54)
    assert needed_mfu(cluster, place(cluster, profiles.load("paper-7b", everything)), 145_152) is None
    assert 0.34 < found["7B, the same degree in Megatron"] < 0.45


def test_in_its_own_layout_the_15b_keeps_30_of_the_40_percent_assumed():
    """Tensor 4, pipeline 2, one sequence, a sharded optimizer, on 1,024 H100 (V). The bubble costs most."""
    cluster = Cluster(nodes=128)
    placed = place(cluster, profiles.load("paper-15b"), Choices(tensor=4, pipeline=2, micro_batch=1, megatron=True))
    flops = sum(one.stage.flops for one in placed)
    assert flops / (1024 * 989e12 * run_seconds(cluster, placed)) == pytest.approx(0.305, abs=0.005)


def test_the_table_names_each_run_and_its_mfu():
    rows = table()
    assert ["7B, as the profile trains", "145,152 (R) GPU hours", "37%"] in rows
    assert rows[0] == ["3B, base stage, whole copies", "10,000 (V) tokens/s and GPU", "66%"]
