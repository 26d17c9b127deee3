"""Generation: batched, cached, each row stopping on its own.

A row draws the same random numbers whatever it is batched with. In fp32 it so becomes the same tokens. In bf16 two
tokens can be so close that another batch, which a product sums in another order, turns them round.

Shape suffixes:
    B rows still written · T tokens of the longest prompt · E channels · V vocabulary · N new tokens · R all rows
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sc2lib.errors import InputError, ParameterError, UnsupportedError
from sc2lib.model.cache import KeyValueCache
from sc2lib.model.decoding import PlainModel, fitting_threads, packed_or_plain
from sc2lib.model.sampling import Seed, check_sampling, sample, uniform_numbers
from sc2lib.model.transformer import Starcoder2

Ended = Literal["length", "stop token", "stop"]


@dataclass(frozen=True)
class Continuation:
    """The new tokens of one row, without the stop token, and what ended them.

    `log_probabilities` are natural logarithms under the model's own distribution, before temperature, top-k and
    top-p, one per token; empty unless they were asked for.
    """

    tokens: list[int]
    ended: Ended
    log_probabilities: list[float]


def generate(
    model: Starcoder2, prompts: Sequence[Sequence[int]], max_new_tokens: int, **options: Any
) -> list[list[int]]:
    """The new tokens of `continue_prompts`, which takes the same `options`, and nothing else."""
    return [row.tokens for row in continue_prompts(model, prompts, max_new_tokens, **options)]


def continue_prompts(
    model: Starcoder2,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    seed: int | Sequence[Seed] = 0,
    stop_tokens: Collection[int] = (),
    stop: Callable[[list[int]], bool] | None = None,
    log_probabilities: bool = False,
    agree: Callable[[Tensor], Tensor] | None = None,
) -> list[Continuation]:
    """Continue each prompt until a stop token, `stop`, or `max_new_tokens`.

    Args:
        prompts: token ids, at least one per row; rows may differ in length.
        temperature: 0 takes the most likely token; otherwise logits are divided by it and sampled.
        top_k: sample only among the k most likely tokens; None: all.
        top_p: sample only among the most likely tokens that together reach this probability.
        seed: row b draws from its own stream, made of an integer `seed` and b, or of ``seed[b]``, so a row's
            random numbers do not depend on the other rows.
        stop_tokens: ids that end a row; they are not returned.
        stop: called after each token with the row's new tokens; True ends the row (the tokens stay).
        log_probabilities: keep the logarithm of each chosen token's probability.
        agree: for a model that is cut over processes, which all make this same call: turns the tokens that this
            process drew, [B], into those of the first (`sc2lib.training.parallel.agreed`), so that all go on with
            the same rows. The model then keeps no second copy of its weights.

    Raises:
        ParameterError: an empty prompt, a token outside the vocabulary, more tokens than
            `max_position_embeddings`, or a sampling setting out of range.
        InputError: the weights give logits that are not finite.
        UnsupportedError: a model that is cut over processes, without `agree`.
    """
    check_sampling(temperature, top_k, top_p)
    _check(model, prompts, max_new_tokens)
    if agree is None and any(hasattr(parameter, "device_mesh") for parameter in model.parameters()):
        raise UnsupportedError(
            "the model is cut over processes; let all of them make this call, with agree, or gather the model first"
        )
    if not prompts or max_new_tokens == 0:
        return [Continuation([], "length", []) for _ in prompts]
    device = model.output_weight_VE.device
    uniform_RN = uniform_numbers(seed, len(prompts), max_new_tokens).to(device) if temperature > 0 else None
    rows = _Rows(len(prompts), max_new_tokens, stop_tokens, stop, log_probabilities, device)
    with _no_gradients(agree is not None):
        x_BE, cache = _prefill(model, prompts, max_new_tokens)
        decoding = packed_or_plain(model, len(prompts), max_new_tokens) if agree is None else PlainModel(model)
    with _no_gradients(agree is not None), fitting_threads(model, len(prompts)):
        for step in range(max_new_tokens):
            logits_BV = decoding.logits(x_BE)
            if step == 0 and not logits_BV.isfinite().all():
                raise InputError("the model's logits are not finite; its weights are damaged, or training diverged")
            if uniform_RN is None:
                next_B = logits_BV.argmax(dim=1)
            else:
                next_B = sample(logits_BV / temperature, uniform_RN[rows.active_B, step], top_k, top_p)
            if agree is not None:
                next_B = agree(next_B)
            rows.write(step, next_B, logits_BV)
            if ended := rows.ended(step, next_B):
                kept = rows.drop(ended)
                if not len(kept):
                    break
                next_B = next_B[kept]
                cache.select(kept)
            if step < max_new_tokens - 1:
                x_BE = decoding.hidden(next_B, cache)
    return rows.continuations()


class _Rows:
    """What is written in each of all R rows, of which B go on: `active_B` are their numbers, by place in the batch."""

    def __init__(
        self,
        count: int,
        new: int,
        stop_tokens: Collection[int],
        stop: Callable[[list[int]], bool] | None,
        log_probabilities: bool,
        device: torch.device,
    ) -> None:
        self.stop_ids, self.stop = torch.tensor(sorted(stop_tokens), device=device), stop
        self.active_B = torch.arange(count, device=device)
        self.tokens_RN = torch.zeros(count, new, dtype=torch.long, device=device)
        self.logs_RN = torch.zeros(count, new, device=device) if log_probabilities else None
        self.counts: list[int] = [new] * count
        self.endings: list[Ended] = ["length"] * count
        self.written: list[list[int]] = [[] for _ in range(count)]  # kept only for `stop`

    def write(self, step: int, next_B: Tensor, logits_BV: Tensor) -> None:
        """Add a token to each row that goes on."""
        self.tokens_RN[self.active_B, step] = next_B
        if self.logs_RN is not None:
            self.logs_RN[self.active_B, step] = logits_BV.log_softmax(dim=1).gather(1, next_B[:, None])[:, 0]

    def ended(self, step: int, next_B: Tensor) -> dict[int, tuple[Ended, int]]:
        """The places whose row ends with the token of this step: what ends it, and how many tokens stay."""
        found: dict[int, tuple[Ended, int]] = {}
        if len(self.stop_ids) and (met_B := (next_B[:, None] == self.stop_ids).any(dim=1)).any():
            found = dict.fromkeys(met_B.nonzero()[:, 0].tolist(), ("stop token", step))
        if self.stop is not None:
            for place, (row, token) in enumerate(zip(self.active_B.tolist(), next_B.tolist(), strict=True)):
                self.written[row].append(token)
                if place not in found and self.stop(self.written[row]):
                    found[place] = ("stop", step + 1)
        return found

    def drop(self, ended: Mapping[int, tuple[Ended, int]]) -> Tensor:
        """Go on without the rows of these places; the places of the others."""
        rows = self.active_B.tolist()
        for place, (ending, count) in ended.items():
            self.endings[rows[place]], self.counts[rows[place]] = ending, count
        kept = [place for place in range(len(rows)) if place not in ended]
        kept_B = torch.tensor(kept, dtype=torch.long, device=self.active_B.device)
        self.active_B = self.active_B[kept_B]
        return kept_B

    def continuations(self) -> list[Continuation]:
        """All rows, each up to its end."""
        tokens = self.tokens_RN.tolist()
        logs = [[]] * len(tokens) if self.logs_RN is None else self.logs_RN.tolist()
        rows = zip(tokens, self.endings, logs, self.counts, strict=True)
        return [Continuation(ids[:count], ending, values[:count]) for ids, ending, values, count in rows]


@contextmanager
def _no_gradients(cut: bool) -> Iterator[None]:
    """Inference mode; but what it leaves behind in a cut model, gathered weights, the training could not use."""
    with torch.inference_mode(not cut), torch.no_grad():
        yield


def _prefill(model: Starcoder2, prompts: Sequence[Sequence[int]], new: int) -> tuple[Tensor, KeyValueCache]:
    """Run the prompts into a cache; the hidden state at the end of each, x_BE."""
    device = model.output_weight_VE.device
    lengths = [len(prompt) for prompt in prompts]
    longest = max(lengths)
    tokens_BT = torch.tensor([[*prompt, *[0] * (longest - len(prompt))] for prompt in prompts], device=device)
    lengths_B = None if min(lengths) == longest else torch.tensor(lengths, device=device)
    cache = KeyValueCache(model.config, longest + new)
    x_BTE = model.hidden(tokens_BT, cache, lengths_B)
    if lengths_B is None:
        return x_BTE[:, -1], cache
    return x_BTE[torch.arange(len(prompts), device=device), lengths_B - 1], cache


def _check(model: Starcoder2, prompts: Sequence[Sequence[int]], new: int) -> None:
    if new < 0:
        raise ParameterError(f"max_new_tokens must be at least 0, not {new}")
    limit, vocabulary = model.config.max_position_embeddings, model.config.vocab_size
    for row, prompt in enumerate(prompts):
        if not len(prompt):
            raise ParameterError(f"prompt {row} is empty; begin with a token such as <|endoftext|>")
        if len(prompt) + new > limit:
            raise ParameterError(
                f"prompt {row} has {len(prompt)} tokens and may grow by {new}, beyond the model's {limit} "
                "positions; shorten the prompt or max_new_tokens"
            )
        if not 0 <= min(prompt) <= max(prompt) < vocabulary:
            raise ParameterError(
                f"prompt {row} has token {max(prompt) if min(prompt) >= 0 else min(prompt)}, the model's vocabulary "
                f"ends at {vocabulary - 1}; encode it with the tokenizer that the model was trained with"
            )
