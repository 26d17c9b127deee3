import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.errors import ParameterError
from sc2lib.training.permutation import Permutation


@given(size=st.integers(1, 3000), key=st.tuples(st.integers(0, 2**32), st.integers(0, 100)))
def test_every_element_appears_once(size: int, key: tuple[int, int]) -> None:
    assert np.array_equal(np.sort(Permutation(size, key)(np.arange(size))), np.arange(size))


def test_one_element_at_a_time_is_the_same_as_all_at_once() -> None:
    permutation = Permutation(1000, (5, 0))
    together = permutation(np.arange(1000))
    assert [int(permutation(np.array([i]))[0]) for i in range(0, 1000, 37)] == together[::37].tolist()


def test_keys_give_unrelated_orders() -> None:
    orders = np.stack([Permutation(2000, (seed, epoch))(np.arange(2000)) for seed in (1, 2) for epoch in (0, 1)])
    for a in range(4):
        for b in range(a):
            assert (orders[a] == orders[b]).mean() < 0.01


def test_order_looks_random() -> None:
    """Neighbours are as far apart as in a uniform shuffle: a third of the size on average."""
    order = Permutation(10_000, (0, 0))(np.arange(10_000))
    assert np.abs(np.diff(order)).mean() == pytest.approx(10_000 / 3, rel=0.05)
    assert abs(np.corrcoef(order, np.arange(10_000))[0, 1]) < 0.05


def test_positions_and_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least one"):
        Permutation(0, (1,))
    with pytest.raises(ParameterError, match="position 5"):
        Permutation(5, (1,))(np.array([5]))
