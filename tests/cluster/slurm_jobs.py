"""A real Slurm of two nodes on this machine runs the jobs that `sc2 submit` writes: pytest tests/cluster/slurm_jobs.py

One test runs the book's own chapters. In the others the project is small: numbers, their squares, and a training by the
code of chapter 12, with the numbers of the book's stages, so that the jobs are cut where those of the book are.
`make test` leaves this file out: Slurm's daemons want root, and on a busy machine the many starts of processes take
half an hour.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sc2lib.cli import main
from sc2lib.training.config import TrainingConfig
from sc2lib.training.run import run as train
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import submission
from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import run_chain, select
from tests.cluster.slurm_daemons import ask, slurm, until, why_not
from tests.workflow.conftest import CHECKOUT, outputs, write_notebook  # noqa: F401

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
if reason := why_not():
    pytest.skip(reason, allow_module_level=True)

NUMBERS = [
    """import pyarrow as pa
shards = stage.params.shards
stage.write_table("files", [pa.table({"n": list(range(k, 40, shards))}) for k in range(shards)])""",
    "stage.finish()",
]
TOKENS = [
    """from tests.workflow import steps
stage.map(steps.square, stage.shards("01_archive", "files"), outputs=["squares"])
nodes = set(stage.map_items(steps.ray_node, list(range(20)))) - {None}""",
    """import argparse
from pathlib import Path
import numpy as np
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.training import train
text = Path(argparse.__file__).read_text()
def write(folder):
    folder.mkdir()
    train([text], 512).save(str(folder / "tokenizer.json"))
    tokens = Tokenizer.load(folder / "tokenizer.json").encode(text)
    np.asarray(tokens[4000:], np.uint16).tofile(folder / "train.bin")
    np.asarray(tokens[:4000], np.uint16).tofile(folder / "validation.bin")
stage.produce("tokens", write)""",
    "stage.finish(measured={'nodes': len(nodes)})",
]
TRAINING = [
    """from sc2lib.training.config import *
from sc2lib.training.run import run
from sc2lib.model.config import ModelConfig
p, tokens = stage.params, stage.input("09_tokenizer", "tokens")
model = ModelConfig(vocab_size=512, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
    num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64)
data = DataConfig(train=str(tokens / "train.bin"), validation=str(tokens / "validation.bin"),
    tokenizer=str(tokens / "tokenizer.json"), sequence_length=64, batch_size=4, micro_batch_size=p.micro_batch_size,
    validation_windows=4, seed=p.seed)
steps = OptimizerConfig(steps=p.training_steps, warmup_steps=3)
machine = RunConfig(folder=str(stage.scratch("training")), devices=p.devices, nodes=p.nodes, threads=1,
    precision="32-true", accelerator="cpu", checkpoint_every_steps=p.training_steps)
done = run(TrainingConfig(model=model, data=data, optimizer=steps, run=machine), stage.progress)""",
    "stage.finish(metrics={'losses': [row['loss'] for row in done.metrics().to_pylist() if row['split'] == 'train']})",
]
LONG = 2000  # steps; an idle machine computes 1,500 of them before the warning
MINUTES = 30
PATIENCE = MINUTES * 20.0  # seconds: an idle machine needs a tenth of it
REST = ["stage.finish(metrics={'trained': stage.manifest('12_pretraining').digest})"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with slurm(tmp_path_factory.mktemp("slurm") / "cluster") as environment:
        yield environment


@pytest.fixture
def reach(cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Makes a folder the project's root, in an environment that reaches the cluster."""

    def set_root(root: Path) -> None:
        for name, value in (cluster | {"SC2_ROOT": str(root), "PYTHONPATH": str(CHECKOUT)}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SC2_RUNS", raising=False)
        monkeypatch.delenv("SC2_LOCKED_RUN", raising=False)

    return set_root


@pytest.fixture
def book(tmp_path: Path, reach: Callable[[Path], None]) -> Path:
    """Root of a project whose chapters carry the book's numbers."""
    root = tmp_path / "it's a book"
    notebooks = root / "notebooks"
    write_notebook(notebooks, "01_archive", [], {}, NUMBERS)
    write_notebook(notebooks, "09_tokenizer", ["01_archive"], {}, TOKENS)
    knobs = dict.fromkeys(("training_steps", "micro_batch_size", "devices", "nodes"))
    write_notebook(notebooks, "12_pretraining", ["09_tokenizer"], knobs, TRAINING)
    write_notebook(notebooks, "13_long_context", ["12_pretraining"], {}, REST)
    write_notebook(notebooks, "18_benchmarks", ["12_pretraining"], {}, REST)
    reach(root)
    return root


def details(cluster: dict[str, str], job: str) -> dict[str, str]:
    """What Slurm knows of a job."""
    words = ask(cluster, "scontrol", "--oneliner", "show", "job", job).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def submit(
    run: RunDirectory, capfd: pytest.CaptureFixture[str], nodes: int, *settings: str, time: str = "1:00:00"
) -> list[str]:
    """The numbers of the three jobs: data, training, evaluation."""
    options = ["--nodes", str(nodes), "--data-nodes", str(nodes), "--time", time]
    chosen = [word for setting in settings for word in ("--set", setting)]
    assert main(["submit", "--profile", "smoke", "--run-dir", str(run.path), *options, *chosen]) == 0
    return [line.split()[2].rstrip(",") for line in capfd.readouterr().out.splitlines()[:3]]


def logs(run: RunDirectory) -> str:
    return "\n".join(path.read_text() for path in sorted((run.path / "jobs").glob("*.log")))


def assert_undisturbed(run: RunDirectory, folder: Path, steps: int) -> None:
    """The losses of the run's training are those of the same training in one piece and outside Slurm."""
    values = TrainingConfig.load(run.stage("12_pretraining") / "scratch" / "training" / "training.json").to_dict()
    values["run"] |= {"folder": str(folder)}
    undisturbed = train(TrainingConfig.from_dict(values)).metrics().to_pylist()
    losses = [row["loss"] for row in undisturbed if row["split"] == "train"]
    assert len(losses) == steps and manifests.load(run.stage("12_pretraining")).metrics["losses"] == losses


def go_on(cluster: dict[str, str], job: str, restarts: int, run: RunDirectory) -> None:
    """Wait until Slurm has put the job back into the queue for the n-th time, and until it runs again."""
    until(lambda: details(cluster, job)["Restarts"] == str(restarts), lambda: logs(run), PATIENCE)
    assert not (run.stage("12_pretraining") / "manifest.json").exists()
    hurry(cluster, job)
    until(lambda: details(cluster, job)["JobState"] == "RUNNING", lambda: logs(run), PATIENCE)


def ended(cluster: dict[str, str], job: str) -> bool:
    return details(cluster, job)["JobState"] in ("COMPLETED", "FAILED", "CANCELLED")


def hurry(cluster: dict[str, str], job: str) -> None:
    """Slurm lets a requeued job wait two minutes; its machines need a few seconds to forget the stopped one."""
    ask(cluster, "scontrol", "update", f"JobId={job}", "StartTime=now+3seconds")


@pytest.mark.timeout(MINUTES * 60)
def test_a_training_that_is_preempted_three_times_ends_with_the_losses_of_one_outside_slurm(
    book: Path, cluster: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(book / "runs" / "one")
    data, training, evaluation = submit(run, capfd, 1, "training_steps=400", "micro_batch_size=1", "devices=2")
    assert f"afterok:{data}" in details(cluster, training)["Dependency"]
    rows = run.stage("12_pretraining") / "scratch" / "training" / "metrics.csv"
    # A signal to the ranks that srun started, the warning of --signal=B: to the job's script, and a preemption's TERM.
    ways = [(10, ["--signal=USR1"]), (150, ["--batch", "--signal=USR1"]), (280, ["--batch", "--signal=TERM"])]
    for restarts, (steps, way) in enumerate(ways, 1):
        until(lambda steps=steps: rows.exists() and rows.read_text().count("\n") > steps, lambda: logs(run), PATIENCE)
        ask(cluster, "scancel", *way, training)
        go_on(cluster, training, restarts, run)
    until(lambda: ended(cluster, evaluation), lambda: logs(run), PATIENCE)
    assert [details(cluster, job)["JobState"] for job in (data, training, evaluation)] == ["COMPLETED"] * 3, logs(run)
    assert logs(run).count("training stopped on request") == 3
    assert_undisturbed(run, book / "undisturbed", 400)


@pytest.mark.timeout(MINUTES * 60)
def test_a_training_that_its_time_limit_stops_ends_with_the_losses_of_one_outside_slurm(
    book: Path, cluster: dict[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes a job, of which Slurm warns one before the end; Slurm itself puts nothing back into the queue."""
    monkeypatch.setattr(submission, "NOTICE_SECONDS", 60)
    run = RunDirectory(book / "runs" / "limit")
    chosen = (f"training_steps={LONG}", "micro_batch_size=1", "devices=2")
    numbers = submit(run, capfd, 1, *chosen, time="2")

    hurried = set()

    def all_ended() -> bool:
        for job in numbers:
            now = details(cluster, job)
            if now["JobState"] == "PENDING" and now["Restarts"] != "0" and (job, now["Restarts"]) not in hurried:
                hurried.add((job, now["Restarts"]))
                hurry(cluster, job)
        return ended(cluster, numbers[-1])

    until(all_ended, lambda: logs(run), PATIENCE)
    found = [details(cluster, job) for job in numbers]
    assert [job["JobState"] for job in found] == ["COMPLETED"] * 3, logs(run)
    assert all(job["TimeLimit"] == "00:02:00" for job in found)
    # A warning may also come between two chapters: then sc2 stops before the next.
    assert 0 < logs(run).count("training stopped on request") <= int(found[1]["Restarts"])
    assert_undisturbed(run, book / "undisturbed", LONG)


@pytest.mark.timeout(MINUTES * 60)
def test_data_stages_on_two_nodes_run_on_ray_after_a_warning_while_it_started(
    book: Path,
    cluster: dict[str, str],
    capfd: pytest.CaptureFixture[str],
    outputs: Callable[[RunDirectory], dict[str, bytes]],  # noqa: F811
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'sc2lib[cluster]'")
    run = RunDirectory(book / "runs" / "two")
    data, *others = submit(run, capfd, 2, "micro_batch_size=1")  # two machines for the data too
    ask(cluster, "scancel", *others)
    until(lambda: "Local node IP" in logs(run), lambda: logs(run), PATIENCE)  # the head of Ray begins to start
    ask(cluster, "scancel", "--batch", "--signal=USR1", data)
    until(lambda: details(cluster, data)["Restarts"] == "1", lambda: logs(run), PATIENCE)
    assert "01_archive" not in logs(run)
    hurry(cluster, data)
    until(lambda: ended(cluster, data), lambda: logs(run), PATIENCE)
    assert details(cluster, data)["JobState"] == "COMPLETED", logs(run)
    assert manifests.load(run.stage("09_tokenizer")).measured["nodes"] == 2
    here = RunDirectory(book / "runs" / "here")
    run_chain(here, "smoke", {}, ["01_archive", "09_tokenizer"])
    assert outputs(run) and outputs(run) == outputs(here)


@pytest.mark.timeout(MINUTES * 60)
def test_a_job_that_a_person_cancels_stays_out_of_the_queue(
    book: Path, cluster: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """The training stops at a step, as before a preemption, and the job that waits for it is cancelled with it."""
    run = RunDirectory(book / "runs" / "cancelled")
    _, training, evaluation = submit(run, capfd, 1, f"training_steps={LONG}", "micro_batch_size=1", "devices=2")
    rows = run.stage("12_pretraining") / "scratch" / "training" / "metrics.csv"
    until(lambda: rows.exists() and rows.read_text().count("\n") > 10, lambda: logs(run), PATIENCE)
    ask(cluster, "scancel", training)
    until(lambda: ended(cluster, evaluation), lambda: logs(run), PATIENCE)
    assert details(cluster, training)["JobState"] == details(cluster, evaluation)["JobState"] == "CANCELLED"
    assert details(cluster, training)["Restarts"] == "0"


@pytest.mark.timeout(2 * MINUTES * 60)
def test_the_chapters_up_to_pretraining_leave_under_slurm_the_bytes_of_a_run_outside(
    tmp_path: Path,
    cluster: dict[str, str],
    reach: Callable[[Path], None],
    capfd: pytest.CaptureFixture[str],
    outputs: Callable[[RunDirectory], dict[str, bytes]],  # noqa: F811
) -> None:
    """The book's own notebooks, on its smallest profile; every process of the training job is signalled twice."""
    reach(CHECKOUT)
    settings = {"training_steps": 150, "validate_every_steps": 50, "micro_batch_size": 1, "devices": 2}
    run, here = RunDirectory(tmp_path / "slurm"), RunDirectory(tmp_path / "here")
    data, training, evaluation = submit(run, capfd, 1, *(f"{name}={value}" for name, value in settings.items()))
    ask(cluster, "scancel", evaluation)
    trainings = run.path / "lasting" / "12_pretraining" / "training"

    def steps() -> int:
        return sum(path.read_text().count("\n") for path in trainings.glob("*/metrics.csv"))

    until(lambda: ended(cluster, data), lambda: logs(run), PATIENCE)
    for restarts, (step, name) in enumerate([(20, "USR1"), (80, "TERM")], 1):
        until(lambda step=step: steps() > step, lambda: logs(run), PATIENCE)
        ask(cluster, "scancel", "--full", f"--signal={name}", training)
        go_on(cluster, training, restarts, run)
    until(lambda: ended(cluster, training), lambda: logs(run), PATIENCE)
    assert [details(cluster, job)["JobState"] for job in (data, training)] == ["COMPLETED"] * 2, logs(run)
    run_chain(here, "smoke", settings, select(last="12"))
    found, expected = outputs(run), outputs(here)
    assert {name.partition("/")[0] for name in expected} == set(select(last="12"))
    assert [name for name, content in expected.items() if found.get(name) != content] == []
