"""HumanEval from model to score: samples, verdicts, pass@k, each as a table that can be looked into."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from sc2lib.errors import UnsupportedError
from sc2lib.evaluation.completion import complete
from sc2lib.evaluation.humaneval import STOP_STRINGS, Problem
from sc2lib.evaluation.judge import Judge, Status, Verdict
from sc2lib.evaluation.pass_at_k import bootstrap_interval, mean_pass_at_k, rule_of_three
from sc2lib.files import write_parquet
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer

SAMPLES = pa.schema(
    [
        ("task_id", pa.string()),
        ("sample", pa.int32()),
        ("completion", pa.large_string()),
        ("new_tokens", pa.int32()),
        ("finished", pa.bool_()),
        ("cut_prompt_tokens", pa.int32()),
    ]
)
RESULTS = pa.schema(
    [("task_id", pa.string()), ("sample", pa.int32()), ("status", pa.string()), ("detail", pa.string())]
)


def preflight(
    judge: Judge, problems: Sequence[Problem], progress: Callable[[int], None] | None = None
) -> list[Verdict]:
    """Judge the authors' own solutions. Raises UnsupportedError unless all pass: then the harness is at fault."""
    verdicts = judge.judge_all([(problem, problem.canonical_solution) for problem in problems], progress=progress)
    failed = [
        f"{problem.task_id} ({verdict.status}: {verdict.detail})"
        for problem, verdict in zip(problems, verdicts)
        if verdict.status != Status.PASSED
    ]
    if failed:
        raise UnsupportedError(
            f"{len(failed)} of {len(problems)} canonical solutions fail here, so no score would mean anything: "
            f"{'; '.join(failed[:3])}; look at the load and memory of this machine"
        )
    return verdicts


def write_preflight(
    path: Path, judge: Judge, problems: Sequence[Problem], progress: Callable[[int], None] | None = None
) -> None:
    """Keep what `preflight` found and its wall time as JSON: what was judged need not be judged again after a kill.

    The times belong to the machine that took them, so the file is no result of a stage.
    """
    started = time.perf_counter()
    verdicts = preflight(judge, problems, progress)
    found = {"seconds": time.perf_counter() - started, "verdicts": [asdict(verdict) for verdict in verdicts]}
    path.write_text(json.dumps(found), encoding="utf-8")


def read_preflight(path: Path) -> tuple[list[Verdict], float]:
    """Verdicts and wall seconds that `write_preflight` kept."""
    found = json.loads(path.read_text(encoding="utf-8"))
    verdicts = [Verdict(Status(row["status"]), row["detail"], row["seconds"]) for row in found["verdicts"]]
    return verdicts, found["seconds"]


def sample(
    model: Starcoder2,
    tokenizer: Tokenizer,
    problems: Sequence[Problem],
    samples_per_problem: int,
    keep_newline: bool = True,
    **options: Any,
) -> pa.Table:
    """SAMPLES rows, `samples_per_problem` of each problem; `options` go to `complete`.

    A prompt follows ``<|endoftext|>``, as a document's beginning does in training. `keep_newline` False takes the
    prompt's last newline away, to measure what that costs.
    """
    pairs = [(problem, number) for problem in problems for number in range(samples_per_problem)]
    texts = [problem.prompt if keep_newline else problem.prompt.rstrip("\n") for problem, _ in pairs]
    prompts = [[tokenizer.end_of_text, *tokenizer.encode(text)] for text in texts]
    completions = complete(model, tokenizer, prompts, stop_strings=STOP_STRINGS, **options)
    rows = [
        {
            "task_id": problem.task_id,
            "sample": number,
            "completion": completion.text,
            "new_tokens": completion.tokens,
            "finished": completion.finished,
            "cut_prompt_tokens": completion.cut_prompt,
        }
        for (problem, number), completion in zip(pairs, completions, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=SAMPLES)


def judge_samples(
    judge: Judge, problems: Sequence[Problem], samples: pa.Table, progress: Callable[[int], None] | None = None
) -> pa.Table:
    """RESULTS rows for SAMPLES rows, in the same order.

    Raises UnsupportedError when a sample could not be judged at all: it must count neither as wrong nor as absent.
    """
    known = {problem.task_id: problem for problem in problems}
    rows = samples.to_pylist()
    verdicts = judge.judge_all([(known[row["task_id"]], row["completion"]) for row in rows], progress=progress)
    faults = [verdict.detail for verdict in verdicts if verdict.status == Status.HARNESS_ERROR]
    if faults:
        raise UnsupportedError(f"{len(faults)} of {len(rows)} samples could not be judged: {faults[0]}; run again")
    results = [
        {"task_id": row["task_id"], "sample": row["sample"], "status": str(verdict.status), "detail": verdict.detail}
        for row, verdict in zip(rows, verdicts)
    ]
    return pa.Table.from_pylist(results, schema=RESULTS)


def write_results(path: Path, judge: Judge | None, problems: Sequence[Problem], samples: pa.Table) -> None:
    """Write what `judge_samples` returns; an empty table without a judge, when nothing may be run."""
    write_parquet(path, judge_samples(judge, problems, samples) if judge else RESULTS.empty_table())


def summary(results: pa.Table, seed: int = 0) -> dict[str, Any]:
    """pass@k (k = 1, 10, 100 where there are as many samples) with 95% intervals, statuses, and n.

    Without a result (nothing was executed) the scores are absent, not zero.
    """
    samples: Counter[str] = Counter(results["task_id"].to_pylist())
    statuses: Counter[str] = Counter(results["status"].to_pylist())
    passed = Counter(
        task
        for task, status in zip(results["task_id"].to_pylist(), results["status"].to_pylist())
        if status == "passed"
    )
    counts = [(samples[task], passed[task]) for task in sorted(samples)]
    found: dict[str, Any] = {"problems": len(counts), "solved": sum(correct > 0 for _, correct in counts)}
    for k in (1, 10, 100):
        if counts and min(samples.values()) >= k:
            found[f"pass_at_{k}"] = mean_pass_at_k(counts, k)
            found[f"pass_at_{k}_interval"] = bootstrap_interval(counts, k, seed=seed)
    return found | {"statuses": {str(status): statuses[status] for status in Status if statuses[status]}}


def write_samples(path: Path, *arguments: Any, **options: Any) -> None:
    """Write what `sample` returns for the arguments: one resumable part of a table."""
    write_parquet(path, sample(*arguments, **options))


def score_interval(found: dict[str, Any]) -> tuple[float, float] | None:
    """The 95% interval of pass@1 in a `summary`; of no success at all, what the rule of three leaves possible."""
    if "pass_at_1" not in found:
        return None
    if found["solved"] == 0:
        return 0.0, rule_of_three(found["problems"])
    low, high = found["pass_at_1_interval"]
    return low, high


def starts_in_body(completion: str) -> bool:
    """Whether the first line of code written is indented: only then can it stand under a function's signature."""
    first = next((line for line in completion.split("\n") if line.strip()), "")
    return first.startswith((" ", "\t"))
