import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.errors import ParameterError
from sc2lib.model.generation import Continuation
from sc2lib.model.stop_strings import StopStrings, check_vocabulary
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.training import train

TOKENIZER = Tokenizer(train([inspect.getsource(inspect)], 600))


def write(text, strings, limit=10**6):
    """What a model that wants to write `text` comes to write."""
    stop = StopStrings(strings, TOKENIZER)
    tokens = []
    for token in TOKENIZER.encode(text)[:limit]:
        tokens.append(token)
        if stop(tokens):
            return stop.cut(Continuation(tokens, "stop", [-float(n) for n in range(len(tokens))]))
    return stop.cut(Continuation(tokens, "length", []))


def naive(text, strings):
    """The text before the first stop string, byte by byte."""
    data = text.encode()
    for end in range(len(data) + 1):
        for string in sorted(strings, key=len, reverse=True):
            if data[:end].endswith(string.encode()):
                return data[: end - len(string.encode())].decode()
    return text


@settings(max_examples=150)
@given(
    text=st.text(st.sampled_from("def return\n    é😀xy():#"), max_size=60),
    strings=st.lists(st.text(st.sampled_from("def\n xé😀:"), min_size=1, max_size=4), max_size=3),
)
def test_text_ends_before_the_first_stop_string_whatever_the_tokens(text, strings):
    made = write(text, strings)
    assert made.text == naive(text, strings)
    assert (made.ended == "stop string") is (made.text != text)
    assert TOKENIZER.decode_bytes(made.tokens).startswith(made.text.encode())
    if made.tokens:
        assert len(TOKENIZER.decode_bytes(made.tokens[:-1])) < len(made.text.encode())


def test_a_token_that_goes_on_into_the_stop_string_stays_and_its_text_is_cut():
    assert len(TOKENIZER.encode(" self")) == 1
    made = write("x = 1 self", ["elf"])
    assert made.text == "x = 1 s"
    assert TOKENIZER.decode(made.tokens) == "x = 1 self"
    assert made.log_probabilities == [-float(n) for n in range(len(made.tokens))]
    assert write("self", ["self"]).tokens == []


def test_without_a_stop_string_the_text_is_whole_and_a_half_character_is_marked():
    whole = write("a😀", [])
    assert (whole.text, whole.ended) == ("a😀", "length")
    assert write("😀", [], limit=1).text == "\ufffd"
    with pytest.raises(ParameterError, match="empty"):
        StopStrings(["\n", ""], TOKENIZER)


def test_a_model_with_another_vocabulary_is_refused(small):
    check_vocabulary(small.replace(vocab_size=600), TOKENIZER)
    with pytest.raises(ParameterError, match="300 tokens, the tokenizer 600"):
        check_vocabulary(small, TOKENIZER)
