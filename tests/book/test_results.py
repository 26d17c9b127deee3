from sc2lib.book.results import results
from sc2lib.workflow.manifest import Manifest


def manifest(stage: str, **metrics: object) -> Manifest:
    measured = {"wall_seconds": 60.0, "peak_memory_bytes": 10**9}
    return Manifest(
        stage, "smoke", key="", code="", params={}, inputs={}, outputs={}, metrics=metrics, measured=measured
    )


def test_a_run_that_has_hardly_begun_shows_what_it_has():
    found = {"01_archive": manifest("01_archive", files_met=10, bytes_met=2000, origins=3, files=8, bytes=1500)}
    lines = dict(results(found))
    assert set(lines) == {"archive", "unique text", "cost"}
    assert "10 files" in lines["archive"] and "8 files" in lines["unique text"]
    assert "1 chapters" in lines["cost"]


def test_times_add_up_and_memory_does_not():
    found = {name: manifest(name) for name in ("04_near_deduplication", "05_redaction_and_malware")}
    assert dict(results(found))["cost"].startswith("2 min")
    assert "1.00 GB" in dict(results(found))["cost"]
