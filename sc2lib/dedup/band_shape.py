"""How many bands of how many rows find the pairs of a threshold."""

import math

from sc2lib.dedup.minhash import candidate_probability

POSITIONS = 256  # of a signature: 256 bytes a row of sketches
RECALL = 0.95  # of the pairs exactly at the threshold; of more similar ones more are found
BOOK = (0.7, 32, 8)  # the threshold and the shape of the book
PAPER = (25, 10)


def band_shape(threshold: float, bands: int | None = None, rows: int | None = None) -> tuple[int, int]:
    """Bands and rows: the given ones, and for the rest as many rows as still find 95% of the pairs at the threshold.

    Rows keep pairs below the threshold away, which cost comparisons: 64 bands of 4 at 0.5 take a pair of similarity
    0.2 for a candidate one time in ten, 28 of 9 at 0.8 one time in 70,000. At 0.7 the shape is the book's, which finds
    85% of the pairs at 0.7 and 97% of those at 0.75.
    """
    if math.isclose(threshold, BOOK[0]):
        return BOOK[1] if bands is None else bands, BOOK[2] if rows is None else rows
    if rows is not None:
        return POSITIONS // max(rows, 1) or 1 if bands is None else bands, rows
    for count in range(POSITIONS // max(bands or 1, 1), 1, -1):
        many = POSITIONS // count if bands is None else bands
        if expected_recall(threshold, many, count) >= RECALL:
            return many, count
    return POSITIONS if bands is None else bands, 1


def expected_recall(threshold: float, bands: int, rows: int) -> float:
    """Probability that a pair exactly at the threshold is compared."""
    return float(candidate_probability(threshold, bands, rows))
