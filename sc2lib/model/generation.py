"""Generation: batched, cached, each row stopping on its own.

A row draws the same random numbers whatever it is batched with. In fp32 it so becomes the same tokens. In bf16 two
tokens can be so close that another batch, which a product sums in another order, turns them round.

Shape suffixes:
    B rows still written · T tokens of the longest prompt · E channels · V vocabulary · N new tokens · R all rows
"""

from collections.abc import Callable, Collection, Iterator, Sequence
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


# docs: start-generate
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
    # docs: end-generate
    check_sampling(temperature, top_k, top_p)
    _check(model, prompts, max_new_tokens)
    if agree is None and any(hasattr(parameter, "device_mesh") for parameter in model.parameters()):
        raise UnsupportedError(
            "the model is cut over processes; let all of them make this call, with agree, or gather the model first"
        )
    if not prompts or max_new_tokens == 0:
        return [Continuation([], "length", []) for _ in prompts]
    device = model.output_weight_VE.device
    rows = len(prompts)
    ends_S = torch.tensor(sorted(stop_tokens), device=device)
    uniform_RN = uniform_numbers(seed, rows, max_new_tokens).to(device) if temperature > 0 else None
    tokens_RN = torch.zeros(rows, max_new_tokens, dtype=torch.long, device=device)
    logs_RN = torch.zeros(rows, max_new_tokens, device=device) if log_probabilities else None
    counts, ended = [max_new_tokens] * rows, ["length"] * rows
    written: list[list[int]] = [[] for _ in prompts]  # kept only for `stop`

    with _no_gradients(agree is not None):
        x_BE, cache = _prefill(model, prompts, max_new_tokens)
        decoding = packed_or_plain(model, rows, max_new_tokens) if agree is None else PlainModel(model)
    active_B = torch.arange(rows, device=device)
    with _no_gradients(agree is not None), fitting_threads(model, rows):
        for step in range(max_new_tokens):
            logits_BV = decoding.logits(x_BE)
            if step == 0 and not logits_BV.isfinite().all():
                raise InputError("the model's logits are not finite; its weights are damaged, or training diverged")
            if uniform_RN is None:
                next_B = logits_BV.argmax(dim=1)
            else:
                next_B = sample(logits_BV / temperature, uniform_RN[active_B, step], top_k, top_p)
            if agree is not None:
                next_B = agree(next_B)
            tokens_RN[active_B, step] = next_B
            if logs_RN is not None:
                logs_RN[active_B, step] = logits_BV.log_softmax(dim=1).gather(1, next_B[:, None])[:, 0]
            done: dict[int, tuple[str, int]] = {}  # place in the batch: what ended it, tokens that stay
            if len(ends_S) and (met_B := (next_B[:, None] == ends_S).any(dim=1)).any():
                done = dict.fromkeys(met_B.nonzero()[:, 0].tolist(), ("stop token", step))
            if stop is not None:
                for place, (row, token) in enumerate(zip(active_B.tolist(), next_B.tolist(), strict=True)):
                    written[row].append(token)
                    if place not in done and stop(written[row]):
                        done[place] = ("stop", step + 1)
            if done:
                places = active_B.tolist()
                for place, (why, count) in done.items():
                    counts[places[place]], ended[places[place]] = count, why
                kept = torch.tensor([place for place in range(len(places)) if place not in done], device=device).long()
                if not len(kept):
                    break
                active_B, next_B = active_B[kept], next_B[kept]
                cache.select(kept)
            if step < max_new_tokens - 1:
                x_BE = decoding.hidden(next_B, cache)
    tokens, logs = tokens_RN.tolist(), [[]] * rows if logs_RN is None else logs_RN.tolist()
    results = zip(tokens, ended, logs, counts, strict=True)
    return [Continuation(ids[:count], why, values[:count]) for ids, why, values, count in results]  # type: ignore[arg-type]


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
