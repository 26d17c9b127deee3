import math

import pytest

from sc2lib.errors import InputError
from sc2lib.evaluation.costs import amdahl, costs, rates, unchanged
from sc2lib.files import sha256
from sc2lib.workflow.manifest import Manifest


def manifest(stage, measured, outputs):
    return Manifest(
        stage=stage, profile="smoke", key="", code="", params={}, inputs={}, outputs=outputs, measured=measured
    )


MANIFESTS = {
    "02_b": manifest("02_b", {}, {}),
    "01_a": manifest(
        "01_a",
        {
            "wall_seconds": 4.0,
            "peak_memory_bytes": 10,
            "cores": 2,
            "tokens_per_second_with_cache": 7,
            "hash": {"bytes_per_second": 5.5},
        },
        {"files": [{"path": "x", "bytes": 100, "rows": 3}, {"path": "y", "bytes": 20, "rows": 1}], "m": [{"bytes": 8}]},
    ),
    "03_c": manifest("03_c", {"wall_seconds": 12.0}, {}),
}


def test_a_row_for_each_stage_in_order_with_what_it_cost():
    first, second, third = costs(MANIFESTS).to_pylist()
    assert [first["stage"], second["stage"], third["stage"]] == ["01_a", "02_b", "03_c"]
    assert (first["files"], first["rows"], first["bytes"]) == (3, 4, 128)
    assert first["bytes_per_second"] == 32.0
    assert (first["share"], third["share"]) == (0.25, 0.75)


def test_what_was_not_measured_is_null_and_not_zero():
    second = costs(MANIFESTS).to_pylist()[1]
    assert second["wall_seconds"] is second["share"] is second["bytes_per_second"] is None
    assert costs({}).num_rows == 0


def test_rates_are_found_at_any_depth():
    assert rates(MANIFESTS).to_pylist() == [
        {"stage": "01_a", "rate": "hash.bytes_per_second", "per_second": pytest.approx(5.5)},
        {"stage": "01_a", "rate": "tokens_per_second_with_cache", "per_second": 7.0},
    ]


def test_outputs_are_hashed_again_and_a_changed_one_is_named(tmp_path):
    entries = []
    for name, size in (("a", 10), ("b", 20), ("big", 5000)):
        path = tmp_path / "01_a" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        entries.append({"path": name, "bytes": size, "sha256": sha256(path)})
    manifests = {"01_a": manifest("01_a", {}, {"files": entries})}
    assert unchanged(tmp_path, manifests, limit_bytes=100) == (2, 30)
    assert unchanged(tmp_path, manifests) == (3, 5030)
    (tmp_path / "01_a" / "b").write_bytes(b"y" * 20)
    with pytest.raises(InputError, match="01_a/b is not what 01_a wrote"):
        unchanged(tmp_path, manifests)


def test_a_part_made_endless_times_faster_leaves_the_rest():
    assert amdahl(0.5, 1) == 1
    assert amdahl(0.5, 2) == pytest.approx(4 / 3)
    assert amdahl(0.75, math.inf) == 4
