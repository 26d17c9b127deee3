"""Recall of the whole engine against the exact similarity of independent pairs, for every band of similarity."""

import numpy as np
import pytest
from scipy.stats import binom

from sc2lib.dedup.engine import deduplicate
from sc2lib.dedup.minhash import candidate_probability
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.shingles import jaccard, naive_shingles
from tests.dedup.corpus import pairs_of, pieces_of, serial

PAIRS, WORDS = 600, 120


def pair_texts():
    """Pairs of texts that share a beginning of varying length, each pair with words of its own."""
    rng = np.random.default_rng(5)
    for number in range(PAIRS):
        shared = int(rng.integers(WORDS // 3, WORDS))
        words = [f"p{number}w{position}" for position in range(2 * WORDS)]
        yield " ".join(words[:WORDS]), " ".join(words[:shared] + words[WORDS : 2 * WORDS - shared])


@pytest.mark.parametrize(("bands", "rows"), [(32, 8), (25, 10)])
def test_pairs_are_found_as_often_as_theory_says(tmp_path, bands, rows):
    pairs = list(pair_texts())
    exact = np.array([jaccard(naive_shingles(a), naive_shingles(b)) for a, b in pairs])
    options = DedupOptions(threshold=0.2, bands=bands, rows=rows)
    pieces = pieces_of([text for pair in pairs for text in pair], 3)
    deduplicate(pieces, tmp_path, options, serial)
    names = {name: text for piece in pieces for name, text in zip(piece.names, piece.contents)}
    met = {names[row[side]].split("w")[0] for row in pairs_of(tmp_path).to_pylist() for side in ("blob_id_a",)}
    found = np.array([a.split("w")[0] in met for a, _ in pairs])
    expected = candidate_probability(exact, bands, rows)
    for low in np.arange(0.2, 1.0, 0.1):
        inside = (exact >= low) & (exact < low + 0.1)
        least, most = binom.interval(0.9999, int(inside.sum()), float(expected[inside].mean()))
        assert inside.sum() > 20
        assert least <= found[inside].sum() <= most
