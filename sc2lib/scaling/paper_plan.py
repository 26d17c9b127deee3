"""The plan against the paper's own runs: which MFU while they compute would give their published speed or hours."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sc2lib import figures
from sc2lib.scaling.cluster import Cluster
from sc2lib.scaling.costs import HARDWARE
from sc2lib.scaling.paper import PAPER_RUNS, PaperRun
from sc2lib.scaling.placement import Choices, Placed, place
from sc2lib.scaling.search import fastest
from sc2lib.scaling.step import run_seconds
from sc2lib.workflow import profiles

PORT = 4  # tensor parallel degree of NVIDIA's port of the 7B, V


# docs: start-needed
def needed_mfu(cluster: Cluster, placed: Sequence[Placed], gpu_hours: float) -> float | None:
    """The MFU while a GPU computes at which the stages take `gpu_hours`; None where traffic alone takes longer."""

    def hours(mfu: float) -> float:
        return run_seconds(replace(cluster, mfu=mfu), placed) * cluster.gpus / 3600

    low, high = 1e-3, 1.0  # hours fall as the MFU rises
    if hours(high) > gpu_hours:
        return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if hours(middle) > gpu_hours else (low, middle)
    return high
    # docs: end-needed


def published() -> Iterator[tuple[str, str, float | None]]:
    """(run and layout, what is published, the MFU that it asks for) of each published speed or hours.

    The 3B was data parallel (V). The layout of the 7B is not known: the profile's, this book's fastest with the degree
    of NVIDIA's port, and Megatron's fastest with the profile's. Nothing is published for the 15B.
    """
    three, seven, _ = PAPER_RUNS
    cluster, placed = _own(three)
    rate = three.tokens_per_device_second
    assert rate.value is not None
    hours = placed[0].stage.tokens / rate.value / 3600
    speed = f"{rate.shown()} tokens/s and GPU"
    yield "3B, base stage, whole copies", speed, needed_mfu(cluster, placed[:1], hours)
    yield _of_hours("3B, both stages, whole copies", three, cluster, placed)
    cluster, placed = _own(seven)
    knobs = profiles.load("paper-7b")
    yield _of_hours("7B, as the profile trains", seven, cluster, placed)
    port = fastest(cluster, knobs, Choices(tensor=PORT))
    assert port is not None
    yield _of_hours(f"7B, tensor {PORT}", seven, cluster, port)
    theirs = fastest(cluster, knobs, Choices(tensor=placed[0].layout.tensor, megatron=True))
    assert theirs is not None
    yield _of_hours("7B, the same degree in Megatron", seven, cluster, theirs)


def table() -> list[list[str]]:
    """A row for each of the `published`, for a reader."""
    return [[*words, "none suffices" if mfu is None else figures.percent(mfu, 0)] for *words, mfu in published()]


def _own(run: PaperRun) -> tuple[Cluster, list[Placed]]:
    """A run's own machines, and its profile on them."""
    knobs = profiles.load(f"paper-{run.size}")
    cluster = Cluster.of(knobs, nodes=knobs["nodes"], hardware=HARDWARE[run.hardware])
    return cluster, place(cluster, knobs)


def _of_hours(name: str, run: PaperRun, cluster: Cluster, placed: Sequence[Placed]) -> tuple[str, str, float | None]:
    hours = run.gpu_hours
    assert hours.value is not None
    return name, f"{hours.shown()} GPU hours", needed_mfu(cluster, placed, hours.value)
