"""A real Ray cluster of two nodes on this machine: the same bytes as local processes."""

import os
import subprocess
import sys

import pytest

from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import run_chain, select
from tests.workflow.conftest import CHECKOUT, outputs, project  # noqa: F401

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
cluster_utils = pytest.importorskip("ray.cluster_utils", reason="Ray is not installed: pip install 'sc2lib[cluster]'")

START = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def address():
    process = subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )
    lines = iter(process.stdout.readline, "")
    yield next(line.strip() for line in lines if line.startswith(("127.", "10.", "172.", "192.")) or ":" in line[:24])
    process.stdin.close()
    process.wait(timeout=60)


def test_two_ray_nodes_write_the_bytes_that_local_processes_write(project, tmp_path, address, outputs, monkeypatch):  # noqa: F811
    local, remote = RunDirectory(tmp_path / "local"), RunDirectory(tmp_path / "ray")
    run_chain(local, "smoke", {"shards": 6, "workers": 2}, select())
    monkeypatch.setenv("RAY_ADDRESS", address)
    run_chain(remote, "smoke", {"shards": 6, "executor": "ray"}, select())
    assert outputs(local) and outputs(remote) == outputs(local)
