import re

import pytest

from sc2lib.curation.redaction.planted_secrets import (
    Label,
    LabelledFile,
    draw,
    kinds,
    plant,
    score,
    secret_line,
    sources,
)
from sc2lib.curation.redaction.replacement import find_spans
from sc2lib.curation.redaction.secret_formats import DECOYS, PASSWORD_LINES

ENDINGS = (".py", ".js", ".java", ".json", ".yaml", ".ini", ".sh", ".txt")


def random(seed=3):
    import random

    return random.Random(seed)


def lines_of(file):
    spans = find_spans(file.text, ("KEY", "PASSWORD"))
    return {file.text.count("\n", 0, span.start) + 1 for span in spans}


def test_formats_are_filled():
    assert draw("a-[hex 4]", random(1)) != draw("a-[hex 4]", random(2))
    assert len(draw("a-[hex 4]", random())) == 6


@pytest.mark.parametrize("what", kinds())
def test_every_kind_stands_in_its_line(what):
    for ending in ENDINGS:
        line, value = secret_line(what, ending, random())
        assert value in line
        assert "[" not in value and "{" not in line


def test_labels_say_where_and_the_rest_is_untouched():
    texts = [(ending, f"first\nx = {number}\nlast") for number, ending in enumerate(ENDINGS * 10)]
    files = plant(texts, seed=1)
    assert files == plant(texts, seed=1) != plant(texts, seed=2)
    assert {label.what for file in files for label in file.labels} == {*kinds(), "decoy"}
    for (_, text), file in zip(texts, files):
        assert [label.start for label in file.labels] == sorted(label.start for label in file.labels)
        assert len(file.labels) == 4
        whole = file.text.split("\n")
        assert [line for line in whole if line in text.split("\n")] == text.split("\n")


def test_nearly_every_planted_secret_is_found_and_no_decoy():
    texts = [(ending, "import os\nname: value\n" * 100) for ending in ENDINGS * 40]
    result = score(plant(texts, seed=4), lines_of)
    assert result.recall > 0.95
    assert result.decoys == result.elsewhere == 0
    assert all(found for _, found in result.by_kind.values())


@pytest.mark.parametrize("template", [line for lines in PASSWORD_LINES.values() for line in lines])
def test_every_way_to_write_a_password_down_is_found(template):
    """At least 8 of 10 values: a value of few different characters is left."""
    found = 0
    for seed in range(10):
        before, value, after = re.split("[«»]", draw(template, random(seed)))
        start = len(before)
        spans = find_spans(before + value + after, ("KEY", "PASSWORD"))
        found += any(span.start <= start and span.end >= start + len(value) - 1 for span in spans)
    assert found >= 8


@pytest.mark.parametrize("template", DECOYS)
def test_no_decoy_is_found(template):
    assert not [span for seed in range(10) for span in find_spans(draw(template, random(seed)), ("KEY", "PASSWORD"))]


def test_every_kind_has_one_source_and_recall_is_told_by_source():
    own, written, peer = sources().values()
    assert sorted([*own, *written, *peer]) == sorted(kinds()) and len(peer) >= 40
    file = LabelledFile(".py", "a\nb\n", (Label(0, 1, own[0], True), Label(2, 3, peer[0], True)))
    half = score([file], lambda file: [2])
    shares = [half.recall_of(kinds) for kinds in (own, written, peer, [])]
    assert (half.recall, shares) == (0.5, [0, 0, 1, 0])


def test_scores_count_lines():
    text = "a\nsecret\nb\ndecoy\nc\n"
    file = LabelledFile(".py", text, (Label(2, 8, "npm", True), Label(11, 16, "decoy", False)))
    nothing, all_lines = score([file], lambda file: []), score([file], lambda file: range(1, 6))
    assert (nothing.recall, nothing.precision, nothing.by_kind) == (0, 0, {"npm": (1, 0)})
    assert (all_lines.recall, all_lines.precision) == (1, 1 / 5)
    assert (all_lines.decoys, all_lines.elsewhere) == (1, 3)
