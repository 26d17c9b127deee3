"""The whole of deduplication against brute force, for every cut, order and interruption."""

import hashlib
import random
import shutil
from functools import cache, partial

import numpy as np
import pyarrow as pa
import pytest

from sc2lib.dedup import join, leaders
from sc2lib.dedup.candidates import Pairs
from sc2lib.dedup.clusters import keeper_order, leader_clusters
from sc2lib.dedup.engine import clusters_of_piece, deduplicate, pairs_by_part
from sc2lib.dedup.leaders import REMOVALS
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.removals import removals_of_piece
from sc2lib.dedup.shingles import jaccard, naive_shingles
from tests.dedup.corpus import pairs_of, pieces_of, serial, texts

MANY_BANDS = DedupOptions(bands=64, rows=4)  # finds a pair of 0.7 all but once in 40 million times


def shingles_by_name():
    return {hashlib.sha1(text.encode()).hexdigest(): naive_shingles(text) for text in texts()}


def removals(folder, options=MANY_BANDS, **cut):
    result = deduplicate(pieces_of(texts(), **cut), folder, options, serial)
    return {row["blob_id"]: (row["cluster_id"], row["jaccard"]) for row in result.removals.to_pylist()}


@cache
def all_pairs():
    """Every pair, counted word by word, and the files' order of preference."""
    shingles = shingles_by_name()
    order = pa.concat_tables(piece.read().order() for piece in pieces_of(texts()))
    names = order["blob_id"].to_pylist()
    pairs = [(i, j, jaccard(shingles[names[i]], shingles[names[j]])) for j in range(len(names)) for i in range(j)]
    return names, order, pairs


def brute_force(threshold):
    """Leader clustering of all pairs."""
    names, order, found = all_pairs()
    left, right, similarity = (np.array(column) for column in zip(*(pair for pair in found if pair[2] >= threshold)))
    keeper, closeness = leader_clusters(Pairs(left, right), similarity, keeper_order(order))
    return {names[i]: (names[k], closeness[i]) for i, k in enumerate(keeper.tolist()) if i != k}


@pytest.mark.parametrize("threshold", [0.7, 0.85])
def test_the_removals_are_those_of_brute_force(tmp_path, threshold):
    found = removals(tmp_path, DedupOptions(threshold=threshold, bands=64, rows=4))
    assert found == brute_force(threshold)
    assert len(found) > 20


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return removals(tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize(("count", "order"), [(1, 1), (2, 2), (7, 3), (40, 4)])
def test_neither_order_nor_cut_changes_the_result(tmp_path, expected, count, order):
    assert removals(tmp_path, count=count, order=order) == expected


@pytest.mark.parametrize(("name", "value"), [("ENUMERATED", 0), ("ENUMERATED", 10**6), ("CHUNK", 3)])
def test_more_or_fewer_links_lead_to_the_same_result(tmp_path, expected, monkeypatch, name, value):
    monkeypatch.setattr(join, name, value)
    assert removals(tmp_path) == expected


def test_many_ranges_and_merges_lead_to_the_same_result(tmp_path, expected, monkeypatch):
    monkeypatch.setattr("sc2lib.dedup.engine.RANGE_KEYS", 200)
    monkeypatch.setattr("sc2lib.dedup.components.FOREST_LINKS", 10)
    monkeypatch.setattr("sc2lib.dedup.sorting.PART_ROWS", 9)
    assert removals(tmp_path) == expected
    for name in ("stars/01/links", "families", "removals"):  # a second round, and many parts of everything
        assert len(list((tmp_path / name).glob("part-*"))) > 3


def test_rounds_of_moving_lead_to_the_same_result(tmp_path, expected, monkeypatch):
    monkeypatch.setattr("sc2lib.dedup.exchange.FAN", 3)
    monkeypatch.setattr("sc2lib.dedup.engine.RANGE_KEYS", 500)
    assert removals(tmp_path, count=20) == expected
    for name in ("keys", "moved"):
        assert list((tmp_path / name).glob("2-*"))  # a second round


def template_texts():
    """Pages made from one template, and copies of some that differ in more words than others."""
    shared, rng = [f"s{word}" for word in range(130)], random.Random(3)
    pages = [[*shared, *(f"p{page}w{word}" for word in range(36))] for page in range(700)]
    copies = [
        [*page[: -rng.choice([3, 10, 20])], *(f"c{number}w{word}" for word in range(9))]
        for number, page in enumerate(pages[:99])
    ]
    return [" ".join(page) for page in [*pages, *copies]]


def test_what_a_crowded_family_loses_does_not_depend_on_the_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(leaders, "compiled_walk", partial(leaders.compiled_walk, met=64, compared=8))
    contents = template_texts()
    found = []
    for count, order in ((1, 0), (6, 1)):
        pieces = pieces_of(contents, count, order)
        result = deduplicate(pieces, tmp_path / str(count), DedupOptions(), serial)
        found.append((sorted(map(str, result.removals.select(REMOVALS.names[1:4]).to_pylist())), result.unsure))
    assert found[0] == found[1]
    gone, unsure = found[0]
    assert len(gone) > 60 and unsure > 300


def test_parts_of_pairs_are_the_pairs(tmp_path, monkeypatch):
    removals(tmp_path)
    whole = pairs_of(tmp_path)
    assert [part.equals(whole) for part in pairs_by_part(tmp_path)] == [True]
    monkeypatch.setattr("sc2lib.dedup.engine.PART_PAIRS", 5)
    parts = list(pairs_by_part(tmp_path))
    assert len(parts) > 3
    order = [("blob_id_a", "ascending"), ("blob_id_b", "ascending")]
    assert all(part.sort_by(order).equals(part) for part in parts)
    assert pa.concat_tables(parts).sort_by(order).equals(whole)


def test_texts_too_short_for_a_shingle_leave_only_for_an_exact_copy(tmp_path):
    short = ["", "a b c", "A b c", "a b c ", "x"]
    pieces = pieces_of([*short, "a b c"], 2)
    result = deduplicate(pieces, tmp_path, MANY_BANDS, serial)
    assert (result.files, result.without_shingles, result.removals.num_rows) == (6, 6, 1)
    name = hashlib.sha1(b"a b c").hexdigest()
    assert result.removals.select([1, 2, 3]).to_pylist() == [{"blob_id": name, "cluster_id": name, "jaccard": 1.0}]


def test_languages_meet_only_in_the_scope_all(tmp_path):
    text = max(texts(), key=len)
    for scope, gone in (("language", 1), ("all", 2)):
        pieces = [*pieces_of([text, text + " end"], 2), *pieces_of([text + " fin"], language="Cython")]
        result = deduplicate(pieces, tmp_path / scope, DedupOptions(scope=scope), serial)
        assert result.removals.num_rows == gone


class Interrupted(Exception):
    pass


def interrupted_after(tasks):
    """An executor that stops in the middle."""
    left = [tasks]

    def mapper(function, items, label):
        for item in items:
            if not left[0]:
                raise Interrupted
            left[0] -= 1
            function(item)

    return mapper


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path, expected):
    pieces, whole = pieces_of(texts()), tmp_path / "whole"
    result = deduplicate(pieces, whole, MANY_BANDS, serial)
    for stop_at in (2, 5, 12):
        with pytest.raises(Interrupted):
            deduplicate(pieces, tmp_path / "part", MANY_BANDS, interrupted_after(stop_at))
        again = deduplicate(pieces, tmp_path / "part", MANY_BANDS, serial)
        assert again.removals.equals(result.removals)
        assert pairs_of(tmp_path / "part").equals(pairs_of(whole))
        shutil.rmtree(tmp_path / "part")


def test_other_options_start_over(tmp_path, expected):
    assert removals(tmp_path) == expected
    assert len(removals(tmp_path, DedupOptions(threshold=0.95))) < len(expected)
    assert removals(tmp_path) == expected


def test_the_paper_mode_chains_and_loses_short_files(tmp_path):
    result = deduplicate(pieces_of(texts()), tmp_path, DedupOptions(bands=25, rows=10, mode="paper"), serial)
    rows = result.removals.to_pylist()
    short = {hashlib.sha1(text.encode()).hexdigest() for text in ("", "a b c", "x y")}
    assert len(short & {row["blob_id"] for row in rows}) == 2
    assert min(row["jaccard"] for row in rows) < 0.5
    shingles = shingles_by_name()
    for row in rows:
        if row["blob_id"] not in short:
            assert row["jaccard"] == jaccard(shingles[row["blob_id"]], shingles[row["cluster_id"]])


def test_pairs_that_reach_the_threshold_are_kept_and_all_comparisons_are_counted(tmp_path, expected):
    result = deduplicate(pieces_of(texts()), tmp_path, MANY_BANDS, serial)
    shingles = shingles_by_name()
    pairs = pairs_of(tmp_path).to_pylist()
    assert {(row["blob_id_b"], row["blob_id_a"], row["jaccard"]) for row in pairs} >= {
        (gone, *why) for gone, why in expected.items() if len(shingles[gone])
    }
    for row in pairs:
        a, b = shingles[row["blob_id_a"]], shingles[row["blob_id_b"]]
        assert row["jaccard"] == jaccard(a, b) >= MANY_BANDS.threshold
    assert result.histogram[1].sum() == len(pairs)
    assert result.histogram[0].sum() > 10
    assert result.unsure == 0


def test_clusters_name_every_file_of_a_piece(tmp_path, expected):
    pieces = pieces_of(texts())
    deduplicate(pieces, tmp_path, MANY_BANDS, serial)
    for number, piece in enumerate(pieces):
        names = piece.read().order()["blob_id"]
        clusters = clusters_of_piece(names, removals_of_piece(tmp_path, number))
        assert clusters["blob_id"].to_pylist() == names.to_pylist()
        for row in clusters.to_pylist():
            assert (row["cluster_id"], row["jaccard"]) == expected.get(row["blob_id"], (row["blob_id"], 1.0))


def test_an_empty_corpus_has_no_duplicates(tmp_path):
    pieces = [piece.__class__((), (), (), ()) for piece in pieces_of(["one"])]
    assert deduplicate(pieces, tmp_path, MANY_BANDS, serial).removals.num_rows == 0
    assert [part.num_rows for part in pairs_by_part(tmp_path)] == [0]
