import numpy as np
import pytest

from sc2lib import figures
from sc2lib.scaling.fit import Fit, Runs
from sc2lib.scaling.law import BESIROGLU, HOFFMANN
from sc2lib.scaling.memory import TrainingMemory
from sc2lib.scaling.pictures import budgets, law_curves, memory_bars, optimum_lines


def test_memory_bars_end_at_the_total() -> None:
    plans = {"A": TrainingMemory(1.0, 2.0, 3.0, 4.0, 5.0), "B": TrainingMemory(5.0, 4.0, 3.0, 2.0, 2.0, 1.0)}
    axes = memory_bars(plans, limit=8.0).axes[0]
    ends = [max(bar.get_x() + bar.get_width() for bar in axes.patches if bar.get_y() // 1 == row) for row in (-1, 0)]
    assert ends == [plan.total for plan in plans.values()]


def test_the_optimum_of_a_budget_lies_on_its_line_of_equal_cost() -> None:
    axes = budgets([("A", 3e9, 3.3e12)], {"law": HOFFMANN}).axes[0]
    optima, equal_cost, dot = (line.get_xydata() for line in axes.lines)
    assert dot.tolist() == [[3e9, 3.3e12]]
    assert np.prod(equal_cost, axis=1) == pytest.approx(3e9 * 3.3e12)
    assert tuple(optima[0]) == HOFFMANN.best(1e20)


def test_a_law_is_drawn_with_its_runs_and_bands() -> None:
    sizes, tokens = np.repeat([1e6, 1e7], 2), np.tile([1e7, 1e8], 2)
    runs = Runs(sizes, tokens, HOFFMANN.loss(sizes, tokens))
    fitted = Fit(runs, HOFFMANN, [HOFFMANN, BESIROGLU])
    axes = law_curves(fitted).axes[0]
    assert len(axes.lines) == 4 and len(axes.collections) == 2
    dots, line = axes.lines[2], axes.lines[3]
    assert np.interp(dots.get_xdata(), line.get_xdata(), line.get_ydata()) == pytest.approx(dots.get_ydata(), rel=0.01)
    figure = optimum_lines(fitted, np.geomspace(1e12, 1e16, 5))
    assert figures.svg(figure, "a") == figures.svg(optimum_lines(fitted, np.geomspace(1e12, 1e16, 5)), "a")
