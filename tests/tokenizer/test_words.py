"""Our cut into words against the two passes of the tokenizers library."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.tokenizer import byte_level, training
from sc2lib.tokenizer.words import words


def library_words(text: str) -> list[str]:
    pieces = training.pre_tokenizer().pre_tokenize_str(text)
    return [byte_level.to_bytes(piece).decode() for piece, _ in pieces]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(x):", ["def", " f", "(", "x", "):"]),
        ("x = 2024", ["x", " =", " ", "2", "0", "2", "4"]),
        ("    return x", ["   ", " return", " x"]),
        ("a   7", ["a", "   ", "7"]),
        ("it's don't", ["it", "'s", " don", "'t"]),
        ("a\n\n  b", ["a", "\n\n ", " b"]),
        ("ends \n", ["ends", " \n"]),
        ("snake_case", ["snake", "_", "case"]),
        ("", []),
    ],
)
def test_words_of_code(text, expected):
    assert words(text) == expected == library_words(text)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn"]), max_size=60))
def test_joined_words_are_the_text_and_equal_the_library_s(text):
    assert "".join(words(text)) == text
    assert words(text) == library_words(text)


def test_every_assigned_character_is_cut_as_the_library_cuts_it():
    characters = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    for start in range(0, len(characters), 500):
        text = "".join(f"a{c}1 {c}{c}  {c}\n" for c in characters[start : start + 500])
        assert words(text) == library_words(text)
