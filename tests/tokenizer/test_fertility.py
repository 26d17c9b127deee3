"""Bytes per token: bytes are counted, not characters, and texts are weighed by their length."""

import pytest

from sc2lib.tokenizer import training
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.fertility import bytes_per_token


def test_without_merges_every_byte_is_a_token() -> None:
    bytes_only = Tokenizer(training.train([], 294))
    assert bytes_per_token(bytes_only, ["é = 1", "x"]) == 1


def test_a_merge_counts_where_it_applies() -> None:
    tokenizer = Tokenizer(training.train(["aa aa aa"], 295))
    assert tokenizer.token_bytes(294) == b"aa"
    assert bytes_per_token(tokenizer, ["aa", "aaaabbbb"]) == pytest.approx(10 / (1 + 2 + 4))


def test_no_text_has_no_ratio() -> None:
    with pytest.raises(ZeroDivisionError):
        bytes_per_token(Tokenizer(training.train([], 294)), [])
