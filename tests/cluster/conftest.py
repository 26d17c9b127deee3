"""One Ray cluster of two nodes on this machine, for all tests here."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.workflow.conftest import CHECKOUT

START = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
print(cluster.address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the head of the cluster listens."""
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
