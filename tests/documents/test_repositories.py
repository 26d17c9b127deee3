"""Splits and buckets: by hash, stable, never empty."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.documents.repositories import bucket_of, split_by_repository, unit, validation_repositories

NAMES = [f"pypi/project-{index}" for index in range(4000)]


def test_the_share_of_validation_is_the_fraction():
    for fraction in (0.0, 0.05, 0.5, 1.0):
        share = len(validation_repositories(NAMES, fraction, seed=1)) / len(NAMES)
        assert abs(share - fraction) < 0.03


def test_a_repository_stays_where_it_is_when_others_come():
    few, many = (validation_repositories(names, 0.1, seed=1) for names in (NAMES[:500], NAMES))
    assert few == many & set(NAMES[:500])


@given(st.lists(st.text(max_size=8), min_size=2, max_size=6, unique=True), st.floats(1e-9, 1.0))
def test_there_is_always_one_of_several_and_order_does_not_matter(names, fraction):
    found = validation_repositories(names, fraction, seed=3)
    assert found
    assert found <= set(names)
    assert found == validation_repositories(names[::-1], fraction, seed=3)


def test_a_single_repository_is_for_training():
    assert validation_repositories(["only"], 1e-9, seed=1) == frozenset()


def test_seeds_hold_out_different_repositories():
    assert validation_repositories(NAMES, 0.1, 1) != validation_repositories(NAMES, 0.1, 2)


@given(st.lists(st.one_of(st.text(), st.integers()), min_size=1, max_size=3))
def test_unit_lies_below_one_and_repeats(parts):
    assert 0 <= unit(*parts) < 1
    assert unit(*parts) == unit(*parts)


@pytest.mark.parametrize("buckets", [1, 2, 7])
def test_buckets_hold_every_row_once_and_keep_a_repository_together(buckets):
    names = [name for name in NAMES[:100] for _ in range(2)]
    rows = pa.table({"repo_name": names, "row": list(range(len(names)))})
    parts = split_by_repository(rows, buckets)
    assert len(parts) == buckets
    assert sorted(row for part in parts for row in part["row"].to_pylist()) == list(range(len(names)))
    for index, part in enumerate(parts):
        assert {bucket_of(name, buckets) for name in part["repo_name"].to_pylist()} <= {index}
