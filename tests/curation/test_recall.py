import numpy as np
import pyarrow as pa

from sc2lib.curation.candidates import all_similar_pairs
from sc2lib.curation.recall import directory_sample, recall_by_similarity
from sc2lib.curation.shingles import ShingleSets, mix


def test_whole_directories_are_drawn_by_a_seeded_hash():
    files = pa.table(
        {
            "repo_name": [f"r{k // 20}" for k in range(100)],
            "path": [f"/{k % 20 // 5}/{k}" for k in range(100)],
        }
    )
    rows = directory_sample(files, 30, seed=1)
    assert len(rows) == 30
    assert np.all(np.diff(rows) > 0)
    assert all(len(set(group)) == 5 for group in (rows // 5 * 5 + np.arange(30) % 5).reshape(-1, 5))
    assert np.array_equal(rows, directory_sample(files, 30, seed=1))
    assert not np.array_equal(rows, directory_sample(files, 30, seed=2))
    shuffled = files.take(pa.array(np.arange(100)[::-1]))
    assert np.array_equal(99 - directory_sample(shuffled, 30, seed=1)[::-1], rows)
    assert len(directory_sample(files, 1000, seed=1)) == 100


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
    assert bins[0].found < 0.05
    assert bins[-1].found > 0.9
