"""What decides between near-duplicates is read value by value: one odd value costs itself and no other."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.dedup.keeper_values import Reading, as_keeper, readings

JANUARY = datetime(2023, 1, 1, tzinfo=UTC)
WORDS = st.none() | st.sampled_from(["1", " 7 ", "-3", "", "n/a", "2023-01-01", "2023-01-01T02:00:00+02:00", "9" * 30])


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("star_events_count", ["1", "100", "n/a", "", None], [1, 100, None, None, None]),
        ("star_events_count", [1.0, float("nan"), 2.5], [1, None, None]),
        ("star_events_count", pa.array([2**63, 5], pa.uint64()), [None, 5]),
        ("star_events_count", pa.array(["4", "x"]).dictionary_encode(), [4, None]),
        ("star_events_count", pa.array(["4", "x"], pa.string_view()), [4, None]),
        ("star_events_count", [[1], None], [None, None]),
        ("revision_date", ["2023-01-01", "2023-01-01T00:00:00Z", "soon"], [JANUARY, JANUARY, None]),
        ("revision_date", ["2023-01-01T02:00:00+02:00"], [JANUARY]),
        ("revision_date", [datetime(2023, 1, 1)], [JANUARY]),
        ("visit_date", [int(JANUARY.timestamp() * 1e6)], [JANUARY]),
        ("path", [7, 8], ["7", "8"]),
    ],
)
def test_values_are_read_as_what_the_column_means(name, values, expected):
    column = pa.chunked_array([values if isinstance(values, pa.Array) else pa.array(values)])
    assert as_keeper(column, name).to_pylist() == expected


@given(st.lists(WORDS, max_size=30), st.integers(0, 30), st.sampled_from(["star_events_count", "revision_date"]))
def test_a_value_does_not_depend_on_what_was_read_with_it(values, cut, name):
    parts = [pa.chunked_array([pa.array(part, pa.string())]) for part in (values, values[:cut], values[cut:])]
    whole, first, second = (as_keeper(part, name).to_pylist() for part in parts)
    assert whole == first + second


def test_what_cannot_be_read_is_counted():
    table = pa.table(
        {"star_events_count": ["1", "", "n/a"], "license_type": ["permissive", "MIT", None], "n": [1, 2, 3]}
    )
    assert readings(table) == {"license_type": Reading(2, 1), "star_events_count": Reading(2, 1)}
