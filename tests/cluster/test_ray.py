"""A real Ray cluster of two nodes on this machine: the same bytes as local processes, and signals while Ray starts."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import submission
from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import run_chain, select
from tests.workflow.conftest import CHECKOUT, outputs, project, write_notebook  # noqa: F401

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
pytest.importorskip("ray.cluster_utils", reason="Ray is not installed: pip install 'sc2lib[cluster]'")

LOSE_NODE = """
import os, signal
from sc2lib.errors import StageError
from sc2lib.workflow.executors import executor

def lose_node(_):
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    try:
        list(executor("ray", 1).map(lose_node, [1]))
    except StageError as error:
        print(error)
"""
NODES = [
    """from tests.workflow import steps
nodes = stage.map_items(steps.ray_node, list(range(20)))""",
    "stage.finish(metrics={'nodes': len(set(nodes))})",
]
START = """
import signal
from sc2lib.errors import StoppedError
from sc2lib.workflow.executors import executor
before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
print("starting", flush=True)
try:
    executor("ray", 1)
except StoppedError as error:
    print(error)
    raise SystemExit(75)
assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)] == before
print("started", flush=True)
signal.pause()
"""


def test_two_ray_nodes_write_the_bytes_that_local_processes_write(project, tmp_path, address, outputs, monkeypatch):  # noqa: F811
    local, remote = RunDirectory(tmp_path / "local"), RunDirectory(tmp_path / "ray")
    run_chain(local, "smoke", {"shards": 6, "workers": 2}, select())
    write_notebook(project / "notebooks", "04_nodes", [], {}, NODES)
    monkeypatch.setenv("RAY_ADDRESS", address)
    run_chain(remote, "smoke", {"shards": 6, "executor": "ray"}, select())
    assert manifests.load(remote.stage("04_nodes")).metrics == {"nodes": 2}
    assert outputs(local) and outputs(remote) == outputs(local)


def test_ray_still_knows_the_switch_by_which_a_job_ends_without_draining():
    """One that Ray renamed would do nothing, and the head outlive its job by half a minute."""
    switch = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
    assert f"{switch}=0\n" in submission.RAY
    read = f"from ray._private import ray_constants; print(ray_constants.{switch})"
    done = subprocess.run([sys.executable, "-c", read], env=os.environ | {switch: "0"}, capture_output=True, text=True)
    assert float(done.stdout) == 0, done.stderr


def ray_starts() -> subprocess.Popen[str]:
    """A process that is about to start a Ray of its own."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        env=environment | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout.readline() == "starting\n"
    return process


def test_sigterm_while_ray_starts_is_a_request_to_stop():
    process = ray_starts()
    while process.poll() is None and not psutil.Process(process.pid).children():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 75 and "the same command goes on" in said
    assert "Traceback" not in said and "SIGTERM received" not in said


def test_afterwards_signals_are_answered_as_before():
    process = ray_starts()
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM and not said


def test_a_lost_node_is_one_sentence_with_a_remedy():
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    said = subprocess.run(
        [sys.executable, "-c", LOSE_NODE],
        env=environment | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert "Ray lost a task" in said and "see that the nodes in ray status are alive" in said
