from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.errors import UnsupportedError
from sc2lib.evaluation.code_generation import (
    RESULTS,
    SAMPLES,
    judge_samples,
    preflight,
    read_preflight,
    sample,
    score_interval,
    summary,
    write_preflight,
    write_results,
)
from sc2lib.evaluation.judge import Judge
from sc2lib.evaluation.sandbox import Sandbox


def samples_of(*completions, task="doubling"):
    rows = [
        {"task_id": task, "sample": number, "completion": text, "new_tokens": 1, "finished": True}
        for number, text in enumerate(completions)
    ]
    return pa.Table.from_pylist(rows, SAMPLES)


def results_of(*rows):
    return pa.Table.from_pylist(
        [{"task_id": task, "sample": number, "status": status, "detail": ""} for task, number, status in rows], RESULTS
    )


def test_the_preflight_passes_right_solutions_and_names_wrong_ones(judge, doubling):
    assert [verdict.status for verdict in preflight(judge, [doubling])] == ["passed"]
    broken = replace(doubling, task_id="broken", canonical_solution="    return 3 * x\n")
    with pytest.raises(UnsupportedError, match=r"1 of 2 canonical solutions.*broken \(wrong"):
        preflight(judge, [doubling, broken])


def test_a_preflight_that_was_kept_reads_back(judge, doubling, tmp_path):
    write_preflight(tmp_path / "found.json", judge, [doubling, doubling])
    verdicts, seconds = read_preflight(tmp_path / "found.json")
    assert [verdict.status for verdict in verdicts] == ["passed", "passed"]
    slowest = max(verdict.seconds for verdict in verdicts)
    assert 0 < slowest <= seconds and judge.calibrated(verdicts).limits.seconds >= 20 * slowest


def test_without_a_judge_nothing_is_written_as_judged(judge, doubling, tmp_path):
    samples = samples_of("    return 2 * x\n")
    write_results(tmp_path / "judged.parquet", judge, [doubling], samples)
    write_results(tmp_path / "skipped.parquet", None, [doubling], samples)
    assert pq.read_table(tmp_path / "judged.parquet") == judge_samples(judge, [doubling], samples)
    assert pq.read_table(tmp_path / "skipped.parquet") == RESULTS.empty_table()


def test_samples_are_judged_in_their_order(judge, doubling):
    samples = samples_of("    return 2 * x\n", "    return 1\n", "    return (\n", "    raise KeyError\n")
    results = judge_samples(judge, [doubling], samples)
    assert results["status"].to_pylist() == ["passed", "wrong", "no_parse", "exception"]
    assert results["sample"].to_pylist() == [0, 1, 2, 3]


def test_an_address_in_a_message_is_hidden(judge, doubling):
    results = judge_samples(judge, [doubling], samples_of("    raise ValueError(object())\n"))
    assert results["detail"].to_pylist() == ["ValueError: <object object at 0x…>"]


def test_what_could_not_be_judged_stops_the_run(tmp_path, doubling):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(UnsupportedError, match="1 of 1 samples could not be judged"):
        judge_samples(Judge(Sandbox(broken)), [doubling], samples_of("    return 2 * x\n"))


def test_the_summary_counts_problems_and_keeps_failures_in_n():
    rows = [("a", 0, "passed"), ("a", 1, "wrong"), ("b", 0, "timeout"), ("b", 1, "no_parse")]
    found = summary(results_of(*rows))
    assert found["pass_at_1"] == 0.25
    assert (found["problems"], found["solved"]) == (2, 1)
    assert found["statuses"] == {"passed": 1, "wrong": 1, "timeout": 1, "no_parse": 1}
    assert "pass_at_10" not in found
    ten = summary(results_of(*[("a", number, "passed" if number == 3 else "wrong") for number in range(10)]))
    assert (ten["pass_at_1"], ten["pass_at_10"]) == (pytest.approx(0.1), 1.0)


def test_a_score_without_results_is_absent_and_not_zero():
    assert "pass_at_1" not in summary(results_of())


def test_a_small_model_writes_every_sample(model, tokenizer, doubling):
    made = sample(model, tokenizer, [doubling], 2, max_new_tokens=8, temperature=1.0, seed=3)
    assert made.schema.equals(SAMPLES)
    assert made["sample"].to_pylist() == [0, 1]
    assert made == sample(model, tokenizer, [doubling], 2, max_new_tokens=8, temperature=1.0, seed=3)
    without = sample(model, tokenizer, [doubling], 1, keep_newline=False, max_new_tokens=8)
    assert without["completion"] != sample(model, tokenizer, [doubling], 1, max_new_tokens=8)["completion"]


def test_the_interval_of_no_success_follows_the_rule_of_three():
    nothing = summary(results_of(*((f"t{number}", 0, "wrong") for number in range(60))))
    low, high = score_interval(nothing)
    assert low == 0 and high == pytest.approx(3 / 60, rel=0.05) and (1 - high) ** 60 == pytest.approx(0.05)
    half = summary(results_of(*((f"t{number}", 0, ("wrong", "passed")[number % 2]) for number in range(60))))
    assert score_interval(half) == half["pass_at_1_interval"] and score_interval(half)[0] < 0.5
    assert score_interval(summary(RESULTS.empty_table())) is None
