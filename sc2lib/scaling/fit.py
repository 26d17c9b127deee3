"""Fit a scaling law to finished runs, say how far to trust it, and admit when the runs do not determine it.

The objective is that of Hoffmann et al. 2022 (appendix D.3): Huber's loss of the residual of log L with delta 0.001,
minimised by L-BFGS from many starts. For given exponents the law is linear in E, A and B, so every start takes the
best three constants for its pair of exponents (variable projection); what is left to search is a plane.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.optimize import minimize, nnls

from sc2lib.errors import ParameterError
from sc2lib.scaling.law import Law

DELTA = 1e-3
EXPONENTS = (0.1, 0.2, 0.35, 0.6, 1.0, 1.6)
LIMITS = [(-12.0, 6.0)] * 3 + [(0.02, 3.0)] * 2  # of the logs of the three terms, and of the exponents
SMALLEST = 1e-4  # nats: a term that a start leaves out begins here


@dataclass(frozen=True)
class Runs:
    """Finished runs: parameters, tokens and held-out loss in nats per token, all of one length."""

    parameters: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.parameters) == len(self.tokens) == len(self.loss):
            raise ParameterError("parameters, tokens and loss must have the same length")
        if len(np.unique(self.parameters)) < 2 or len(np.unique(self.tokens)) < 2:
            raise ParameterError("a law needs runs of at least two sizes and two numbers of tokens")
        if not (np.isfinite(self.loss).all() and (self.loss > 0).all()):
            raise ParameterError("every loss must be a finite number above 0; leave out runs that diverged")

    def __len__(self) -> int:
        return len(self.loss)

    def take(self, rows: np.ndarray) -> "Runs":
        """The runs of these row numbers, with repetition."""
        return Runs(self.parameters[rows], self.tokens[rows], self.loss[rows])


# docs: start-fit
def objective(theta: np.ndarray, x: np.ndarray, y: np.ndarray, log_loss: np.ndarray) -> tuple[float, np.ndarray]:
    """Huber's loss in units of delta squared, and its gradient.

    `theta` holds the logs of the three terms at the centre of the runs (model, data, floor), then both exponents;
    `x` and `y` are log N and log D from that centre, which keeps the five numbers from moving together.
    """
    model, data, floor, a, b = theta
    terms = np.exp(np.stack([model - a * x, data - b * y, np.full_like(x, floor)]))
    total = terms.sum(axis=0)
    residual = (np.log(total) - log_loss) / DELTA
    size = np.abs(residual)
    value = np.where(size <= 1, residual**2 / 2, size - 0.5).sum()
    pull = np.clip(residual, -1, 1) / DELTA
    share = terms / total * pull
    gradient = [*share.sum(axis=1), -(share[0] * x).sum(), -(share[1] * y).sum()]
    return float(value), np.array(gradient)


def fit(runs: Runs, starts: int = 12, first: Law | None = None) -> Law:
    """The law of the smallest objective over the `starts` best of the 36 starts (and of `first`, where given)."""
    x, y = np.log(runs.parameters), np.log(runs.tokens)
    centre = x.mean(), y.mean()
    data = x - centre[0], y - centre[1], np.log(runs.loss)
    thetas = [_start(a, b, *data[:2], runs.loss) for a, b in product(EXPONENTS, EXPONENTS)]
    if first is not None:
        thetas.append(_theta(first, centre))
    thetas.sort(key=lambda theta: objective(theta, *data)[0])
    how = {"jac": True, "method": "L-BFGS-B", "bounds": LIMITS, "options": {"maxiter": 300}}
    found = [minimize(objective, theta, data, **how) for theta in thetas[:starts]]
    of_model, of_data, floor, a, b = min(found, key=lambda result: result.fun).x
    scales = np.exp([floor, of_model + a * centre[0], of_data + b * centre[1]])
    return Law(*(float(value) for value in (*scales, a, b)))
    # docs: end-fit


def _start(a: float, b: float, x: np.ndarray, y: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Theta with the best non-negative model, data and floor terms for two exponents."""
    columns = np.stack([np.exp(-a * x), np.exp(-b * y), np.ones_like(x)], axis=1) / loss[:, None]
    constants, _ = nnls(columns, np.ones_like(loss))
    return np.array([*np.log(np.maximum(constants, SMALLEST)), a, b])


def _theta(law: Law, centre: tuple[float, float]) -> np.ndarray:
    model = np.log(law.model_scale) - law.model_exponent * centre[0]
    data = np.log(law.data_scale) - law.data_exponent * centre[1]
    theta = np.array([model, data, np.log(law.floor), law.model_exponent, law.data_exponent])
    return np.clip(theta, *np.array(LIMITS).T)


# docs: start-bootstrap
@dataclass(frozen=True)
class Fit:
    """A law and the laws of resampled runs; every band of confidence is a range over those."""

    runs: Runs
    law: Law
    resampled: Sequence[Law]

    def band(self, value: Callable[[Law], float | np.ndarray], level: float = 0.9) -> np.ndarray:
        """Lower and upper end, [2, ...], of what any function of a law is over the resampled ones."""
        values = np.array([value(law) for law in self.resampled])
        tail = 50 * (1 - level)
        ends: np.ndarray = np.percentile(values, [tail, 100 - tail], axis=0)
        return ends

    @property
    def error(self) -> float:
        """Root mean square of the relative residuals."""
        residual = self.law.loss(self.runs.parameters, self.runs.tokens) / self.runs.loss - 1
        return float(np.sqrt(np.mean(residual**2)))


def bootstrap(runs: Runs, samples: int = 100, seed: int = 1234, starts: int = 12) -> Fit:
    """Fit, then fit `samples` draws of as many runs with replacement; a draw of one size or one budget is redrawn."""
    law = fit(runs, starts)
    generator = np.random.Generator(np.random.Philox(seed))
    resampled: list[Law] = []
    while len(resampled) < samples:
        rows = np.sort(generator.integers(0, len(runs), len(runs)))
        if len(np.unique(runs.parameters[rows])) > 1 and len(np.unique(runs.tokens[rows])) > 1:
            resampled.append(fit(runs.take(rows), starts=1, first=law))
    return Fit(runs, law, resampled)
    # docs: end-bootstrap


# docs: start-doubts
def doubts(fitted: Fit) -> list[str]:
    """What the runs leave open, in words; empty when they determine the law in their own range.

    Three questions: are there at least two runs for each of the five constants, is each exponent known to within
    half its value, and is the floor known to within a tenth of the smallest loss seen?
    """
    found = []
    if len(fitted.runs) < 10:
        found.append(f"{len(fitted.runs)} runs for five constants leave hardly anything to check the fit with")
    for name, value in (
        ("a, of the parameters,", lambda law: law.model_exponent),
        ("b, of the tokens,", lambda law: law.data_exponent),
    ):
        low, high = fitted.band(value)
        if high - low > 0.5 * value(fitted.law):
            found.append(f"the exponent {name} may lie anywhere between {low:.2f} and {high:.2f}")
    low, high = fitted.band(lambda law: law.floor)
    smallest = float(fitted.runs.loss.min())
    if high - low > 0.1 * smallest:
        found.append(
            f"the floor E may lie anywhere between {low:.2f} and {high:.2f} nats, where the smallest loss seen is "
            f"{smallest:.2f}: these runs are too far from any floor to see it"
        )
    return found
    # docs: end-doubts
