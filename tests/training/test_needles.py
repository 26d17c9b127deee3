from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.needles import (
    DEFINITION,
    DIGITS,
    SHORTEST,
    Probe,
    crosses_file,
    distance_ranges,
    line_break,
    names,
    names_of,
    planted,
    with_other_answers,
)
from tests.training.conftest import MODULES, Corpus

LONGEST = 256


@pytest.fixture(scope="module")
def tokenizer(corpus: Corpus) -> Tokenizer:
    return Tokenizer.load(corpus.tokenizer)


def stream(tokenizer: Tokenizer, texts: list[list[str]]) -> tuple[np.ndarray, pa.Table]:
    """Documents of files as one file of tokens, and its index."""
    parts, rows, start = [], [], 0
    for number, files in enumerate(texts):
        parts.append(tokenizer.encode_segments([("<file_sep>", text) for text in files]))
        end = start + len(parts[-1])
        rows.append({"document_id": str(number), "split": "validation", "start": start, "end": end, "source": "code"})
        start = end
    return np.concatenate(parts), pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def modules(tokenizer: Tokenizer) -> tuple[np.ndarray, pa.Table]:
    return stream(tokenizer, [[Path(str(module.__file__)).read_text(encoding="utf-8")] for module in MODULES])


def found(tokenizer: Tokenizer, *files: str) -> list[Probe]:
    lengths = np.array([len(tokenizer.token_bytes(token)) for token in range(tokenizer.vocabulary_size)])
    tokens = tokenizer.encode_segments([("<file_sep>", text) for text in files])
    return list(names_of("document", tokens, tokenizer, lengths, LONGEST))


def test_ranges_double_up_to_the_longest_distance() -> None:
    assert distance_ranges(256) == [(32, 64), (64, 128), (128, 256)]
    assert distance_ranges(300)[-1] == (256, 300)


@pytest.mark.parametrize(
    "line", ["def {}(x):", "class {}:", "\n{} = 3", "const {} = 3;", "func {}(x int) {{", "#define {} 3", "\n{} := 3"]
)
def test_definitions_of_many_languages_introduce_a_name(line: str) -> None:
    match = DEFINITION.search(line.format("frobnicate").encode())
    assert match is not None and match.group(match.lastindex or 0) == b"frobnicate"


@pytest.mark.parametrize("line", ["frobnicate(3)", "if frobnicate == 3:", "\nfrobnicate == 3", "def short(x):"])
def test_what_is_no_definition_is_no_needle(line: str) -> None:
    assert DEFINITION.search(line.encode()) is None


def test_a_name_is_asked_for_where_it_stands_again(tokenizer: Tokenizer) -> None:
    filler = "    parser.add_argument(value)\n" * 8
    (probe,) = found(tokenizer, f"def frobnicate(x):\n{filler}", f"{filler}y = frobnicate(3)\n")
    assert crosses_file(probe, tokenizer)
    whole = tokenizer.decode(np.concatenate([probe.context, probe.answer]))
    assert whole.endswith("y = frobnicate") and whole.count("frobnicate") == 2
    assert np.array_equal(probe.context[probe.needle :][: len(probe.answer)], probe.answer)
    assert "frobnicate".endswith(tokenizer.decode(probe.answer)) and len(probe.answer) >= 2


@pytest.mark.parametrize(
    "text",
    [
        "def frobnicate(x):\n{filler}frobnicate_all(3)\n{filler}",  # only inside a longer word
        "def frobnicate(x):\n{filler}frobnicate_all(3)\nfrobnicate(3)\n",  # there first
        "frobnicate(2)\ndef frobnicate(x):\n{filler}y = frobnicate(3)\n",  # used before it is defined
        "def frobnicate(x):\n    y = frobnicate(3)\n",  # too near
        "def frobnicate(x):\n{filler}{filler}{filler}{filler}y = frobnicate(3)\n",  # too far
    ],
)
def test_a_name_that_is_no_fair_question_is_left_out(tokenizer: Tokenizer, text: str) -> None:
    assert found(tokenizer, text.format(filler="    parser.add_argument(value)\n" * 8)) == []


def test_real_names_stand_once_in_their_context(tokenizer: Tokenizer, modules: tuple[np.ndarray, pa.Table]) -> None:
    tokens, index = modules
    probes = names(tokens, index, tokenizer, LONGEST, 4)
    assert len(probes) >= 6 and len({probe.document for probe in probes}) >= 3
    data = tokens.tobytes()
    for probe in probes:
        low, high = next(pair for pair in distance_ranges(LONGEST) if pair[0] <= probe.distance < pair[1])
        assert sum(low <= other.distance < high for other in probes) <= 4 and probe.distance >= SHORTEST
        assert np.concatenate([probe.context, probe.answer]).tobytes() in data
        assert len(probe.other) == len(probe.answer) and (probe.other != probe.answer).all()
        changed = np.flatnonzero(probe.without != probe.context)
        assert changed.tolist() == list(range(probe.needle, probe.needle + len(probe.answer)))
        name = tokenizer.decode(probe.context[probe.needle - 1 : probe.needle + len(probe.answer)]).strip()
        assert tokenizer.decode(probe.context).count(name) == 1


def test_a_probe_without_a_partner_is_left_out() -> None:
    def probe(*answer: int) -> Probe:
        return Probe("", np.arange(9), 0, np.array(answer), np.array([]))

    kept = with_other_answers([probe(1, 2), probe(1, 3), probe(4, 5), probe(6, 7, 8)])
    assert [(x.answer.tolist(), x.other.tolist()) for x in kept] == [
        ([1, 2], [4, 5]),
        ([1, 3], [4, 5]),
        ([4, 5], [1, 2]),
    ]


def test_planted_keys_stand_in_real_code(tokenizer: Tokenizer, modules: tuple[np.ndarray, pa.Table]) -> None:
    tokens, index = modules
    probes = planted(tokens, index, tokenizer, LONGEST, 5, seed=3)
    ranges = distance_ranges(LONGEST)
    assert len(probes) == 5 * len(ranges)
    for k, probe in enumerate(probes):
        low, high = ranges[k % len(ranges)]
        assert low <= probe.distance < high and len(probe.context) + DIGITS <= LONGEST
        text, answer = tokenizer.decode(probe.context), tokenizer.decode(probe.answer)
        head = text[text.rindex("\n") :]
        assert head.startswith("\nSETTING_") and text.count(head) == 2 and f'{head}{answer}"\n' in text
        assert len(answer) == DIGITS and not set(zip(answer, tokenizer.decode(probe.other))) & {(x, x) for x in answer}
    again = planted(tokens, index, tokenizer, LONGEST, 5, seed=3)
    assert all(np.array_equal(a.context, b.context) for a, b in zip(probes, again, strict=True))
    assert planted(tokens, index, tokenizer, 1 << 20, 5, seed=3) == []


def test_a_needle_stands_behind_a_line_break_if_there_is_one() -> None:
    breaks = np.array([False, True, False, False, True, False])
    assert [line_break(breaks, *ends) for ends in ((0, 6), (3, 6), (0, 2), (5, 5), (3, 4))] == [2, 5, 2, 5, 3]
