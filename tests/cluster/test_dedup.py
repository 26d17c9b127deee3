"""Near-duplicates on a Ray cluster of two nodes, with a worker killed in every step: the same bytes."""

import json
import os
import signal
from pathlib import Path

import pytest

from sc2lib import cli
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
    """The bytes of all that was computed; ``layout`` says where it lies, so it differs."""
    found = [path.relative_to(work) for path in sorted(work.rglob("*")) if path.suffix in (".npy", ".arrow")]
    return {str(path): (work / path).read_bytes() for path in found if path.parts[0] != "layout"}


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
    assert len(list((tmp_path / "marks").glob("done-*"))) == 8
    assert again.removals.equals(alone.removals) and alone.removals.num_rows > 20
    assert files_of(tmp_path / "ray") == files_of(tmp_path / "alone")


def test_the_command_writes_the_same_files_on_ray(tmp_path, address, monkeypatch, capsys):
    source, bad, twice = (tmp_path / f"{name}.jsonl" for name in ("a", "bad", "twice"))
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts()[:40]))
    bad.write_text('{"text": "a"}\n{"text": 1}\n')
    twice.write_text("".join(json.dumps({"id": row % 60, "text": "x" * 20}) + "\n" for row in range(90)))
    monkeypatch.setattr("sc2lib.dedup.inputs.PIECE_BYTES", source.stat().st_size // 4)
    monkeypatch.setenv("RAY_ADDRESS", address)

    def dedup(path, where):
        call = ["dedup", path, "--out", tmp_path / where, "--index", tmp_path / f"{where}-index", "--workers", "1"]
        return cli.main([*map(str, call), "--executor", where.split("-")[0]])

    assert dedup(source, "local") == 0
    try:
        assert dedup(source, "ray") == 0
        assert len([node for node in ray.nodes() if node["Alive"]]) == 2
        assert dedup(bad, "ray-bad") == 1
        monkeypatch.setattr("sc2lib.dedup.survey.HELD", 0)  # ids go through files
        monkeypatch.setattr("sc2lib.dedup.ids.PART_IDS", 16)
        monkeypatch.setattr("sc2lib.dedup.inputs.PIECE_BYTES", 500)
        assert dedup(twice, "ray-twice") == 1
    finally:
        ray.shutdown()
    said = capsys.readouterr().err
    assert "bad.jsonl, line 2, has a 'text' that is a number" in said
    assert "the rows twice.jsonl#0 and twice.jsonl#60 have the same 'id', '0'" in said
    results = [path for path in sorted((tmp_path / "local").rglob("*.*")) if path.is_file()]
    assert sum(path.suffix in (".jsonl", ".parquet") for path in results) >= 10  # four pieces twice, and two tables
    for path in results:
        again = tmp_path / "ray" / path.relative_to(tmp_path / "local")
        assert path.name == ".lock" or again.read_bytes() == path.read_bytes()
