import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.attribution import winnowing
from sc2lib.attribution.winnowing import Guarantee, gram_hashes, winnow
from sc2lib.errors import ParameterError

hashes = st.lists(st.integers(0, 5) | st.integers(0, 2**64 - 1), max_size=60)


def naive_winnow(grams, window):
    window = min(window, len(grams))
    kept = set()
    for start in range(len(grams) - window + 1) if window else ():
        part = grams[start : start + window]
        kept.add(start + max(index for index, value in enumerate(part) if value == min(part)))
    return sorted(kept)


@given(hashes, st.integers(1, 12))
def test_it_keeps_what_the_definition_keeps(grams, window):
    assert winnow(np.array(grams, np.uint64), window).tolist() == naive_winnow(grams, window)


def test_chunks_make_no_difference(monkeypatch):
    grams = np.random.default_rng(0).integers(0, 50, 1000).astype(np.uint64)
    whole = winnow(grams, 7)
    for chunk in (1, 3, 64, 999):
        monkeypatch.setattr(winnowing, "CHUNK", chunk)
        assert np.array_equal(winnow(grams, 7), whole)


def test_the_density_is_two_over_window_plus_one():
    grams = np.random.default_rng(1).integers(0, 2**63, 100_000).astype(np.uint64)
    assert len(winnow(grams, 9)) / len(grams) == pytest.approx(2 / 10, rel=0.02)


@given(hashes, hashes, hashes, st.integers(1, 4), st.integers(0, 6))
def test_texts_that_share_t_tokens_keep_a_common_gram(shared, before, after, gram_tokens, extra):
    guarantee = Guarantee(gram_tokens, gram_tokens + extra)
    if len(shared) < guarantee.min_tokens:
        return
    kept = []
    for tokens in (before + shared, shared + after):
        grams = gram_hashes(np.array(tokens, np.uint64), gram_tokens)
        kept.append(set(grams[winnow(grams, guarantee.window)].tolist()))
    assert kept[0] & kept[1]


def test_grams_are_equal_exactly_where_their_tokens_are():
    grams = gram_hashes(np.array([1, 2, 3, 1, 2, 3, 2, 1], np.uint64), 2).tolist()
    assert grams[0] == grams[3] and grams[1] == grams[4]
    assert len(set(grams)) == 5
    assert len(gram_hashes(np.array([1, 2], np.uint64), 3)) == 0


def test_an_impossible_guarantee_is_refused():
    with pytest.raises(ParameterError, match="raise attribution_min_tokens"):
        Guarantee(gram_tokens=8, min_tokens=7)
