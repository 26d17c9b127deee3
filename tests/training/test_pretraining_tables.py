"""Tables of the pretraining chapter: the numbers in their cells."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib.corpus.fim import FimRates
from sc2lib.figures import power
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TokenWindows, TrainingSamples
from sc2lib.training.pretraining_tables import (
    baseline_table,
    last_samples,
    passed_table,
    plan_table,
    sample_lines,
    sample_table,
)
from sc2lib.training.samples import SAMPLES
from tests.training.conftest import Corpus

Make = Callable[..., TrainingConfig]


def cells(table: Any) -> list[list[str]]:
    """The rows of a Markdown table below its head."""
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.data.splitlines()[2:]]


def test_the_plan_multiplies_what_it_shows(configuration: Make) -> None:
    config = configuration(steps=12, batch_size=4)
    found = {row[0]: row[1] for row in cells(plan_table(config, available=1536, profile="smoke"))}
    assert found["tokens of one step"] == "256" and found["epochs"] == "2.00"
    assert found["FLOPs of the training"] == power(3072 * config.model.flops_per_token(64)) == power(config.flops)


def test_samples_name_their_window(corpus: Corpus) -> None:
    windows = TokenWindows(corpus.train, 64)
    samples = TrainingSamples(windows, Tokenizer.load(corpus.tokenizer), FimRates(), seed=1)
    rows = cells(sample_table(samples, None, count=3))
    assert [int(row[1].replace(",", "")) for row in rows] == [samples.window_of(k) for k in range(3)]
    assert [int(row[2].replace(",", "")) for row in rows] == [64 * samples.window_of(k) for k in range(3)]


def test_baselines_in_three_units() -> None:
    rows = cells(baseline_table({"fair coin": np.full(8, np.log(2))}, np.full(8, 2)))
    assert rows == [["fair coin", "0.693", "2", "0.500"]]


def test_levels_not_reached_stand_last() -> None:
    rows = cells(passed_table({"bigram": 3.0, "unigram": 5.0}, {"bigram": None, "unigram": 4096}))
    assert rows == [["unigram", "5", "4.10k"], ["bigram", "3", "not yet"]]


def test_samples_are_shown_as_they_change() -> None:
    """Some validations in the table, the first and the last among them; all prompts of the last one in full."""
    prompts = [("a(", None), ("b", None), ("c", None), ("x = ", "\n")]
    rows = [
        {"step": step, "tokens": step, "before": before, "after": after, "text": f"\n{before}{step}|\nmore"}
        for step in range(0, 90, 10)
        for before, after in prompts
    ]
    table = pa.Table.from_pylist(rows, schema=SAMPLES)
    shown = sample_lines(table, moments=3, prompts=(0, 3)).data
    assert shown.splitlines()[0] == "| tokens read | `` a( `` | `` x = ⟨…⟩ `` |"
    assert [line.split(" | ")[0] for line in shown.splitlines()[2:]] == ["| 0", "| 40", "| 80"]
    assert "a(80\\|" in shown and "more" not in shown
    assert last_samples(table).count("````text") == 4 and "x = «\nx = 80|\nmore»" in last_samples(table)
    nothing = SAMPLES.empty_table()
    assert cells(sample_lines(nothing)) == [] and "`sample_tokens` is 0" in last_samples(nothing)
