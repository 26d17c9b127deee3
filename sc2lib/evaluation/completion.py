"""From prompts in tokens to completions in text: batching, stop strings, and prompts longer than the model sees."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from sc2lib.evaluation.humaneval import truncate
from sc2lib.model.generation import generate
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer

SMALL_PARAMETERS = 50_000_000
END_OF_TEXT, FILE_SEPARATOR = "<|endoftext|>", "<file_sep>"


@dataclass(frozen=True)
class Completion:
    """What the model wrote, up to the first stop string, and how long it was.

    `tokens` counts what was generated; `finished` is False when the length limit ended it; `cut_prompt` counts the
    tokens that were dropped from the left of a prompt too long for the model.
    """

    text: str
    tokens: int
    finished: bool
    cut_prompt: int


def load_model(folder: Path) -> tuple[Starcoder2, Tokenizer]:
    """The model and tokenizer of a run, on the accelerator in bf16 where there is one, else on the CPU in fp32."""
    cuda = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if cuda else ("cpu", torch.float32)
    model = Starcoder2.from_pretrained(folder, device=device, dtype=dtype)
    return model.eval(), Tokenizer.load(folder / "tokenizer.json")


@contextmanager
def fitting_threads(model: Starcoder2) -> Iterator[None]:
    """One CPU thread for a small model, all of them for a large one.

    A step of decoding multiplies matrices too small to share. Two threads on two busy cores took four times as long
    as one (4 million parameters, 82 rows), because each waits for the other at every product.
    """
    before = torch.get_num_threads()
    if sum(parameter.numel() for parameter in model.parameters()) < SMALL_PARAMETERS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def complete(
    model: Starcoder2,
    tokenizer: Tokenizer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    stop_strings: Sequence[str] = (),
    temperature: float = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    batch_size: int = 32,
    progress: Callable[[int], None] | None = None,
) -> list[Completion]:
    """Continue every prompt until a stop string, ``<|endoftext|>``, ``<file_sep>`` or `max_new_tokens`.

    Prompts of similar length share a batch. Sampling is repeatable for the same `seed` and `batch_size`.
    """
    room = model.config.max_position_embeddings - max_new_tokens
    cut = [max(0, len(prompt) - room) for prompt in prompts]
    prompts = [prompt[surplus:] for prompt, surplus in zip(prompts, cut, strict=True)]
    order = sorted(range(len(prompts)), key=lambda index: (len(prompts[index]), index))
    # A stop string of n characters ends within the last n tokens, so only those are looked at.
    tail = max(map(len, stop_strings), default=0) + 1

    def stop(tokens: list[int]) -> bool:
        text = tokenizer.decode(tokens[-tail:])
        return any(string in text for string in stop_strings)

    ends = {tokenizer.token_id(END_OF_TEXT), tokenizer.token_id(FILE_SEPARATOR)}
    results: list[Completion | None] = [None] * len(prompts)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        batch = [prompts[row] for row in rows]
        with fitting_threads(model):
            made = generate(
                model, batch, max_new_tokens, temperature, top_p, ends, seed + start, stop if stop_strings else None
            )
        for row, tokens in zip(rows, made, strict=True):
            text = tokenizer.decode(tokens)
            finished = len(tokens) < max_new_tokens or stop(tokens)
            results[row] = Completion(truncate(text, stop_strings), len(tokens), finished, cut[row])
        if progress:
            progress(min(start + batch_size, len(order)))
    return [result for result in results if result is not None]
