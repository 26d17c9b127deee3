"""Tables of the long-context chapter: angles, windows, losses by range of positions, needles."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib import figures
from sc2lib.model.config import ModelConfig
from sc2lib.model.wavelengths import largest_angles
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.needles import Probe, crosses_file
from sc2lib.training.positions import direction, paired_difference
from sc2lib.training.retrieval import Gain
from sc2lib.training.samples import PROMPTS


def change_table(first: ModelConfig, second: ModelConfig) -> Any:
    """The numbers that differ between the two stages."""
    rows = [
        ("length, tokens", first.max_position_embeddings, second.max_position_embeddings),
        ("RoPE base", first.rope_theta, second.rope_theta),
        ("sliding window, tokens", first.sliding_window or "none", second.sliding_window or "none"),
    ]
    return figures.table(["", "first stage", "second stage"], rows, "lrr")


def stage_angles(first: ModelConfig, second: ModelConfig) -> Any:
    """`angle_table` of the first stage, of longer texts with the old base and the new, and of the window alone."""
    short, long = first.max_position_embeddings, second.max_position_embeddings
    cases = [("first stage", short, first.rope_theta), ("longer, same base", long, first.rope_theta)]
    cases += [("longer, new base", long, second.rope_theta)]
    if second.sliding_window is not None:
        cases += [("window, same base", second.sliding_window, first.rope_theta)]
    return angle_table(cases, first.head_size)


def angle_table(cases: Sequence[tuple[str, int, float]], head_size: int) -> Any:
    """Turns that three of the slower pairs reach in each case: its name, the largest distance + 1, the base."""
    pairs = [head_size // 2 - 1, head_size // 3, head_size // 4]
    rows = [(*case, *(f"{x:.4f}" for x in largest_angles(head_size, case[2], case[1])[pairs])) for case in cases]
    return figures.table(["", "distance, tokens", "base", *(f"turns of pair {pair}" for pair in pairs)], rows, "lrrrrr")


def with_error(mean: float, error: float) -> str:
    """A mean and two standard errors of it, or the mean alone where a single window was measured."""
    return f"{mean:+.3f}" if math.isnan(error) else f"{mean:+.3f} ± {2 * error:.3f}"


def difference_table(losses: Mapping[str, np.ndarray], reference: np.ndarray, first: int) -> Any:
    """Paired difference of each entry's losses, [windows, T], from the reference after position `first`."""
    found = {name: paired_difference(values[:, first:], reference[:, first:]) for name, values in losses.items()}
    rows = [(name, with_error(mean, error), direction(mean, error)) for name, (mean, error) in found.items()]
    return figures.table(["configuration", f"difference after position {first:,}, nats", "the loss is"], rows, "lrl")


def context_gain_table(losses: Mapping[str, np.ndarray], pieces: Mapping[str, np.ndarray], first: int) -> Any:
    """Loss of each entry before and after position `first`, and how much lower it is than in pieces."""
    rows = []
    for name, found in losses.items():
        levels = (found.mean(), found[:, :first].mean(), found[:, first:].mean())
        gain, error = paired_difference(pieces[name], found)
        rows.append((name, *(f"{level:.3f}" for level in levels), with_error(gain, error)))
    header = ["model", "loss, whole window", f"first {first:,}", f"after {first:,}", "gain from context"]
    return figures.table(header, rows, "lrrrr")


def context_gain_words(pieces: np.ndarray, losses: np.ndarray) -> str:
    """What one long window is worth to a model against pieces of it, both [windows, T], as a sentence of Markdown."""
    words = {
        "lower": "The longer context **helps** this model",
        "higher": "The longer context **hurts** this model",
        "no clear difference": "What the longer context does **cannot be told from chance**",
    }
    gain, error = paired_difference(pieces, losses)
    return f"{words[direction(-gain, error)]}: {with_error(gain, error)} nats per token."


def long_samples(samples: pa.Table, lines: int = 5) -> str:
    """The last `lines` lines of the long prompt and what was written after them, at the first validation and at the
    last, from a SAMPLES table, as Markdown."""
    short = {one.before for one in PROMPTS}
    rows = [row for row in samples.to_pylist() if row["before"] not in short]
    if not rows:
        return "There is no long prompt: no held-out repository is longer than the context, or `sample_tokens` is 0."
    end = "".join(rows[0]["before"].splitlines(keepends=True)[-lines:])
    parts = {
        "The prompt ends": end,
        "How it goes on before the stage": rows[0]["text"],
        f"And after {rows[-1]['tokens']:,} tokens of it": rows[-1]["text"],
    }
    return "\n\n".join(f"{what}:\n\n````text\n{text}\n````" for what, text in parts.items())


def needle_table(forms: Mapping[str, Sequence[Probe]], tokenizer: Tokenizer, count: int = 3) -> Any:
    """The first needles of each form, with how the text ends and what is put in the answer's place."""
    rows = []
    for form, probes in forms.items():
        for one in probes[:count]:
            shown = (tokenizer.decode(part) for part in (one.context[-6:], one.answer, one.other))
            rows.append((form, one.distance, *(f"`{repr(text)[1:-1]}`" for text in shown)))
    return figures.table(["form", "distance", "the text ends", "answer", "in its place"], rows, "lrlll")


def needle_counts(forms: Mapping[str, Sequence[Probe]], tokenizer: Tokenizer) -> Any:
    """How many needles each form has, of how many documents, and how many are asked for in another file."""
    rows = []
    for form, probes in forms.items():
        crossing = sum(crosses_file(one, tokenizer) for one in probes)
        rows.append((form, len(probes), len({one.document for one in probes}), crossing))
    return figures.table(["form", "needles", "documents", "a new file begins in between"], rows, "lrrr")


def gain_table(forms: Mapping[str, Mapping[str, Sequence[Gain]]]) -> Any:
    """Gain from a needle by form and distance, ± two standard errors, a column for each model; shares found."""
    names = list(next(iter(forms.values()), {}))
    rows = []
    for form, models in forms.items():
        for found in zip(*(models[name] for name in names), strict=True):
            cells = [with_error(gain.mean, gain.error) for gain in found]
            shares = " / ".join(figures.percent(gain.found, 0) for gain in found)
            rows.append((form, f"{found[0].low:,} to {found[0].high:,}", found[0].probes, *cells, shares))
    return figures.table(["form", "distance, tokens", "needles", *names, "found"], rows, "lrr" + "r" * len(names) + "r")


def perplexity_table(losses: Mapping[str, np.ndarray], bounds: Sequence[int]) -> Any:
    """Perplexity, exp of the mean loss in nats, of each entry's windows, [windows, T], between `bounds` up to T."""
    length = max(values.shape[1] for values in losses.values())
    pairs = list(itertools.pairwise(sorted({min(bound, length) for bound in bounds})))
    rows = [
        (name, *(f"{np.exp(values[:, low:high].mean()):.1f}" for low, high in pairs)) for name, values in losses.items()
    ]
    return figures.table(["perplexity at positions", *(f"{low:,} to {high:,}" for low, high in pairs)], rows)


def window_table(models: Mapping[str, ModelConfig]) -> Any:
    """What the sliding window of each model saves at its full length, and how far its layers reach."""
    rows = []
    for name, one in models.items():
        length, dense, window = one.max_position_embeddings, one.replace(sliding_window=None), one.sliding_window or 0
        pairs_kept = one.visible_keys(length) / dense.visible_keys(length)
        flops_kept = one.flops_per_token(length) / dense.flops_per_token(length)
        caches = [figures.size(config.kv_cache_bytes(length=length)) for config in (dense, one)]
        reach = figures.count(one.num_hidden_layers * (window - 1))
        rows.append((name, length, window, f"{pairs_kept:.2f}", f"{flops_kept:.2f}", *caches, reach))
    header = ["", "length", "window", "pairs kept", "FLOPs kept", "cache without", "cache with", "reach"]
    return figures.table(header, rows, "lrrrrrrr")
