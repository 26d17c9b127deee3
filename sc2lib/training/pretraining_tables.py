"""Tables of the pretraining chapter: the plan of a run, the order of its samples, baselines, speed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib import figures
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TrainingSamples
from sc2lib.training.provenance import origins
from sc2lib.training.validation import bits_per_byte


def plan_table(config: TrainingConfig, available: int, profile: str) -> Any:
    """Sizes of a run whose training file has `available` tokens, beside StarCoder2-3B with the marks of its facts."""
    count, length, parameters = figures.count, config.data.sequence_length, config.model.parameter_count()
    rows = [
        ("parameters", count(parameters), "3.03B (V)"),
        ("tokens of one sequence", count(length), "4,096 (V)"),
        ("tokens of one step", count(config.data.tokens_per_step), "2.6M (R)"),
        ("steps", count(config.optimizer.steps), "1.2M (V)"),
        ("tokens read in training", count(config.tokens), "3.1T (V)"),
        ("tokens in the training file", count(available), "622B (V)"),
        ("epochs", f"{config.tokens / available:.2f}", "5.0 (I)"),
        ("tokens per parameter", f"{config.tokens / parameters:.2f}", "1,020 (I)"),
        ("FLOPs of the training", figures.power(config.flops), "5.94 × 10²², long stage included (V2)"),
    ]
    return figures.table(["", f"this run ({profile})", "StarCoder2-3B"], rows, "lrr")


def sample_table(samples: TrainingSamples, token_index: str | None, count: int = 6) -> Any:
    """The first samples of a run: their window, where it begins, and the repositories in it."""
    length, rows = samples.windows.length, []
    for sample in range(count):
        window = samples.window_of(sample)
        inside = origins([window], length, token_index)
        names = dict.fromkeys(origin.repo_name or origin.source for origin in inside)
        rows.append((sample, window, window * length, ", ".join(f"`{name}`" for name in names)))
    return figures.table(["sample", "window", "first token", "repositories in it"], rows, "rrrl")


def baseline_table(baselines: Mapping[str, np.ndarray], lengths: np.ndarray) -> Any:
    """Losses of models that only count, in three units; `lengths` are the bytes of text of the same targets."""
    rows = []
    for name, losses in baselines.items():
        loss, bits = losses.mean(), bits_per_byte(losses.sum(), lengths.sum())
        rows.append((name, f"{loss:.3f}", f"{np.exp(loss):,.0f}", f"{bits:.3f}"))
    return figures.table(["model", "loss, nats per token", "perplexity", "bits per byte"], rows, "lrrr")


def passed_table(levels: Mapping[str, float], reached: Mapping[str, int | None]) -> Any:
    """After how many tokens the held-out loss was below each level, those not reached last."""
    found = sorted(levels, key=lambda name: reached[name] is None)
    cells = [(name, reached[name]) for name in found]
    rows = [(name, levels[name], "not yet" if at is None else figures.count(at)) for name, at in cells]
    return figures.table(["model passed", "its loss, nats per token", "after tokens"], rows, "lrr")


def sample_lines(samples: pa.Table, moments: int = 5, prompts: Sequence[int] = (0, 2, 3)) -> Any:
    """The first line that the model wrote for some prompts at evenly spaced validations, from a SAMPLES table."""
    rows = samples.to_pylist()
    steps = list(dict.fromkeys(row["step"] for row in rows))
    chosen = sorted({steps[round(k * (len(steps) - 1) / max(1, moments - 1))] for k in range(moments if steps else 0)})
    table, header = [], ["tokens read"]
    for step in chosen:
        own = [row for row in rows if row["step"] == step]
        shown = [own[number] for number in prompts if number < len(own)]
        header = ["tokens read", *(_code(_line(row["before"]) + "⟨…⟩" * bool(row["after"])) for row in shown)]
        table.append((figures.count(own[0]["tokens"]), *(_code(_line(row["text"])) for row in shown)))
    return figures.table(header, table, "r" + "l" * (len(header) - 1))


def last_samples(samples: pa.Table) -> str:
    """What the model wrote at the last validation, in full, as Markdown; a filled hole stands between « and »."""
    rows = samples.to_pylist()
    last = [row for row in rows if row["step"] == rows[-1]["step"]]
    texts = [
        f"{row['before']}«{row['text']}»{row['after']}" if row["after"] else row["before"] + row["text"] for row in last
    ]
    none = "No samples were written: `sample_tokens` is 0."
    return "\n\n".join(f"````text\n{text}\n````" for text in texts) or none


def _line(text: str, width: int = 44) -> str:
    """The first line of a text that is not empty, cut to `width` characters."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return first if len(first) <= width else first[: width - 1] + "…"


def _code(text: str) -> str:
    """Text as code in a cell of a Markdown table."""
    printable = "".join(c if c.isprintable() else "�" for c in text)
    return f"`` {printable} ``" if printable.strip() else "(nothing)"
