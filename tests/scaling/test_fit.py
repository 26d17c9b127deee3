import numpy as np
import pytest
from scipy.optimize import check_grad

from sc2lib.errors import ParameterError
from sc2lib.scaling.fit import Runs, bootstrap, doubts, fit, objective
from sc2lib.scaling.law import BESIROGLU, HOFFMANN, Law

SIZES = np.repeat([1e6, 3e6, 1e7, 3e7, 1e8], 3)
TOKENS = np.tile([1e7, 5e7, 3e8], 5)


def exact(law, noise=0.0, seed=0):
    error = np.random.default_rng(seed).normal(0, noise, len(SIZES)) if noise else 0.0
    return Runs(SIZES, TOKENS, law.loss(SIZES, TOKENS) * np.exp(error))


@pytest.mark.parametrize("law", [HOFFMANN, BESIROGLU, Law(1.5, 50.0, 2000.0, 0.3, 0.5)])
def test_exact_runs_give_the_constants_back(law):
    found = fit(exact(law), starts=6)
    assert vars(found) == pytest.approx(vars(law), rel=1e-3)


def test_one_run_that_went_wrong_hardly_moves_the_law():
    """Huber's loss pulls with a constant force, whatever the distance."""
    runs = exact(HOFFMANN)
    runs.loss[7] *= 1.3
    assert fit(runs, starts=6).loss(1e7, 1e8) == pytest.approx(HOFFMANN.loss(1e7, 1e8), rel=2e-3)


def test_the_gradient_is_that_of_the_objective():
    generator = np.random.default_rng(1)
    x, y, log_loss = generator.normal(size=(3, 8)) * np.array([[2], [2], [0.01]])
    theta = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    size = objective(theta, x, y, log_loss)[1]
    error = check_grad(lambda t: objective(t, x, y, log_loss)[0], lambda t: objective(t, x, y, log_loss)[1], theta)
    assert error < 1e-4 * np.linalg.norm(size)


def test_bands_cover_the_truth_within_the_runs():
    """Of 4 studies with noise, 90% bands must cover the true loss inside the grid at most places."""
    covered = []
    for seed in range(4):
        fitted = bootstrap(exact(HOFFMANN, noise=0.005, seed=seed), samples=12, seed=seed, starts=2)
        low, high = fitted.band(lambda law: law.loss(SIZES, TOKENS))
        truth = HOFFMANN.loss(SIZES, TOKENS)
        covered.append((low <= truth) & (truth <= high))
    assert np.mean(covered) > 0.55
    assert fitted.error < 0.01


def test_a_bootstrap_is_a_function_of_its_seed():
    runs = exact(HOFFMANN, noise=0.01)
    assert (
        bootstrap(runs, samples=2, seed=3, starts=1).resampled == bootstrap(runs, samples=2, seed=3, starts=1).resampled
    )
    assert (
        bootstrap(runs, samples=2, seed=3, starts=1).resampled != bootstrap(runs, samples=2, seed=4, starts=1).resampled
    )


def test_what_runs_leave_open_is_said():
    wide = Runs(np.repeat(np.geomspace(1e5, 1e12, 6), 4), np.tile(np.geomspace(1e7, 1e14, 4), 6), np.zeros(24) + 1)
    sharp = Runs(wide.parameters, wide.tokens, HOFFMANN.loss(wide.parameters, wide.tokens))
    assert doubts(bootstrap(sharp, samples=5, starts=2)) == []
    six = slice(0, 15, 3), slice(1, 15, 3)
    few = Runs(*(np.concatenate([values[part][:3] for part in six]) for values in vars(exact(HOFFMANN, 0.02)).values()))
    words = " ".join(doubts(bootstrap(few, samples=8, starts=2)))
    assert "6 runs for five constants" in words and "the floor E may lie anywhere" in words


def test_runs_that_say_nothing_are_refused():
    one = np.ones(3)
    with pytest.raises(ParameterError, match="two sizes"):
        Runs(one, np.arange(1.0, 4.0), one)
    with pytest.raises(ParameterError, match="diverged"):
        Runs(np.arange(1.0, 4.0), np.arange(1.0, 4.0), np.array([1.0, np.nan, 2.0]))
    with pytest.raises(ParameterError, match="same length"):
        Runs(one, one, np.ones(2))
