"""Chapter 12: training steps against transformers and litgpt in one shape, and a ladder of our own improvements.

litgpt pins other versions and lives in an environment of its own: ``SC2_LITGPT_PYTHON=E/bin/python make bench``, where
``E/bin/pip install litgpt==0.5.13`` was done. It has no sliding window, so it is compared without one. Every run
starts from fresh weights; the start of a process counts for the pair with litgpt, on both sides.
"""

import json
import sys
import tempfile
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from benchmarks import training_worker as worker
from benchmarks.harness import compare, peers_python, report, save_quality
from benchmarks.training_worker import Job

WORKER = Path(worker.__file__)
LITGPT = "SC2_LITGPT_PYTHON"
VOCABULARY = 8192
SHAPES = {"2 x 128": (2, 128, 4, 2), "6 x 256": (6, 256, 8, 2)}  # layers, width, heads, key-value heads
LENGTH, BATCH, STEPS = 1024, 4, 16
LOADED_STEPS = 100
LONG, WINDOW, LONG_STEPS = 8192, 1024, 6

# One change per rung, each on top of those before it.
LADDER = {
    "naive attention, fp32": {},
    "bf16 products": {"bf16": True},
    "fused attention (SDPA)": {"attention": "sdpa"},
    "attention by matrix products": {"attention": "auto"},
    "loss in chunks": {"chunked_loss": True},
    "fused AdamW": {"fused": True},
    "freed memory kept": {"keep_memory": True},
}
FIRST_RUNG = {"attention": "naive", "bf16": False, "chunked_loss": False, "fused": False, "keep_memory": False}


def main(corpus: Path, repeats: int) -> None:
    """Peers in two shapes, a long window, the ladder, and the share of the loader."""
    tokens = str(corpus / "09_tokenizer" / "train.bin")
    with tempfile.TemporaryDirectory() as folder:
        for name in SHAPES:
            _peers(f"{name}, {LENGTH:,} tokens", job(tokens, name), repeats, Path(folder))
    long = job(tokens, "6 x 256", length=LONG, batch=1, steps=LONG_STEPS, window=WINDOW)
    _peers(f"6 x 256, {LONG:,} tokens, window {WINDOW:,}", long, repeats, None)
    _ladder(job(tokens, "6 x 256", steps=STEPS // 2), repeats)
    save_quality("training_loader", [loader_share(corpus, shape) for shape in SHAPES])


def job(tokens: str, shape: str, length: int = LENGTH, batch: int = BATCH, steps: int = STEPS, **more: object) -> Job:
    """The work of one contender in one of SHAPES."""
    layers, hidden, heads, groups = SHAPES[shape]
    sizes = {"length": length, "batch": batch, "steps": steps}
    return Job(tokens, VOCABULARY, layers, hidden, heads, groups, **sizes, **more)  # type: ignore[arg-type]


def rungs(last: Job) -> dict[str, Job]:
    """The jobs of the ladder, from the slowest to `last`."""
    found, current = {}, replace(last, **FIRST_RUNG)
    for name, change in LADDER.items():
        current = replace(current, **change)
        found[name] = current
    return found


def _peers(what: str, work: Job, repeats: int, folder: Path | None) -> None:
    amount = work.batch * work.length * work.steps
    contenders = {"sc2lib": partial(worker.ours, work), "transformers": partial(worker.transformers, work)}
    rows = compare("training", "12", f"training in bf16, {what}", "tokens", amount, contenders, repeats)
    print(report(rows), flush=True)
    python = folder and peers_python(LITGPT, "litgpt")
    if folder and python:
        path = folder / "job.json"
        path.write_text(json.dumps(asdict(work)), encoding="utf-8")
        commands = {
            "sc2lib": [sys.executable, "-m", worker.__name__, "sc2lib", str(path)],
            "litgpt": [python, str(WORKER), "litgpt", str(path)],
        }
        rows = compare("training", "12", f"the same as processes, {what}", "tokens", amount, commands, repeats)
        print(report(rows), flush=True)


def _ladder(last: Job, repeats: int) -> None:
    """The last rung is ours, so it stands first; the others follow from the slowest up."""
    steps = rungs(last)
    ordered = {"sc2lib": list(steps.values())[-1]} | dict(list(steps.items())[:-1])
    work = {name: partial(worker.ours, each) for name, each in ordered.items()}
    amount = last.batch * last.length * last.steps
    what = f"ladder: one change a rung; ours adds: {list(steps)[-1]}"
    print(report(compare("training", "12", what, "tokens", amount, work, repeats)), flush=True)


def loader_share(corpus: Path, shape: str) -> dict[str, object]:
    """What the samples of a step cost (reading, FIM, tensors) over what the step itself took.

    The samples are the first LOADED_STEPS of a run, so the tokenizer meets most words for the first time.
    """
    from sc2lib.corpus.fim import FimRates
    from sc2lib.tokenizer.encoding import Tokenizer
    from sc2lib.training.data import MicroBatches, TokenWindows, TrainingSamples, training_loader

    folder = corpus / "09_tokenizer"
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    samples = TrainingSamples(TokenWindows(folder / "train.bin", LENGTH), tokenizer, FimRates(), seed=1)
    batches = iter(training_loader(samples, MicroBatches(BATCH, BATCH)))
    started = time.perf_counter()
    for _ in range(LOADED_STEPS):
        next(batches)
    loading = (time.perf_counter() - started) / LOADED_STEPS
    work = job(str(folder / "train.bin"), shape)
    worker.ours(replace(work, steps=2))
    started = time.perf_counter()
    worker.ours(work)
    training = (time.perf_counter() - started) / STEPS
    share = loading / (loading + training)
    print(f"data loader, {shape}, {LENGTH:,} tokens: {share:.2%} of a step", flush=True)
    return {"name": f"loader's share of a step, {shape}, {LENGTH:,} tokens", "share": share}
