import json

import pytest

from sc2lib.errors import InputError
from sc2lib.evaluation.growth import described, exponent, exponent_of, factor_of, read_growth
from sc2lib.evaluation.pictures import growth_lines


def row(size: float, seconds: float, stage: str = "03_quality_filters") -> dict[str, object]:
    rest = {"share": 1.0, "files": 10, "fixed_seconds": 0.1, "rate": size / seconds / 1e6}
    return {"stage": stage, "bytes": size, "seconds": seconds, **rest}


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_that_of_the_law(power):
    sizes = [1e6, 1e7, 1e8]
    assert exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power)


def test_rows_are_read_by_stage_and_size_and_drawn(tmp_path):
    (tmp_path / "growth").mkdir()
    rows = [row(1e8, 10.0), row(1e6, 0.1), row(1e6, 0.2, "02_licenses_and_languages"), row(1e8, 2000.0, "02_licenses")]
    rows[3]["stage"] = "02_licenses_and_languages"
    (tmp_path / "growth" / "linear.json").write_text(json.dumps(rows))
    stages = read_growth(tmp_path)
    assert list(stages) == ["02_licenses_and_languages", "03_quality_filters"]
    assert [each["bytes"] for each in stages["03_quality_filters"]] == [1e6, 1e8]
    assert [round(exponent_of(each), 2) for each in stages.values()] == [2.0, 1.0]
    labels = [line.get_label() for line in growth_lines(stages).axes[0].lines]
    assert labels == ["02 licenses and languages: 2.00, ×100", "03 quality filters: 1.00, ×100", "linear: 1"]


def test_a_sample_that_drowns_in_the_fixed_part_does_not_count():
    rows = [row(1e6, 1e-6), row(1e7, 1.0), row(1e8, 10.0)]
    assert exponent_of(rows) == pytest.approx(1.0)
    assert factor_of(rows) == 10
    assert exponent_of(rows[:2]) != exponent_of(rows[:2])  # NaN: one sample has no slope


def test_a_reader_is_told_which_samples_the_fit_saw():
    rows = [row(1e6, 1e-6) | {"share": 0.01}, row(1e7, 1.0) | {"share": 0.05}, row(1e9, 100.0) | {"share": 5.0}]
    told = described({"03_quality_filters": rows, "04_near_deduplication": rows[:2], "05_redaction": rows[:1]})
    assert told[0] == ("03 quality filters", "5%, 500%", "10.0 MB to 1.00 GB", "100", "1.00")
    assert told[1] == ("04 near deduplication", "5%", "10.0 MB to 10.0 MB", "–", "–")
    assert told[2] == ("05 redaction", "–", "–", "–", "–")


def test_nothing_measured_is_nothing_to_show_and_other_files_are_refused(tmp_path):
    assert read_growth(tmp_path) == {}
    (tmp_path / "growth").mkdir()
    for content in ("{", "[1]", '[{"stage": "x"}]'):
        (tmp_path / "growth" / "linear.json").write_text(content)
        with pytest.raises(InputError, match="make bench"):
            read_growth(tmp_path)
