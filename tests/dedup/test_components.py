"""Stars that grow in rounds are the connected components, wherever the links are cut."""

import numpy as np
import pytest

from sc2lib.dedup import components, sorting
from sc2lib.dedup.components import connect, distinct, forest_of, mirrored, read_links, save_links
from sc2lib.dedup.steps import steps_of
from tests.dedup.corpus import serial

step = steps_of(serial)


def chain(length):
    """A path through shuffled rows."""
    rows = np.random.default_rng(length).permutation(length) * 3
    return rows[:-1], rows[1:]


def tangle(seed):
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, 4000, (2, 1500))
    return left[left != right], right[left != right]


def hub(count):
    """A row that resembles all others, but is not the first of them."""
    return np.full(count, count // 2), np.delete(np.arange(count + 1), count // 2)


NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize(
    ("left", "right"),
    [chain(1000), tangle(0), tangle(1), hub(700), (NONE, NONE), (np.array([5]), np.array([2]))],
    ids=["chain", "tangle", "tangle-1", "hub", "none", "one"],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_stars_are_the_components(tmp_path, monkeypatch, left, right, at_once):
    monkeypatch.setattr(components, "FOREST_LINKS", 10**9 if at_once else -1)
    monkeypatch.setattr(sorting, "PART_ROWS", 100)
    forests = [tmp_path / "forests" / str(number) for number in range(7)]
    for number, path in enumerate(forests):
        mine = slice(number, None, 7)
        save_links(path, *mirrored(*forest_of(left[mine], right[mine])))
        save_links(path.with_name("again"), *mirrored(*forest_of(left[mine], right[mine])))
    stars = connect(step, tmp_path, [*forests, tmp_path / "forests" / "again"])  # some links occur twice
    rows, roots = forest_of(left, right)
    tables = [distinct(*read_links(path)) for path in stars]
    found = distinct(*(np.concatenate(ends) for ends in zip(*tables)))
    for one, other in zip(found, distinct(*mirrored(rows, roots)), strict=True):
        assert one.tolist() == other.tolist()
    assert at_once or len(left) < 2 or len(stars) > 3
    owners = [set(row[row < other].tolist()) for row, other in tables]
    assert sum(map(len, owners)) == len(set.union(*owners))  # no star is cut


def test_a_chain_a_hundred_times_as_long_takes_few_more_rounds(tmp_path, monkeypatch):
    monkeypatch.setattr(components, "FOREST_LINKS", -1)
    rounds = []
    for length in (100, 10_000):
        work = tmp_path / str(length)
        save_links(work / "forest", *mirrored(*chain(length)))
        connect(step, work, [work / "forest"])
        rounds.append(len(list((work / "stars").iterdir())))
    assert rounds[0] < rounds[1] < 2 * rounds[0] + 3
