"""What a word is: ranges against Unicode's own classes, and the compiled loop against the definition."""

import random
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.dedup import kernels
from sc2lib.dedup.shingles import jaccard, naive_shingle_hashes, naive_shingles, shingle_stream
from sc2lib.dedup.words import ALONE, FOLDED, SEPARATE, tables, word_places, words

UNICODE = unicodedata.ucd_3_2_0  # the same in every Python


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\u00a0b\u2003c\u3000d", "a b c d"),
        ("„Größe“ — naïve…", "größe naïve"),
        ("ПРИВЕТ, Мир! ΟΔΟΣ οδος ÉTÉ", "привет мир οδοσ οδοσ été"),
        ("x→y ≤ z×2", "x y z 2"),
        ("数据，来源。var数据_1", "数 据 来 源 var 数 据 _1"),
        ("ひらカタｶﾅー", "ひ ら カ タ ｶ ﾅ ー"),
        ("한국어 말", "한 국 어 말"),
        ("𠀀𠀁 ok 🎉done", "𠀀 𠀁 ok done"),
        ("cafe\u0301 हिन्दी，ไทย", "cafe\u0301 हिन्दी ไทย"),
        ("ＡＢ（１）", "ＡＢ １"),
    ],
)
def test_words_in_many_scripts(text, found):
    assert [word.decode() for word in words(text)] == found.split()


def test_punctuation_separates_and_letters_do_not():
    kinds, _ = tables()
    blocks = [*range(0x80, 0x250), *range(0x370, 0x482), *range(0x2000, 0x2070), *range(0x3000, 0x3020)]
    for code in (*blocks, *range(0xFF00, 0xFF66)):
        category = UNICODE.category(chr(code))
        if category[0] in "PZ" or category == "Sc":
            assert kinds[code] == 0, hex(code)
        if category[0] == "L":
            assert kinds[code] != 0, hex(code)


def test_the_ranges_do_not_overlap():
    for ranges in (SEPARATE, ALONE):
        assert all(first <= last for first, last in ranges)
    assert sum(last + 1 - first for first, last in (*SEPARATE, *ALONE)) == np.count_nonzero(tables()[0] != 1)


def test_folding_keeps_the_bytes_a_letter_takes_and_is_done_once():
    assert FOLDED[ord("Σ")] == FOLDED[ord("ς")] == "σ" and FOLDED[ord("Ж")] == "ж"
    for code, letter in FOLDED.items():
        assert len(letter.encode()) == len(chr(code).encode())
        assert FOLDED[ord(letter)] == letter


EDGES = [code + by for pair in (*SEPARATE, *ALONE) for code in pair for by in (-1, 0, 1) if code + by >= 0]
ANY = st.one_of(
    st.sampled_from([chr(code) for code in EDGES if not 0xD800 <= code < 0xE000]),
    st.sampled_from("aZ_9 .éÉſßЖжΣς中文한ひ🎉"),
    st.characters(codec="utf-8"),
)


@given(st.lists(st.text(ANY, max_size=40), min_size=1, max_size=4), st.integers(1, 5))
def test_the_compiled_loop_sees_the_words_of_the_definition(texts, n):
    (batch,) = shingle_stream(pa.array(texts, pa.large_string()), n)
    for index, text in enumerate(texts):
        assert batch[index].tolist() == naive_shingle_hashes(text, n)


@given(st.text(ANY, max_size=40))
def test_words_stand_where_their_places_say(text):
    cut = [text[first:last] for first, last in word_places(text)]
    assert [word.translate(FOLDED).encode() for word in cut] == words(text)


@given(st.binary(max_size=60), st.integers(0, 5), st.integers(0, 5))
def test_bytes_that_are_no_text_stay_inside_their_bounds(data, before, after):
    whole = np.frombuffer(b"\xe4" * before + data + b"\xb8\xad" * after, np.uint8)
    stop = before + len(data)
    for part, start, end in ((whole, before, stop), (whole[before:stop].copy(), 0, len(data))):
        out = np.zeros(2 * len(data) + 8, np.uint8)
        size = kernels.fold_text(part, start, end, *tables(), out)
        assert size <= 2 * len(data)
        assert not out[size:].any()


@given(st.binary(max_size=300), st.integers(0, 20))
def test_ascii_is_known_by_its_bytes(data, start):
    start = min(start, len(data))
    assert kernels.beyond_ascii(np.frombuffer(data, np.uint8), start, len(data)) == (not data[start:].isascii())


def test_one_character_changes_five_shingles_of_a_chinese_text():
    rng = random.Random(1)
    letters = [chr(rng.randrange(0x4E00, 0x5000)) + ("，" if i % 12 == 11 else "") for i in range(1200)]
    changed = [*letters[:600], "龍", *letters[601:]]
    a, b = (naive_shingles("".join(text)) for text in (letters, changed))
    assert len(a - b) == len(b - a) == 5
    assert jaccard(a, b) > 0.99
