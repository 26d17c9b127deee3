"""``sc2 dedup``: near-duplicates of anyone's Parquet or JSON Lines files, without the book."""

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from sc2lib import files
from sc2lib.dedup import index as indexes
from sc2lib.dedup.engine import Result, clusters_of_piece, deduplicate, pairs_of
from sc2lib.dedup.inputs import Columns, InputFile, InputPiece, choose_columns, column_names, cut, find_inputs
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.outputs import OutFolder
from sc2lib.workflow.executors import Executor, executor
from sc2lib.workflow.lock import RunLock

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to deduplicate, where to, how; `index` remembers the crawl for later ones."""

    inputs: tuple[Path, ...]
    out: Path
    options: DedupOptions
    text: str | None = None
    id: str | None = None
    language: str | None = None
    index: Path | None = None
    executor: str = "local"
    workers: int = 0


def run(request: Request, say: Say) -> dict[str, Any]:
    """Write ``kept/``, ``clusters/``, ``pairs.parquet``, ``removed.parquet`` and ``report.json``; return the report.

    The same request again continues, or finds everything done. Raises InputError for data that cannot be read.
    """
    out = OutFolder(request.out.resolve())
    found = find_inputs(request.inputs, out.path)
    names = column_names(found[0])
    columns = choose_columns(names, found[0].path, request.text, request.id, request.language)
    say(describe(columns, request))
    key = hashlib.sha256(repr((found, columns, request.options)).encode()).hexdigest()[:12]
    out.claim()
    with RunLock(out.mark, "give another folder with --out"):
        before: list[Path] = []
        if request.index is not None:
            indexes.check(request.index, request.options)
            before = indexes.crawls_before(request.index, key)
        whole_key = hashlib.sha256(repr((key, list(map(str, before)))).encode()).hexdigest()
        report = _finished(out.path, whole_key)
        if report is None:
            out.clear()
            report = _compute(request, out, found, columns, before) | {"key": whole_key}
            if request.index is not None:
                indexes.add_crawl(request.index, key, out.work / "index")
            files.write_text(out.path / "report.json", json.dumps(report, indent=1) + "\n")
        files.remove(out.work)
    return report


def describe(columns: Columns, request: Request) -> str:
    """Which columns are used, in a sentence."""
    words = [f"text: {columns.text}", f"id: {columns.id or 'file name and row number'}"]
    if request.options.scope == "language":
        words.append(f"language: {columns.language or 'none, all rows are compared'}")
    return "columns: " + ", ".join(words)


def _compute(
    request: Request, out: OutFolder, found: list[InputFile], columns: Columns, before: list[Path]
) -> dict[str, Any]:
    pieces: list[InputPiece] = []
    for file in found:
        pieces += cut(file, columns, out.work / "plain" / f"{hashlib.sha256(repr(file).encode()).hexdigest()}.jsonl")
    run_on = executor(request.executor, request.workers)
    with run_on.held():
        return _steps(request, out, pieces, before, run_on)


def _steps(
    request: Request, out: OutFolder, pieces: list[InputPiece], before: list[Path], run_on: Executor
) -> dict[str, Any]:
    work = out.work

    def mapper(function: Callable[[Any], Any], items: Sequence[Any], label: str) -> list[Any]:
        results: list[Any] = [None] * len(items)
        with tqdm(total=len(items), desc=label, disable=not sys.stderr.isatty(), leave=False) as bar:
            for position, result in run_on.map(function, items):
                results[position] = result
                bar.update()
        return results

    engine = work / "engine"
    result = deduplicate(pieces, engine, request.options, mapper, before, request.index is not None)
    removals = [result.removals_of(number) for number in range(len(pieces))]
    tasks = [(piece, gone, out.path, number) for number, (piece, gone) in enumerate(zip(pieces, removals))]
    sizes = mapper(write_piece, tasks, "write")
    if request.index is not None:
        sketches = [engine / "sketches" / f"{number:05d}" for number in range(len(pieces))]
        targets = [work / "index" / f"{number:05d}" for number in range(len(pieces))]
        gone_rows = [gone["row"].combine_chunks() for gone in removals]
        mapper(indexes.keep_piece, list(zip(sketches, [request.options] * len(pieces), gone_rows, targets)), "index")
    files.write_parquet(out.path / "removed.parquet", _renamed(result.removals.drop_columns("row")))
    files.write_parquet(out.path / "pairs.parquet", pairs_of(engine).rename_columns(["id_a", "id_b", "jaccard"]))
    return _report(request, result, sizes)


def write_piece(task: tuple[InputPiece, pa.Table, Path, int]) -> tuple[int, int]:
    """Write what stays of a piece, and its clusters; returns bytes of text before and after."""
    piece, removals, out, number = task
    keep = np.ones(piece.count(), bool)
    keep[removals["row"].to_numpy()] = False
    written = piece.write_kept(pa.array(keep), out / "kept" / f"part-{number:05d}")
    clusters = clusters_of_piece(written.names, removals)
    files.write_parquet(out / "clusters" / f"part-{number:05d}.parquet", _renamed(clusters))
    return int(written.length_bytes.sum()), int(written.length_bytes[keep].sum())


def _renamed(table: pa.Table) -> pa.Table:
    return table.rename_columns(["id", "cluster_id", "jaccard"])


def _report(request: Request, result: Result, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    before, after = (sum(column) for column in zip(*sizes)) if sizes else (0, 0)
    return {
        "files": result.files,
        "kept": result.files - result.removals.num_rows,
        "removed": result.removals.num_rows,
        "too_short_to_compare": result.without_shingles,
        "bytes": before,
        "bytes_kept": after,
        "options": vars(request.options),
    }


def _finished(out: Path, key: str) -> dict[str, Any] | None:
    try:
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return report if report.get("key") == key else None
