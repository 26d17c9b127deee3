"""A real Ray cluster of two nodes on this machine: the same bytes as local processes."""

import pytest

from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import run_chain, select
from tests.workflow.conftest import outputs, project  # noqa: F401

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
pytest.importorskip("ray.cluster_utils", reason="Ray is not installed: pip install 'sc2lib[cluster]'")


def test_two_ray_nodes_write_the_bytes_that_local_processes_write(project, tmp_path, address, outputs, monkeypatch):  # noqa: F811
    local, remote = RunDirectory(tmp_path / "local"), RunDirectory(tmp_path / "ray")
    run_chain(local, "smoke", {"shards": 6, "workers": 2}, select())
    monkeypatch.setenv("RAY_ADDRESS", address)
    run_chain(remote, "smoke", {"shards": 6, "executor": "ray"}, select())
    assert outputs(local) and outputs(remote) == outputs(local)
