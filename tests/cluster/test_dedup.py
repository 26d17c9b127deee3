"""Near-duplicates on a Ray cluster of two nodes, with a worker killed in every step: the same bytes."""

import os
import signal
from pathlib import Path

import pytest

from sc2lib.dedup.engine import deduplicate
from sc2lib.dedup.options import DedupOptions
from sc2lib.workflow.executors import executor
from tests.dedup.corpus import pieces_of, serial, texts

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sc2lib[cluster]'")


def run_task(task):
    """Run a step's task; the first to find a mark there takes it and dies like a lost machine."""
    function, item, mark = task
    if mark is not None and mark.exists():
        mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    function(item)


def killing_mapper(run_on, marks: Path):
    marks.mkdir()

    def mapper(function, items, label):
        mark = marks / f"{len(list(marks.glob('done-*'))):02d}-{label}"
        mark.touch()
        for _ in run_on.map(
            run_task, [(function, item, mark if n == len(items) // 2 else None) for n, item in enumerate(items)]
        ):
            pass
        assert not mark.exists()  # somebody died
        (marks / f"done-{mark.name}").touch()

    return mapper


def files_of(work):
    found = [path for path in sorted(work.rglob("*")) if path.suffix in (".npy", ".arrow")]
    return {str(path.relative_to(work)): path.read_bytes() for path in found}


def test_a_killed_worker_on_two_nodes_changes_nothing(tmp_path, address, monkeypatch):
    pieces, options = pieces_of(texts(), 4), DedupOptions()
    alone = deduplicate(pieces, tmp_path / "alone", options, serial)
    monkeypatch.setenv("RAY_ADDRESS", address)
    mapper = killing_mapper(executor("ray"), tmp_path / "marks")
    try:
        again = deduplicate(pieces, tmp_path / "ray", options, mapper)
        nodes = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    finally:
        ray.shutdown()
    assert len(nodes) == 2
    assert len(list((tmp_path / "marks").glob("done-*"))) == 6
    assert again.removals.equals(alone.removals) and alone.removals.num_rows > 20
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "alone")
