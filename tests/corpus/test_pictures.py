"""Pictures of the mixture: shares are shares, the mark stands where half is reached."""

import numpy as np
import pytest

from sc2lib.corpus import pictures


def test_half_is_reached_by_the_fewest_largest() -> None:
    assert pictures.holding_half(np.array([1, 5, 2, 2])) == 1
    assert pictures.holding_half(np.array([1, 4, 3, 2])) == 2
    assert pictures.holding_half(np.ones(7)) == 4
    assert pictures.cumulative_share(np.array([1, 2, 1])) == pytest.approx([0.5, 0.75, 1])


def test_the_curve_lies_above_the_diagonal_and_names_its_mark() -> None:
    (ax,) = pictures.repository_sizes(np.array([8, 1, 1])).axes
    curve = ax.lines[0]
    assert (curve.get_ydata() >= curve.get_xdata()).all()
    assert [text.get_text() for text in ax.texts] == ["half of the bytes in 1 of 3"]


def test_languages_of_both_sides_are_shown_once() -> None:
    (ax,) = pictures.language_shares({"Python": 3, "C": 1}, {"C": 6, "Java": 2}, largest=2).axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Python", "C", "Java"]
    ours, paper = ([bar.get_width() for bar in bars] for bars in ax.containers)
    assert ours == [75, 25, 0] and paper == [0, 75, 25]
