"""Every taker gets what it wants of all sources, in their order, and opens few of them."""

from pathlib import Path

import pytest

from sc2lib.dedup import exchange as exchanges
from sc2lib.dedup.exchange import cuts, exchange, openings


class Shelf:
    """Sources in memory: lists of (taker, what it gets); counts how often one is opened."""

    def __init__(self, sources, takers):
        self.content = {
            Path(f"/{number}"): [(taker, f"{number}-{taker}") for taker in range(takers)] for number in range(sources)
        }
        self.sources = [(path, 0) for path in self.content]
        self.opened = 0
        self.largest = 0

    def read(self, sources, first, last):
        self.opened += len(sources)
        return sorted(
            (pair for folder, _ in sources for pair in self.content[folder] if first <= pair[0] < last),
            key=lambda pair: pair[0],
        )

    def move(self, task):
        _, sources, first, last, _, target = task
        self.content[target] = self.read(sources, first, last)
        self.largest = max(self.largest, len(sources))

    def step(self, function, tasks, target, label):
        assert len({task[target] for task in tasks}) == len(tasks)
        for task in tasks:
            function(task)


@pytest.mark.parametrize("fan", [2, 3, 7])
@pytest.mark.parametrize(("sources", "takers"), [(1, 5), (7, 1), (8, 40), (30, 3), (50, 23)])
def test_takers_get_everything_in_the_order_of_the_sources(monkeypatch, fan, sources, takers):
    monkeypatch.setattr(exchanges, "FAN", fan)
    shelf = Shelf(sources, takers)
    found = exchange(shelf.step, shelf.move, Path("/w"), "x", shelf.sources, takers)
    assert len(found) == takers
    for taker, mine in enumerate(found):
        assert len(mine) <= fan
        got = shelf.read(mine, taker, taker + 1)
        assert got == [(taker, f"{number}-{taker}") for number in range(sources)]
    assert shelf.largest <= fan
    assert shelf.opened <= openings(sources, takers)


def test_few_sources_are_not_moved():
    shelf = Shelf(exchanges.FAN, 300)
    assert exchange(shelf.step, shelf.move, Path("/w"), "x", shelf.sources, 300) == [tuple(shelf.sources)] * 300
    assert shelf.opened == 0


def test_openings_grow_with_the_sources_and_not_with_their_square():
    assert openings(100, 7) == 700
    before = openings(20_000, 500)
    for times in (2, 10, 100):  # a larger archive has more takers, too
        assert openings(20_000 * times, 500 * times) < 2 * times * before
    assert openings(2_000_000, 50_000) < 2_000_000 * 50_000 / 150


def test_a_span_is_cut_into_spans_that_cover_it():
    assert cuts(3, 6) == [3, 4, 5, 6]
    assert cuts(5, 6) == [5, 6]
    wide = cuts(0, 1000)
    assert (wide[0], wide[-1], len(wide)) == (0, 1000, exchanges.FAN + 1)
