"""Bands and rows from the threshold: enough bands to find its pairs, and as many rows as that leaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.dedup.band_shape import POSITIONS, band_shape, expected_recall


@given(st.floats(0.02, 1.0).filter(lambda threshold: abs(threshold - 0.7) > 1e-6))
def test_the_pairs_of_a_threshold_are_found_with_as_many_rows_as_possible(threshold):
    bands, rows = band_shape(threshold)
    assert bands * rows <= POSITIONS
    assert expected_recall(threshold, bands, rows) >= 0.95
    assert rows == POSITIONS or expected_recall(threshold, POSITIONS // (rows + 1), rows + 1) < 0.95


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ((0.7,), (32, 8)),
        ((0.7, 16), (16, 8)),
        ((0.7, None, 10), (32, 10)),
        ((0.5,), (64, 4)),
        ((0.8,), (28, 9)),
        ((0.5, 20), (20, 2)),
        ((0.5, None, 5), (51, 5)),
        ((0.5, 7, 5), (7, 5)),
        ((0.001,), (256, 1)),
    ],
)
def test_what_is_given_stays(given_, expected):
    assert band_shape(*given_) == expected


def test_the_numbers_of_the_docstring():
    assert expected_recall(0.2, 64, 4) == pytest.approx(0.097, abs=0.001)
    assert 1 / expected_recall(0.2, 28, 9) == pytest.approx(70_000, rel=0.01)
    assert expected_recall(0.7, 32, 8) == pytest.approx(0.85, abs=0.005)
    assert expected_recall(0.75, 32, 8) == pytest.approx(0.97, abs=0.005)
