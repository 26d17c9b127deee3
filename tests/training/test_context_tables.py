"""Tables of the long-context chapter: the numbers in their cells."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sc2lib.model.config import ModelConfig
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.context_tables import (
    angle_table,
    change_table,
    context_gain_table,
    context_gain_words,
    difference_table,
    gain_table,
    long_samples,
    needle_counts,
    needle_table,
    perplexity_table,
    stage_angles,
    window_table,
)
from sc2lib.training.needles import Probe
from sc2lib.training.retrieval import Gain
from sc2lib.training.samples import PROMPTS, SAMPLES
from tests.training.conftest import Corpus


def cells(table: Any) -> list[list[str]]:
    """The rows of a Markdown table, without header and rule."""
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.data.splitlines()[2:]]


@pytest.fixture
def losses() -> dict[str, np.ndarray]:
    steps = np.array([[1.0, 1.0, 2.0, 2.0], [1.0, 3.0, 2.0, 4.0]])
    return {"one": steps, "two": steps + np.array([[0.5], [0.7]])}


def test_perplexity_is_the_exponential_of_the_mean_loss(losses: dict[str, np.ndarray]) -> None:
    assert cells(perplexity_table(losses, [0, 2, 4]))[0] == ["one", f"{np.exp(1.5):.1f}", f"{np.exp(2.5):.1f}"]

    short = cells(perplexity_table({"one": losses["one"][:, :2]}, [0, 1, 3, 9]))
    assert short == [["one", f"{np.exp(1.0):.1f}", f"{np.exp(2.0):.1f}"]]  # 0 to 1 and 1 to 2: no more was measured


def test_a_single_window_is_shown_without_an_error(losses: dict[str, np.ndarray]) -> None:
    one = {name: values[:1] for name, values in losses.items()}
    assert cells(difference_table(one, one["one"], 2))[1] == ["two", "+0.500", "no clear difference"]


def test_no_needles_make_an_empty_table() -> None:
    assert cells(gain_table({})) == []


def test_differences_and_gains_are_paired(losses: dict[str, np.ndarray]) -> None:
    assert cells(difference_table(losses, losses["one"], 2)) == [
        ["one", "+0.000 ± 0.000", "no clear difference"],
        ["two", "+0.600 ± 0.200", "higher"],
    ]
    pieces = {"one": losses["one"], "two": losses["two"] + 0.25}
    assert cells(context_gain_table(losses, pieces, 2)) == [
        ["one", "2.000", "1.500", "2.500", "+0.000 ± 0.000"],
        ["two", "2.600", "2.100", "3.100", "+0.250 ± 0.000"],
    ]


def test_windows_keep_less_and_reach_further_than_one_layer() -> None:
    row = cells(window_table({"3B": ModelConfig.preset("3b", "long")}))[0]
    assert row[:3] == ["3B", "16,384", "4,096"] and row[3] == "0.44" and row[-1] == "123k"
    angles = cells(angle_table([("near", 512, 1e5), ("far", 2048, 1e5)], 32))
    assert [row[:2] for row in angles] == [["near", "512"], ["far", "2,048"]]
    assert float(angles[1][4]) == pytest.approx(2047 / 511 * float(angles[0][4]), rel=1e-3)


def test_the_stages_differ_in_three_numbers() -> None:
    second = ModelConfig.preset("3b", "long").replace(rope_theta=1e6)
    first = second.replace(max_position_embeddings=4096, rope_theta=1e5, sliding_window=None)
    assert [row[1] for row in cells(change_table(first, second))] == ["4,096", "100,000", "none"]
    assert [row[2] for row in cells(change_table(first, second))] == ["16,384", "1,000,000", "4,096"]
    names = [row[:2] for row in cells(stage_angles(first, second))]
    assert names[1:] == [
        ["longer, same base", "16,384"],
        ["longer, new base", "16,384"],
        ["window, same base", "4,096"],
    ]


@pytest.mark.parametrize(
    ("gain", "said"),
    [(0.5, "**helps** this model: +0.5"), (-0.5, "**hurts** this model: -0.5"), (0.0, "cannot be told")],
)
def test_the_worth_of_context_is_said_in_words(gain: float, said: str) -> None:
    losses = np.random.default_rng(0).normal(3, 1, (20, 8))
    noise = 0.01 * np.array([[-1], [1]] * 10)  # by window, zero on average
    assert said in context_gain_words(losses + gain + noise, losses)


def test_needles_and_gains_are_listed(corpus: Corpus) -> None:
    tokenizer = Tokenizer.load(corpus.tokenizer)
    answer, other = tokenizer.encode_array("12"), tokenizer.encode_array("34")
    context = tokenizer.encode_segments([(None, "x = 12\n"), ("<file_sep>", "y = ")])
    probe = Probe("a", context, int(np.flatnonzero(context == answer[0])[0]), answer, other)
    (row,) = cells(needle_table({"planted": [probe]}, tokenizer))
    assert row[0] == "planted" and row[1] == str(probe.distance) and row[3:] == ["`12`", "`34`"]
    assert cells(needle_counts({"planted": [probe, probe]}, tokenizer)) == [["planted", "2", "1", "2"]]
    gains = {"before": [Gain(32, 64, 9, 0.5, 0.1, 0.25, 0.0)], "after": [Gain(32, 64, 9, 0.7, 0.1, 0.5, 0.0)]}
    expected = ["names", "32 to 64", "9", "+0.500 ± 0.200", "+0.700 ± 0.200", "25% / 50%"]
    assert cells(gain_table({"names": gains})) == [expected]


def test_the_long_sample_is_shown_as_it_was_at_first_and_at_last() -> None:
    long = "".join(f"line {k}\n" for k in range(9)) + "def "
    rows = [
        {
            "step": step,
            "tokens": 1000 * step,
            "before": before,
            "after": None,
            "text": f"by step {step} of {before[:4]}",
        }
        for step in (0, 2, 4)
        for before in (PROMPTS[0].before, long)
    ]
    shown = long_samples(pa.Table.from_pylist(rows, schema=SAMPLES), lines=3)
    assert shown.split("````")[1::2] == [
        "text\nline 7\nline 8\ndef \n",
        "text\nby step 0 of line\n",
        "text\nby step 4 of line\n",
    ]
    assert "after 4,000 tokens" in shown
    assert "no long prompt" in long_samples(pa.Table.from_pylist(rows[::2], schema=SAMPLES))
