"""The numbers beside the curves, on curves whose shape is known."""

import pyarrow as pa
import pytest

from sc2lib.training import trends
from sc2lib.training.metrics import METRICS


def table(losses: list[float], norms: list[float] = ()) -> pa.Table:  # type: ignore[assignment]
    rows = [{"tokens": 100 * k, "split": "validation", "loss": loss} for k, loss in enumerate(losses)]
    rows += [{"tokens": 10 * (k + 1), "split": "train", "loss": 0.0, "grad_norm": norm} for k, norm in enumerate(norms)]
    return pa.Table.from_pylist(rows[::-1], schema=METRICS)


def test_a_level_is_passed_where_the_loss_is_first_below_it() -> None:
    metrics = table([9.0, 5.0, 4.0, 5.0])
    assert trends.passed(metrics, {"high": 9.5, "five": 5.0, "low": 1.0}) == {"high": 0, "five": 200, "low": None}


def test_halves_interpolate_and_show_a_rise() -> None:
    assert trends.halves(table([8.0, 6.0, 5.0, 4.0])) == pytest.approx((2.5, 1.5))
    assert trends.halves(table([8.0, 4.0, 5.0])) == pytest.approx((4.0, -1.0))


def test_the_gradient_is_summed_up_by_tenths() -> None:
    norms = [10.0, 8.0, *[0.5] * 16, 2.0, 4.0]
    assert trends.gradient_tenths(table([1.0], norms), clip=1.0) == pytest.approx((10.0, 9.0, 3.0, 0.2))
    assert trends.gradient_tenths(table([1.0], [3.0]), clip=5.0) == (3.0, 3.0, 3.0, 0.0)
