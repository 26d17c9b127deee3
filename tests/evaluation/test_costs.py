import pytest

from sc2lib.evaluation.costs import costs, rates
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
            "tokens_per_second": 7,
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
        {"stage": "01_a", "rate": "tokens_per_second", "per_second": 7.0},
    ]
