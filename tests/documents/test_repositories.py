"""Splits and buckets: by hash, stable, never empty."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.documents.repositories import HeldOut, below, bucket_of, split_by_repository, unit
from sc2lib.errors import InputError

NAMES = [f"pypi/project-{index}" for index in range(4000)]


def test_the_share_of_validation_is_the_fraction():
    for fraction in (0.0, 0.05, 0.5, 1.0):
        share = len(below(NAMES, fraction, seed=1)) / len(NAMES)
        assert abs(share - fraction) < 0.03


def test_a_repository_stays_where_it_is_when_others_come():
    few, many = (below(names, 0.1, seed=1) for names in (NAMES[:500], NAMES))
    assert few == many & set(NAMES[:500])


@given(st.lists(st.text(max_size=8), min_size=2, max_size=6, unique=True), st.floats(1e-9, 1.0))
def test_of_several_there_is_always_one_and_never_all_and_order_does_not_matter(names, fraction):
    found = below(names, fraction, seed=3)
    assert found
    assert found < set(names)
    assert found == below(names[::-1], fraction, seed=3)


def test_a_single_name_is_not_held_out():
    assert below(["only"], 1e-9, seed=1) == below(["only"], 1.0, seed=1) == frozenset()


def test_no_file_at_all_is_named():
    with pytest.raises(InputError, match="no file came through the curation"):
        HeldOut.choose(pa.table({"repo_name": pa.array([], pa.string()), "blob_id": pa.array([], pa.string())}), 0.2, 1)


def test_whole_repositories_are_held_out_with_all_their_files():
    files = pa.table({"repo_name": ["a", "b", "c", "a"], "blob_id": ["1", "2", "3", "4"]})
    held_out = HeldOut.choose(files, 0.3, seed=1)
    assert held_out == HeldOut(below("abc", 0.3, seed=1))
    for name in "abc":
        assert {held_out.split(name, blob) for blob in (None, "1", "9")} == {held_out.split(name)}


def test_of_a_single_repository_files_are_held_out():
    files = pa.table({"repo_name": ["only"] * 200, "blob_id": [f"{index:040x}" for index in range(200)]})
    held_out = HeldOut.choose(files, 0.2, seed=1)
    splits = [held_out.split("only", blob) for blob in files["blob_id"].to_pylist()]
    assert 20 < splits.count("validation") < 60
    assert held_out.split("only") == "train"
    assert HeldOut.choose(files, 0.0, seed=1) == HeldOut(frozenset())


def test_seeds_hold_out_different_repositories():
    assert below(NAMES, 0.1, 1) != below(NAMES, 0.1, 2)


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
