"""The compiled loops that no other test compares with a definition: folding, repeats, merges."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse import csgraph

from sc2lib.dedup import kernels
from sc2lib.dedup.shingles import mix
from sc2lib.dedup.words import words

SETS = st.lists(st.lists(st.integers(0, 30), max_size=20), min_size=1, max_size=6)


def end_to_end(sets):
    arrays = [np.array(sorted(one), np.uint64) for one in sets]
    return np.concatenate(arrays), np.cumsum([0, *map(len, arrays)])


def test_bytes_are_folded_as_the_definition_sees_them_and_those_beyond_ascii_are_left_alone():
    for byte in range(256):
        assert kernels.FOLD[byte] == (byte if byte > 127 else next(iter(b"".join(words(chr(byte)))), 0))


def test_mixing_is_that_of_whole_arrays():
    values = np.random.default_rng(1).integers(0, 2**64, 100, np.uint64)
    assert [kernels.mixed(value) for value in values] == mix(values).tolist()


@given(SETS)
def test_repeats_of_sorted_runs_leave_and_the_runs_stay_apart(lists):
    hashes, offsets = end_to_end(lists)
    count = kernels.drop_repeats(hashes, offsets)
    found = [hashes[start:stop].tolist() for start, stop in pairwise(offsets)]
    assert found == [sorted(set(one)) for one in lists]
    assert count == sum(map(len, found))


@given(SETS)
def test_common_values_are_those_of_the_intersection(lists):
    first = np.array(sorted(set(lists[0])), np.uint64)
    for other in lists:
        assert kernels.common(first, np.array(sorted(set(other)), np.uint64)) == len(set(lists[0]) & set(other))


@given(st.integers(1, 40), st.data())
def test_components_are_those_of_scipy_and_named_by_their_smallest_member(count, data):
    links = data.draw(st.lists(st.tuples(*[st.integers(0, count - 1)] * 2), max_size=60))
    left, right = np.array(links, np.int64).reshape(-1, 2).T.copy()
    root = np.arange(count)
    kernels.unite(left, right, root)
    graph = sparse.coo_array((np.ones(len(left), bool), (left, right)), (count, count))
    _, labels = csgraph.connected_components(graph, directed=False)
    assert root.tolist() == [labels.tolist().index(label) for label in labels]
