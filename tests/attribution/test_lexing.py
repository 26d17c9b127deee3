import inspect

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.attribution.lexing import lex, naive_lex

texts = st.text(alphabet="ab_1 \n\t.(é", max_size=60) | st.text(max_size=40)


@given(texts)
def test_tokens_are_those_of_the_regular_expression(text):
    data = text.encode()
    tokens = lex(data)
    found = [data[a:b] for a, b in zip(tokens.starts.tolist(), tokens.ends.tolist())]
    assert found == naive_lex(data)


@given(texts, texts)
def test_equal_tokens_have_equal_hashes_and_different_ones_different(a, b):
    data = a.encode() + b"\n" + b.encode()
    tokens = lex(data)
    names = naive_lex(data)
    assert len(set(tokens.hashes.tolist())) == len(set(names))
    by_name = dict(zip(names, tokens.hashes.tolist()))
    assert [by_name[name] for name in names] == tokens.hashes.tolist()


def test_layout_changes_no_hash_and_case_does():
    dense, airy = b"def f(x):return x", b"def  f ( x ) :\n\n\treturn\tx\n"
    assert np.array_equal(lex(dense).hashes, lex(airy).hashes)
    assert not np.array_equal(lex(b"Def f").hashes, lex(b"def f").hashes)


def test_a_long_token_and_real_code():
    source = inspect.getsource(inspect).encode() + b"x" * 100_000
    tokens = lex(source)
    assert [source[a:b] for a, b in zip(tokens.starts, tokens.ends)] == naive_lex(source)


def test_nothing_gives_no_tokens():
    assert len(lex(b"")) == len(lex(b" \n")) == 0
