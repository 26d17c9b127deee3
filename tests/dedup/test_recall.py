import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from sc2lib.dedup.bigcode_minhash import bigcode_signatures
from sc2lib.dedup.candidates import all_similar_pairs
from sc2lib.dedup.recall import (
    SampleOutcome,
    compare_on_sample,
    directory_sample,
    recall_by_similarity,
    wilson_interval,
)
from sc2lib.dedup.shingles import ShingleSets, mix, shingle_sets
from sc2lib.tables import FILES


def test_whole_directories_are_drawn_by_a_seeded_hash():
    files = pa.table(
        {
            "blob_id": [f"{k:02}" for k in range(100)],
            "repo_name": [f"r{k // 20}" for k in range(100)],
            "path": [f"/{k % 20 // 5}/{k}" for k in range(100)],
        }
    )

    def drawn(files: pa.Table, count: int, seed: int) -> np.ndarray:
        return np.array([int(name) for name in directory_sample(files, count, seed)["blob_id"].to_pylist()])

    rows = drawn(files, 30, seed=1)
    assert len(rows) == 30
    assert np.all(np.diff(rows) > 0)
    assert all(len(set(group)) == 5 for group in (rows // 5 * 5 + np.arange(30) % 5).reshape(-1, 5))
    assert np.array_equal(rows, drawn(files, 30, seed=1))
    assert not np.array_equal(rows, drawn(files, 30, seed=2))
    shuffled = files.take(pa.array(np.arange(100)[::-1]))
    assert np.array_equal(drawn(shuffled, 30, seed=1), rows)
    assert len(drawn(files, 1000, seed=1)) == 100


@pytest.mark.parametrize("trials", [1, 7, 400])
def test_the_interval_of_a_share_is_scipys(trials):
    for hits in {0, 1, trials // 3, trials}:
        theirs = binomtest(hits, trials).proportion_ci(0.99, method="wilson")
        assert wilson_interval(hits, trials, 0.99) == pytest.approx(theirs, abs=1e-12)


def test_recall_follows_the_s_curve():
    universe = mix(np.arange(4000, dtype=np.uint64))
    parts = [universe[start : start + 200] for start in range(0, 3200, 20)]  # neighbours share 180, 160, …
    sets = ShingleSets(np.sort(np.array(parts), axis=1).reshape(-1), np.arange(len(parts) + 1) * 200)
    pairs, similarity = all_similar_pairs(sets, 0.3)
    bins = recall_by_similarity(sets, pairs, similarity, 25, 10, np.linspace(0.3, 1.0, 8), salts=range(4))
    assert sum(found.pairs for found in bins) == len(pairs)
    for found in bins:
        assert found.least <= found.found <= found.most
        assert abs(found.found - found.expected) < 0.06
        assert found.low <= found.mean <= found.high
    assert bins[0].found < 0.05
    assert bins[-1].found > 0.9


def test_methods_are_judged_by_brute_force():
    words = [f"word{k}" for k in range(60)]
    texts = [" ".join(words), " ".join([*words, "end"]), "a b c d", "x y", " ".join(words[:30]), "other " * 9 + "text"]
    rows = [dict.fromkeys(FILES.names) | {"blob_id": f"{k}", "language": "Python"} for k in range(len(texts))]
    files = pa.Table.from_pylist(rows, schema=FILES)
    column = pa.array(texts, pa.large_string())
    report = compare_on_sample(files, shingle_sets(column), bigcode_signatures(column), 0.7, "language", 32, 8)
    names = ("brute force", "32 bands of 8, checked", "the same in another order")
    assert report[:3] == [SampleOutcome(name, 1, 0, 0) for name in names]
    assert report[3] == SampleOutcome("the published recipe", 2, 1, 0)  # one of the two short files is lost
