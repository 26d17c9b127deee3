"""The compiled walk against its definition, on families that share bands, sketches and shingles at random."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.dedup.join import ENUMERATED
from sc2lib.dedup.leaders import MET, by_leader, compiled_walk
from sc2lib.dedup.members import Members
from sc2lib.dedup.minhash import band_keys, signatures
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.pieces import KEEPER
from sc2lib.dedup.shingles import ShingleSets


def members_of(files, bands, seed):
    """Files that share most of their shingles, few band keys, and an agreement of some."""
    rng = np.random.default_rng(seed)
    sets = [np.flatnonzero(rng.random(12) < 0.8).astype(np.uint64) for _ in range(files)]
    offsets = np.cumsum([0, *map(len, sets)])
    return Members(
        rows=np.arange(files),
        families=np.zeros(files, np.int64),
        keys=rng.integers(0, 3, (files, bands)).astype(np.uint64),
        agreement=rng.integers(0, 2, (files, 6)).astype(np.uint8),
        sets=ShingleSets(np.concatenate(sets) if sets else np.zeros(0, np.uint64), offsets),
        order=pa.table([pa.nulls(files, field.type) for field in KEEPER], schema=KEEPER),
    ), rng.permutation(files)


FLOORS, MOST = st.integers(0, 4), st.sampled_from([1, 2, 5, 1000])


@given(
    st.integers(1, 30), st.integers(1, 4), st.integers(0, 1000), st.sampled_from([0.3, 0.7, 1.0]), FLOORS, MOST, MOST
)
def test_the_compiled_walk_makes_the_decisions_and_comparisons_of_the_definition(
    files, bands, seed, threshold, floor, met, compared
):
    members, rank = members_of(files, bands, seed)
    fast, plain = (way(members, rank, threshold, floor, met, compared) for way in (compiled_walk, by_leader))
    for name in ("keeper", "jaccard", "left", "right", "similarity", "histogram", "unsure"):
        assert getattr(fast, name).tolist() == getattr(plain, name).tolist()
    assert fast.looks == plain.looks


@pytest.mark.parametrize("files", [50])
def test_such_families_have_both_keepers_and_files_that_leave(files):
    members, rank = members_of(files, 3, 1)
    found = compiled_walk(members, rank, 0.7, 0)
    gone = int((found.keeper != np.arange(files)).sum())
    assert 0 < gone < files - 1
    assert found.histogram.sum() > 2 * files
    assert found.histogram[1].sum() == len(found.left) > files  # more pairs than the first arrays hold


def test_a_pair_is_kept_if_it_reaches_the_threshold():
    members, rank = members_of(50, 3, 1)
    found = compiled_walk(members, rank, 0.7, 0)
    assert min(found.similarity) >= 0.7
    assert found.histogram[0, 35:].sum() == found.histogram[1, :35].sum() == 0
    gone = np.flatnonzero(found.keeper != np.arange(50))
    assert set(zip(found.keeper[gone], gone)) <= set(zip(found.left, found.right))


TEMPLATE, OWN = 396, 110  # shingles: two files of one template have a similarity of 0.64


def template_family(keepers, copies=0, jaccard=0.0):
    """Files of one template, in an order drawn at random; then copies of some of them, at a given similarity."""
    rng = np.random.default_rng(keepers)
    template, own = drawn(rng, TEMPLATE), [drawn(rng, OWN) for _ in range(keepers)]
    shared = round(2 * (TEMPLATE + OWN) * jaccard / (1 + jaccard)) - TEMPLATE
    own += [np.concatenate([one[:shared], drawn(rng, OWN - shared)]) for one in own[:copies]]
    hashes = np.concatenate([np.sort(np.concatenate([template, one])) for one in own])
    sets = ShingleSets(hashes, np.arange(len(own) + 1) * (TEMPLATE + OWN))
    signature = signatures(sets)
    rank = np.concatenate([rng.permutation(keepers), np.arange(keepers, len(own))])
    keys, families = band_keys(signature, 32, 8), np.zeros(len(own), np.int64)
    return Members(np.arange(len(own)), families, keys, signature.astype(np.uint8), sets, pa.table({})), rank


def drawn(rng, count):
    return rng.integers(0, 2**63, count).astype(np.uint64)


def walked(family, *bounds):
    return compiled_walk(*family, 0.7, DedupOptions().agreement_floor, *bounds)


def test_a_family_below_the_threshold_costs_in_proportion_to_its_files():
    sizes = (1000, 2000, 4000)
    found = [walked(template_family(files), 32, 16) for files in sizes]
    assert [int((one.keeper != np.arange(files)).sum()) for one, files in zip(found, sizes)] == [0, 0, 0]
    for one, twice in pairwise(found):
        assert twice.histogram.sum() < 2.3 * one.histogram.sum()
        assert twice.looks < 2.3 * one.looks
    assert len(found[2].left) == 0
    everyone = walked(template_family(1000), 10**9, 10**9)
    assert everyone.histogram.sum() > 15 * found[0].histogram.sum()
    assert found[0].unsure.sum() > 900 and everyone.unsure.sum() == 0


@pytest.mark.parametrize(("jaccard", "loss"), [(0.75, 0.1), (0.8, 0.02), (0.9, 0.0)])
def test_the_bounds_lose_few_similar_files_of_a_crowded_family(jaccard, loss):
    family = template_family(1000, 500, jaccard)
    everyone, bounded = (
        np.count_nonzero(walked(family, *bounds).keeper[1000:] < 1000) / 500 for bounds in ((10**9, 10**9), (64, 64))
    )
    assert everyone - loss <= bounded <= everyone
    assert everyone > 0.95


def test_what_is_met_does_not_depend_on_the_cut():
    assert MET >= ENUMERATED
