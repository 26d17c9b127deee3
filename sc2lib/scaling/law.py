"""A scaling law: the loss of a model of N parameters after D tokens, and how to spend a budget by it."""

import math
from dataclasses import dataclass

import numpy as np

Numbers = float | np.ndarray


# docs: start-law
@dataclass(frozen=True)
class Law:
    """L(N, D) = E + A / N^a + B / D^b (Hoffmann et al. 2022, section 3.3), in nats per token."""

    floor: float  # E: what no model and no amount of data can remove
    model_scale: float  # A
    data_scale: float  # B
    model_exponent: float  # a
    data_exponent: float  # b

    def loss(self, parameters: Numbers, tokens: Numbers) -> Numbers:
        """Nats per token; arrays broadcast."""
        of_model = self.model_scale * parameters**-self.model_exponent
        return self.floor + of_model + self.data_scale * tokens**-self.data_exponent

    @property
    def model_share(self) -> float:
        """The best N grows with the budget to this power, b / (a + b)."""
        return self.data_exponent / (self.model_exponent + self.data_exponent)

    def best(self, flops: float) -> tuple[float, float]:
        """Parameters and tokens of the smallest loss with C = 6 N D: where a·A/N^a = b·B/D^b."""
        a, b = self.model_exponent, self.data_exponent
        balance = (a * self.model_scale / (b * self.data_scale)) ** (1 / (a + b))
        parameters = balance * (flops / 6) ** self.model_share
        return parameters, flops / 6 / parameters

    def cheapest(self, loss: float) -> tuple[float, float]:
        """Parameters and tokens that reach a loss with the fewest FLOPs; infinite at or below the floor."""
        if loss <= self.floor:
            return math.inf, math.inf
        a, b = self.model_exponent, self.data_exponent
        parameters = (self.model_scale * (1 + a / b) / (loss - self.floor)) ** (1 / a)
        tokens = (self.data_scale * (1 + b / a) / (loss - self.floor)) ** (1 / b)
        return parameters, tokens
        # docs: end-law


# Fitted on English text with another tokenizer (both read second hand, V2): the rounded constants of the original,
# and the fit of Besiroglu et al. 2024 to the original's data, which agrees with its other two methods.
HOFFMANN = Law(1.69, 406.4, 410.7, 0.34, 0.28)
BESIROGLU = Law(1.8172, 482.01, 2085.43, 0.3478, 0.3658)


# docs: start-trade
@dataclass(frozen=True)
class Trade:
    """A model beside the two that a law would rather train: for the same budget, and for the same loss."""

    loss: float
    best_loss: float  # of the same FLOPs, spent at the optimum
    best_parameters: float
    equal_parameters: float  # the cheapest model of the same loss
    equal_tokens: float
    training_ratio: float  # FLOPs spent over the fewest that reach this loss
    break_even_tokens: float  # generated tokens after which the smaller model has paid for its longer training


def trade(law: Law, parameters: float, tokens: float) -> Trade:
    """What reading beyond the optimum costs and gains (after Sardana et al. 2024).

    Using a model costs 2 N FLOPs per token. The smaller model of equal loss is cheaper in all after
    ``(6 N D - 6 N' D') / (2 (N' - N))`` tokens; infinite where the model is not smaller than the optimum.
    """
    budget = 6 * parameters * tokens
    best, best_tokens = law.best(budget)
    here = float(law.loss(parameters, tokens))
    equal, equal_tokens = law.cheapest(here)
    fewest = 6 * equal * equal_tokens
    saved = 2 * (equal - parameters)
    return Trade(
        loss=here,
        best_loss=float(law.loss(best, best_tokens)),
        best_parameters=best,
        equal_parameters=equal,
        equal_tokens=equal_tokens,
        training_ratio=budget / fewest,
        break_even_tokens=(budget - fewest) / saved if saved > 0 else math.inf,
    )
    # docs: end-trade
