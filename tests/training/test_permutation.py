import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.errors import ParameterError
from sc2lib.training.permutation import Permutation


@given(size=st.integers(1, 3000), key=st.tuples(st.integers(0, 2**32), st.integers(0, 100)))
def test_every_element_appears_once(size: int, key: tuple[int, int]) -> None:
    assert sorted(order(size, key)) == list(range(size))


def test_the_order_of_a_run_is_the_same_in_every_version() -> None:
    """A run that goes on with a newer library must not read a window twice; the values come from 64-bit arrays."""
    assert order(20, (7, 1)) == [0, 18, 13, 19, 5, 9, 12, 2, 4, 8, 11, 16, 6, 17, 3, 1, 15, 7, 14, 10]
    large = Permutation(220_000_000, (7, 1))
    assert [large(position) for position in range(4)] == [11328796, 207302770, 123779671, 58767403]


def test_keys_give_unrelated_orders() -> None:
    orders = np.stack([order(2000, (seed, epoch)) for seed in (1, 2) for epoch in (0, 1)])
    for a in range(4):
        for b in range(a):
            assert (orders[a] == orders[b]).mean() < 0.01


def test_order_looks_random() -> None:
    """Neighbours are as far apart as in a uniform shuffle: a third of the size on average."""
    shuffled = order(10_000, (0, 0))
    assert np.abs(np.diff(shuffled)).mean() == pytest.approx(10_000 / 3, rel=0.05)
    assert abs(np.corrcoef(shuffled, np.arange(10_000))[0, 1]) < 0.05


def test_positions_and_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least one"):
        Permutation(0, (1,))
    with pytest.raises(ParameterError, match="position 5"):
        Permutation(5, (1,))(5)
    with pytest.raises(ParameterError, match="position -1"):
        Permutation(5, (1,))(-1)


def order(size: int, key: tuple[int, ...]) -> list[int]:
    permutation = Permutation(size, key)
    return [permutation(position) for position in range(size)]
