"""Paired timings: every contender does the same work on the same input in its own fresh process, in alternation.

A benchmark is a script with ``main(corpus, repeats)`` that calls `compare`; ``python -m benchmarks CORPUS`` runs
them all. Rows are appended to ``runs/benchmarks/<benchmark>.json`` and read by chapter 18:

    benchmark, chapter, what     what was measured, and the chapter it belongs to
    contender, version           ours first; the version of the package that the contender is named after
    unit, amount, seconds, rate  work done in one call, median wall time of the calls, amount / seconds
    peak_memory_bytes            median of the peaks of the process and its children
    ratio                        seconds of this contender / seconds of ours: above 1, ours is faster
    repeats, seconds_low, seconds_high
    machine, cores, commit, when
"""

import importlib.metadata
import json
import multiprocessing
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from sc2lib.files import write_text
from sc2lib.workflow.measure import MemorySampler, processor, usable_cores
from sc2lib.workflow.project import root

SAMPLE_SECONDS = 0.1  # a sample takes some 2 ms of a core, which the contenders use too
TRIES = 3  # of a peer that ends with an error: Daft 0.7 is lost to a segmentation fault now and then

Contender = Callable[[], object] | Sequence[str]
Row = dict[str, Any]


def compare(
    name: str,
    chapter: str,
    what: str,
    unit: str,
    amount: float,
    contenders: Mapping[str, Contender],
    repeats: int = 3,
    folder: Path | None = None,
) -> list[Row]:
    """Measure every contender `repeats` times, one after another in turn; return one row for each, ours first.

    A peer that fails TRIES times in a row is left out, and said to be.

    A contender is a picklable function without arguments (a module-level function or `functools.partial` of one;
    what it imports inside counts, what its module imports does not) or a command line, whose whole process counts.
    Rows of the same benchmark and `what` are replaced in the file.

    Raises:
        RuntimeError: ours failed; nothing is written.
    """
    measured: dict[str, list[tuple[float, int]]] = {contender: [] for contender in contenders}
    first = next(iter(contenders))
    for _ in range(repeats):
        for contender in list(measured):
            try:
                tries = 1 if contender == first else TRIES
                measured[contender].append(_attempt(contender, contenders[contender], tries))
            except RuntimeError as error:
                if contender == first:
                    raise
                del measured[contender]
                print(f"{contender} is left out: {error}", flush=True)
    seconds = {contender: [run[0] for run in runs] for contender, runs in measured.items()}
    ours = statistics.median(next(iter(seconds.values())))
    facts = {"machine": processor(), "cores": usable_cores(), "commit": _commit(), "when": time.strftime("%F")}
    rows = [
        {"benchmark": name, "chapter": chapter, "what": what, "contender": contender, "version": _version(contender)}
        | {"unit": unit, "amount": amount, "seconds": (median := statistics.median(times)), "rate": amount / median}
        | {"peak_memory_bytes": int(statistics.median(run[1] for run in measured[contender]))}
        | {"ratio": median / ours, "repeats": repeats, "seconds_low": min(times), "seconds_high": max(times)}
        | facts
        for contender, times in seconds.items()
    ]
    _keep((folder or root() / "runs" / "benchmarks") / f"{name}.json", rows)
    return rows


def peers_python(variable: str, peer: str) -> str | None:
    """The Python of a peer whose pins do not go with ours, named by an environment variable; says so if none is."""
    python = os.environ.get(variable)
    if not python:
        print(f"{peer} is left out: {variable} names no Python that has it", flush=True)
    return python


def report(rows: Sequence[Row]) -> str:
    """The rows as aligned text, one line for each contender."""
    lines = [f"{rows[0]['benchmark']}: {rows[0]['what']} ({rows[0]['amount']:,.6g} {rows[0]['unit']})"]
    for row in rows:
        label = f"{row['contender']} {row['version'] or ''}".strip()
        rate = f"{row['rate']:,.0f}" if row["rate"] >= 1000 else f"{row['rate']:.4g}"
        lines.append(
            f"  {label:32s} {row['seconds']:10.3f} s  {rate:>14s} {row['unit']}/s"
            f"  {row['peak_memory_bytes'] / 2**20:7,.0f} MiB  {row['ratio']:8.2f} x our time"
        )
    return "\n".join(lines)


def save_quality(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep rows that are no timings (recall, precision, agreement) for chapter 18: a name first, then numbers."""
    write_text(root() / "runs" / "benchmarks" / "quality" / f"{name}.json", json.dumps(list(rows), indent=1) + "\n")


def _attempt(contender: str, work: Contender, tries: int) -> tuple[float, int]:
    while True:
        try:
            return _measure(contender, work)
        except RuntimeError as error:
            tries -= 1
            if not tries:
                raise
            print(f"{contender} failed and is tried again: {error}", flush=True)


def _measure(contender: str, work: Contender) -> tuple[float, int]:
    if not callable(work):
        return _measure_command(contender, work)
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(work, sender))
    process.start()
    sender.close()
    try:
        result: tuple[float, int] = receiver.recv()
    except EOFError:
        raise RuntimeError(f"contender {contender!r} failed; its error is above") from None
    finally:
        process.join()
    return result


def _call(work: Callable[[], object], sender: Any) -> None:
    sampler = MemorySampler(SAMPLE_SECONDS)
    sampler.start()
    started = time.perf_counter()
    work()
    elapsed = time.perf_counter() - started
    sender.send((elapsed, sampler.stop()))


def _measure_command(contender: str, command: Sequence[str]) -> tuple[float, int]:
    started, peak = time.perf_counter(), 0
    with subprocess.Popen(list(command), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _tree_memory(process.pid))
            time.sleep(SAMPLE_SECONDS)
    if process.returncode:
        raise RuntimeError(f"contender {contender!r} ended with status {process.returncode}: {' '.join(command)}")
    return time.perf_counter() - started, peak


def _tree_memory(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
    except psutil.Error:
        return 0


def _version(contender: str) -> str | None:
    try:
        return importlib.metadata.version(contender.split()[0])
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    found = subprocess.run(["git", "-C", str(root()), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or None


def _keep(path: Path, rows: Sequence[Row]) -> None:
    old = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = [row for row in old if row["what"] != rows[0]["what"]]
    write_text(path, json.dumps([*kept, *rows], indent=1) + "\n")
