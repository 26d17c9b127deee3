import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.scaling.law import BESIROGLU, HOFFMANN, Law, trade


@given(st.floats(0.1, 1.0), st.floats(0.1, 1.0), st.floats(16, 26))
def test_no_other_split_of_a_budget_is_better(a, b, log_budget):
    law, budget = Law(1.7, 400.0, 900.0, a, b), 10.0**log_budget
    parameters, tokens = law.best(budget)
    assert 6 * parameters * tokens == pytest.approx(budget)
    others = parameters * np.geomspace(0.5, 2, 21)
    assert law.loss(parameters, tokens) <= law.loss(others, budget / 6 / others).min() + 1e-12


def test_the_cheapest_model_of_a_loss_is_the_best_of_its_own_budget():
    parameters, tokens = HOFFMANN.cheapest(2.1)
    assert HOFFMANN.loss(parameters, tokens) == pytest.approx(2.1)
    assert HOFFMANN.best(6 * parameters * tokens) == pytest.approx((parameters, tokens))
    assert HOFFMANN.cheapest(1.69) == (math.inf, math.inf)


def test_the_refitted_law_says_about_twenty_tokens_per_parameter():
    parameters, tokens = BESIROGLU.best(5.76e23)  # the budget of Chinchilla: 70B parameters, 1.4T tokens
    assert 15 < tokens / parameters < 30 and parameters == pytest.approx(70e9, rel=0.15)


def test_a_smaller_model_of_equal_loss_pays_after_enough_tokens():
    found = trade(BESIROGLU, 3.03e9, 3.3e12)
    assert BESIROGLU.loss(found.equal_parameters, found.equal_tokens) == pytest.approx(found.loss)
    assert found.best_loss < found.loss and found.equal_parameters > 3.03e9 and found.training_ratio > 1
    used = found.break_even_tokens
    ours = 6 * 3.03e9 * 3.3e12 + 2 * 3.03e9 * used
    theirs = 6 * found.equal_parameters * found.equal_tokens + 2 * found.equal_parameters * used
    assert ours == pytest.approx(theirs)
    assert trade(BESIROGLU, 300e9, 1e12).break_even_tokens == math.inf
