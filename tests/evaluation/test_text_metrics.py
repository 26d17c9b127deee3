import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from sc2lib.evaluation.text_metrics import (
    common_subsequence,
    exact_match,
    indel_similarity,
    levenshtein_distance,
    levenshtein_similarity,
)

texts = st.text(alphabet="abc é\n", max_size=90) | st.text(max_size=20)


@given(texts, texts)
def test_both_similarities_equal_rapidfuzz(a, b):
    assert indel_similarity(a, b) == pytest.approx(fuzz.ratio(a, b) / 100 if a or b else 1.0)
    assert levenshtein_similarity(a, b) == pytest.approx(Levenshtein.normalized_similarity(a, b))


@given(st.text(alphabet="ab", max_size=8), st.text(alphabet="ab", max_size=8))
def test_both_distances_equal_the_textbook_recurrence(a, b):
    subsequence = {(i, 0): 0 for i in range(len(a) + 1)} | {(0, j): 0 for j in range(len(b) + 1)}
    edits = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i, left in enumerate(a, 1):
        for j, right in enumerate(b, 1):
            same = left == right
            subsequence[i, j] = max(subsequence[i - 1, j], subsequence[i, j - 1], subsequence[i - 1, j - 1] + same)
            edits[i, j] = min(edits[i - 1, j] + 1, edits[i, j - 1] + 1, edits[i - 1, j - 1] + (not same))
    assert common_subsequence(a, b) == subsequence[len(a), len(b)]
    assert levenshtein_distance(a, b) == edits[len(a), len(b)]


def test_the_two_names_mean_two_numbers():
    assert indel_similarity("kitten", "sitting") == pytest.approx(8 / 13)
    assert levenshtein_similarity("kitten", "sitting") == pytest.approx(4 / 7)
    assert levenshtein_distance("", "") == 0 and indel_similarity("", "") == levenshtein_similarity("", "") == 1


def test_exact_match_ignores_white_space_at_the_ends_only():
    assert exact_match("  x = 1\n", "x = 1")
    assert not exact_match("x  = 1", "x = 1")
