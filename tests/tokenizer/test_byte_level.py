"""The byte alphabet against the tokenizers library's."""

import pytest
from tokenizers import pre_tokenizers

from sc2lib.tokenizer import byte_level


def test_alphabet_is_the_library_s():
    assert set(byte_level.byte_to_character()) == set(pre_tokenizers.ByteLevel.alphabet())


def test_every_byte_comes_back():
    data = bytes(range(256))
    assert byte_level.to_bytes(byte_level.to_characters(data)) == data


def test_words_read_as_the_library_writes_them():
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str("é\n\t 漢")
    assert byte_level.to_characters("é\n\t 漢".encode()) == pieces[0][0]


def test_other_characters_are_refused():
    with pytest.raises(KeyError):
        byte_level.to_bytes("漢")
