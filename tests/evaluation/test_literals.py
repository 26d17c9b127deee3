import contextlib
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.evaluation import literals

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
)
hashable = st.recursive(
    scalars.filter(lambda value: value == value), lambda inner: st.tuples(inner, inner), max_leaves=4
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.sets(hashable, max_size=3)
    ),
    max_leaves=12,
)


def same(left, right):
    """Equality that tells types apart and takes NaN for itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return left == right


@given(values)
def test_plain_data_arrives_unchanged(value):
    assert same(literals.loads(literals.dumps(value)), value)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_hostile_bytes_raise_nothing_but_value_error(data):
    with contextlib.suppress(ValueError):
        literals.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"tuple":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"int": "zz"}',
        b'{"set": [[1]]}',
        b'{"a": 1, "b": 2}',
        b"{}",
        b'{"dict": [1]}',
        b'{"complex": [1]}',
        b'{"unknown": 1}',
    ],
)
def test_malformed_or_deep_data_is_a_value_error(data):
    with pytest.raises(ValueError):
        literals.loads(data)


def test_a_subclass_travels_as_its_base():
    arrived = literals.loads(literals.dumps([Counter("aab"), True, 1 << 80]))
    assert arrived == [{"a": 2, "b": 1}, True, 1 << 80]
    assert type(arrived[0]) is dict


def test_an_integer_of_a_hundred_thousand_digits_is_exact():
    assert literals.loads(literals.dumps(10**100_000)) == 10**100_000


def test_infinities_and_nan_are_floats_again():
    positive, negative, nan = literals.loads(literals.dumps([math.inf, -math.inf, math.nan]))
    assert positive == math.inf and negative == -math.inf and math.isnan(nan)


def test_an_object_that_equals_everything_arrives_equal_to_nothing():
    class Yes:
        def __eq__(self, other):
            return True

        __hash__ = None

    arrived = literals.loads(literals.dumps(Yes()))
    assert arrived != 42 and repr(arrived) == "<Yes object>"


def test_a_cycle_is_a_recursion_error():
    cycle = []
    cycle.append(cycle)
    with pytest.raises(RecursionError):
        literals.dumps(cycle)
