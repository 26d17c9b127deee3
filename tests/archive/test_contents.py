"""From bytes to text: what is kept, with which encoding, and what is dropped, with which reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.archive.contents import decode
from sc2lib.archive.encodings import GUESS_BYTES

GREEK = "Ο άνθρωπος γεννιέται ελεύθερος, και παντού βρίσκεται στα δεσμά του. "
JAPANESE = "これは日本語の文章です。プログラムの説明を書いています。文字コードを判定します。\n"


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_utf8_comes_back_unchanged(text: str) -> None:
    decoded = decode(text.encode())
    assert (decoded.text, decoded.encoding, decoded.reason) == (text, "UTF-8", None)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=200))
def test_any_bytes_give_valid_text_or_a_reason(data: bytes) -> None:
    decoded = decode(data)
    assert (decoded.text is None) == (decoded.reason is not None) == (decoded.encoding is None)
    if decoded.text is not None:
        decoded.text.encode("utf-8")


@pytest.mark.parametrize("data", [b"\0", b"MZ\x90\0", "text".encode("utf-16")])
def test_a_nul_byte_means_binary(data: bytes) -> None:
    assert decode(data).reason == "binary"


@pytest.mark.parametrize(
    ("text", "encoding"), [(GREEK, "iso-8859-7"), (JAPANESE * 3, "shift_jis"), (JAPANESE * 3, "euc_jp")]
)
def test_other_encodings_are_guessed(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)).text == text


def test_the_guess_looks_where_the_strange_bytes_are() -> None:
    """Plain ASCII for longer than the sample, then a legacy encoding; a look at the beginning sees only ASCII."""
    data = b"# comment\n" * (GUESS_BYTES // 5) + (JAPANESE * 5).encode("shift_jis")
    assert decode(data).text == data.decode("shift_jis")


def test_random_bytes_are_undecodable() -> None:
    data = bytes((k * k * 7 + k * 13) % 255 + 1 for k in range(3000))
    decoded = decode(data)
    assert decoded.reason == "undecodable"
    assert decoded.detail and "is not UTF-8" in decoded.detail


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbfx = 1\n", b"a\r\nb\rc\x0c"])
def test_nothing_is_normalised(data: bytes) -> None:
    text = decode(data).text
    assert text is not None
    assert text.encode() == data


def test_a_line_of_eight_million_characters() -> None:
    assert decode(b"x" * (8 << 20)).encoding == "UTF-8"


def test_utf7_surrogates_never_pass() -> None:
    """UTF-7 is plain ASCII, so it is read as the UTF-8 it also is, and its escapes stay what they are."""
    decoded = decode(b"+2AA-")
    assert decoded.text == "+2AA-"
