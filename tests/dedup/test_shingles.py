import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.dedup import shingles
from sc2lib.dedup.shingles import (
    jaccard,
    mix,
    naive_shingle_hashes,
    naive_shingles,
    shingle_sets,
    shingle_stream,
)

CODE = st.text(st.sampled_from("ab_9 .\n(Éé漢字"), max_size=60)


def column(texts):
    return pa.array(texts, pa.large_string())


def test_words_are_runs_of_word_characters_in_lower_case():
    assert naive_shingles("Def f(x):\n\treturn X+1", 3) == {
        (b"def", b"f", b"x"),
        (b"f", b"x", b"return"),
        (b"x", b"return", b"x"),
        (b"return", b"x", b"1"),
    }


def test_words_of_another_script_count():
    assert naive_shingles("größe = 数据_1", 3) == {
        ("größe".encode(), "数".encode(), "据".encode()),
        ("数".encode(), "据".encode(), b"_1"),
    }


@given(st.text(st.characters(codec="ascii"), max_size=80))
def test_on_ascii_the_words_are_those_of_the_unicode_regular_expression(text):
    words = re.findall(r"\w+", text.lower())
    assert naive_shingles(text, 1) == {(word.encode(),) for word in words}


@given(st.lists(CODE, max_size=6), st.integers(1, 6))
def test_the_fast_path_agrees_with_the_definition(texts, n):
    naive = [naive_shingles(text, n) for text in texts]
    fast = shingle_sets(column(texts), n)
    assert fast.sizes.tolist() == [len(found) for found in naive]
    for i in range(len(texts)):
        assert np.all(np.diff(fast[i].astype(object)) > 0)
        for j in range(i):
            common = len(np.intersect1d(fast[i], fast[j]))
            union = len(naive[i] | naive[j])
            assert common == len(naive[i] & naive[j])
            assert jaccard(naive[i], naive[j]) == (common / union if union else 0.0)


LONG = st.lists(st.text("abcXYZ_0é", min_size=1, max_size=40), max_size=12).map(" (".join)


@given(st.lists(LONG, min_size=1, max_size=4), st.integers(1, 6))
def test_the_compiled_loop_computes_the_hashes_of_the_definition(texts, n):
    (batch,) = shingle_stream(column(texts), n)
    for index, text in enumerate(texts):
        assert batch[index].tolist() == naive_shingle_hashes(text, n)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 24, 255, 256, 300])
def test_words_of_any_length_have_the_hash_of_the_definition(length):
    text = " ".join("abcdefghijklmnopqrstuvwxyz"[k] * length for k in range(5))
    (batch,) = shingle_stream(column([text]))
    assert batch[0].tolist() == naive_shingle_hashes(text)


@pytest.mark.parametrize("batch_bytes", [1, 40, 1 << 18])
def test_batches_do_not_change_the_hashes(monkeypatch, batch_bytes):
    texts = column([f"import os\nprint({'x' * (k % 7)}, {k})\n" * (k % 5) for k in range(50)])
    expected = shingle_sets(texts)
    monkeypatch.setattr(shingles, "BATCH_BYTES", batch_bytes)
    assert np.array_equal(shingle_sets(texts).hashes, expected.hashes)
    assert sum(len(batch) for batch in shingle_stream(texts)) == 50


def test_a_slice_of_a_column_gives_the_hashes_of_that_slice():
    texts = column(["one two three four five six", "a b c d e f g", "", "one two three four five"])
    whole, part = shingle_sets(texts), shingle_sets(texts[1:])
    assert np.array_equal(part[0], whole[1])
    assert np.array_equal(part[2], whole[3])
    assert np.array_equal(shingle_sets(texts.cast(pa.string())[1:]).hashes, part.hashes)


def test_a_text_shorter_than_a_shingle_has_none():
    assert shingle_sets(column(["", "one two three four", "one two three four five"])).sizes.tolist() == [0, 0, 1]


def test_no_column_no_sets():
    assert len(shingle_sets(column([]))) == 0


def test_different_words_of_the_standard_library_have_different_hashes():
    text = re.__doc__ + " ".join(dir(re)) + " ".join(map(str, range(20_000)))
    assert shingle_sets(column([text]), 1).sizes[0] == len(naive_shingles(text, 1))


def test_mixing_is_a_bijection_that_moves_every_bit():
    values = np.arange(1 << 16, dtype=np.uint64)
    assert len(np.unique(mix(values))) == len(values)
    for a, b in pairwise(mix(values[:64]).tolist()):
        assert 8 < (a ^ b).bit_count() < 56
