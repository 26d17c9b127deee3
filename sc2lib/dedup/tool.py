"""``sc2 dedup``: near-duplicates of anyone's Parquet or JSON Lines files, without the book."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from sc2lib import files
from sc2lib.dedup import index as indexes
from sc2lib.dedup import inputs
from sc2lib.dedup.band_shape import expected_recall
from sc2lib.dedup.engine import Result, clusters_of_piece, deduplicate, sort_pairs
from sc2lib.dedup.input_files import Columns, InputFile, find_inputs
from sc2lib.dedup.inputs import InputPiece, choose_columns, content_digest, header
from sc2lib.dedup.layout import Layout
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.outputs import OutFolder
from sc2lib.dedup.removals import removals_of_piece
from sc2lib.dedup.sorting import read_parts
from sc2lib.dedup.steps import Mapper
from sc2lib.dedup.survey import survey
from sc2lib.errors import InputError, ParameterError
from sc2lib.workflow.executors import Executor, executor
from sc2lib.workflow.lock import RunLock

Say = Callable[[str], None]
SAME_AGAIN = 0.9  # share of a crawl that leaves for one earlier crawl, from which a person is asked


@dataclass(frozen=True)
class Request:
    """What to deduplicate, where to, how; `index` remembers the crawl, under the name `crawl`, for later ones.

    Raises ParameterError for a negative number of workers and for the name of a crawl without an index.
    """

    inputs: tuple[Path, ...]
    out: Path
    options: DedupOptions
    text: str | None = None
    id: str | None = None
    language: str | None = None
    index: Path | None = None
    crawl: str | None = None
    skip_bad_lines: bool = False
    executor: str = "local"
    workers: int = 0

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ParameterError(f"--workers {self.workers} is negative; give 0 for one process per core")
        if self.crawl is not None and self.index is None:
            raise ParameterError(f"--crawl {self.crawl} names a crawl of an index; give the index with --index")


def run(request: Request, say: Say) -> dict[str, Any]:
    """Write ``kept/``, ``clusters/``, ``pairs.parquet``, ``removed.parquet`` and ``report.json``; return the report.

    The same request again continues, or finds everything done. Raises InputError for data that cannot be read.
    """
    out = OutFolder(request.out.resolve())
    found = find_inputs(request.inputs, out.path)
    headers = [header(file, request.skip_bad_lines) for file in found]
    language = request.language if request.options.scope == "language" else ""
    columns = choose_columns(headers, request.text, request.id, language)
    say(describe(columns, request))
    out.claim()
    index = nullcontext() if request.index is None else indexes.held(request.index, request.options)
    with RunLock(out.mark, "give another folder with --out"), index:
        run_on = executor(request.executor, request.workers)
        with run_on.held():
            report = _run(request, out, found, columns, run_on, say)
        files.remove(out.work)
    for sentence in notes(report, request.index):
        say(sentence)
    return report


def _run(
    request: Request, out: OutFolder, found: list[InputFile], columns: Columns, run_on: Executor, say: Say
) -> dict[str, Any]:
    mapper = _mapper(run_on)
    crawl, before = None, []
    if request.index is not None:
        content = _content_key(found, columns, mapper)
        crawl = indexes.crawl_of(request.index, content, request.crawl, tuple(map(str, request.inputs)))
        before = indexes.crawls_before(request.index, crawl)
    made_from = (
        found,
        columns,
        request.options,
        request.skip_bad_lines,
        crawl and crawl.key,
        [one.key for one in before],
    )
    key = hashlib.sha256(repr(made_from).encode()).hexdigest()
    report = _finished(out.path, key)
    if report is not None and (crawl is None or crawl.folder.exists()):
        return report
    out.clear()
    report = _compute(request, out, found, columns, before, mapper, say) | {"key": key}
    if crawl is not None:
        indexes.add_crawl(crawl, before, report["kept"], out.work / "index")
    files.write_text(out.path / "report.json", json.dumps(report, indent=1) + "\n")
    return report


def _content_key(found: list[InputFile], columns: Columns, mapper: Mapper) -> str:
    """The same for the same content, whatever the files are called, wherever they lie, however old they are."""
    return hashlib.sha256(repr((sorted(mapper(content_digest, found, "digest")), columns)).encode()).hexdigest()[:12]


def describe(columns: Columns, request: Request) -> str:
    """Which columns are used, and how many of the pairs at the threshold will be seen."""
    words = [f"text: {columns.text}", f"id: {columns.id or 'file name and row number'}"]
    if request.options.scope == "language":
        words.append(f"language: {columns.language or 'none, all rows are compared'}")
    how = request.options
    recall = expected_recall(how.threshold, how.bands, how.rows)
    return (
        f"columns: {', '.join(words)}\n"
        f"{how.bands} bands of {how.rows}: of the pairs at a similarity of {how.threshold:g}, {recall:.1%} are "
        "expected to be compared, of more similar ones more"
    )


def notes(report: dict[str, Any], index: Path | None) -> list[str]:
    """What a person should know of a report before using the results."""
    crowded = report["not_compared_with_all"]
    said = [
        f"{crowded:,} of {report['files']:,} rows stay although they have more candidates than were looked at: large "
        "families just below the threshold; chapter 04 says what that costs"
    ]
    return said[: crowded > 0] + [
        f"{count:,} of {report['files']:,} rows leave for rows of the crawl {name!r}: are they the same again? "
        f"To compare them with each other instead: sc2 dedup-index {index} --drop {name}, then a new --out"
        for name, count in report.get("removed_for_crawl", {}).items()
        if count >= SAME_AGAIN * report["files"]
    ]


def _mapper(run_on: Executor) -> Mapper:
    def mapper(function: Callable[[Any], Any], items: Sequence[Any], label: str) -> list[Any]:
        results: list[Any] = [None] * len(items)
        with tqdm(total=len(items), desc=label, disable=not sys.stderr.isatty(), leave=False) as bar:
            for position, result in run_on.map(function, items):
                results[position] = result
                bar.update()
        return results

    return mapper


def _compute(
    request: Request,
    out: OutFolder,
    found: list[InputFile],
    columns: Columns,
    before: list[indexes.Crawl],
    mapper: Mapper,
    say: Say,
) -> dict[str, Any]:
    plain = [out.work / "plain" / f"{hashlib.sha256(repr(file).encode()).hexdigest()}.jsonl" for file in found]
    tasks = [(file, columns, path, inputs.PIECE_BYTES, request.skip_bad_lines) for file, path in zip(found, plain)]
    pieces: list[InputPiece] = [piece for one in mapper(inputs.cut, tasks, "cut") for piece in one]
    if not pieces:
        raise InputError("there is no row in any of the files; give some that hold rows")
    seen = survey(pieces, columns, out.work / "survey", mapper)
    for sentence in seen.sentences():
        say(sentence)
    engine = out.work / "engine"
    earlier = [folder for crawl in before for folder in crawl.sketches()]
    result = deduplicate(pieces, engine, request.options, mapper, earlier, request.index is not None)
    sizes = mapper(write_piece, [(piece, engine, out.path, number) for number, piece in enumerate(pieces)], "write")
    if request.index is not None:
        kept = out.work / "index"
        kept.mkdir(parents=True, exist_ok=True)
        stays = [(engine, number, request.options, kept / f"{number:05d}") for number in range(len(pieces))]
        mapper(indexes.keep_piece, stays, "index")
    sort_pairs(engine, mapper)
    crawls = None if request.index is None else before
    lists = {"removals": "removed.parquet", "pairs": "pairs.parquet"}
    written = [(name, engine, out.path / file, crawls) for name, file in lists.items()]
    left_for, _ = mapper(write_list, written, "lists")
    return _report(request, result, sizes) | seen.record() | {"removed_for_crawl": left_for}


def write_list(task: tuple[str, Path, Path, list[indexes.Crawl] | None]) -> dict[str, int]:
    """Write the removals or the pairs of a finished run, a part in memory at a time; `before` are crawls of an index.

    task: (``removals`` or ``pairs``, work, target, before). Returns how many removals are for which of the crawls.
    """
    name, work, target, before = task
    left_for = Counter[str]()
    layout = Layout.load(work)
    names = indexes.crawl_names(before or [], layout)

    def tables() -> Iterator[pa.Table]:
        for part in read_parts(work, name):
            if name == "pairs":
                yield part.rename_columns(["id_a", "id_b", "jaccard"])
            elif before is None:
                yield _renamed(part)
            else:
                crawl = indexes.origins(names, layout, part["keeper_row"])
                left_for.update(crawl.drop_null().to_pylist())
                yield _renamed(part).append_column("crawl", crawl)

    files.write_parquet_parts(target, tables())
    return dict(left_for)


def write_piece(task: tuple[InputPiece, Path, Path, int]) -> tuple[int, int]:
    """Write what stays of a piece, and its clusters; returns bytes of text before and after.

    task: (piece, work of the engine, folder of the results, number).
    """
    piece, work, out, number = task
    removals = removals_of_piece(work, number)
    written = piece.write_kept(removals["row"].to_numpy(), out / "kept" / f"part-{number:05d}")
    clusters = clusters_of_piece(written.names, removals)
    files.write_parquet(out / "clusters" / f"part-{number:05d}.parquet", _renamed(clusters))
    return written.bytes, written.bytes_kept


def _renamed(table: pa.Table) -> pa.Table:
    return table.select(["blob_id", "cluster_id", "jaccard"]).rename_columns(["id", "cluster_id", "jaccard"])


def _report(request: Request, result: Result, sizes: Sequence[tuple[int, int]]) -> dict[str, Any]:
    before, after = (sum(column) for column in zip(*sizes)) if sizes else (0, 0)
    return {
        "files": result.files,
        "kept": result.files - result.removals.num_rows,
        "removed": result.removals.num_rows,
        "too_short_to_compare": result.without_shingles,
        "not_compared_with_all": result.unsure,
        "bytes": before,
        "bytes_kept": after,
        "options": vars(request.options),
        "expected_recall": expected_recall(request.options.threshold, request.options.bands, request.options.rows),
    }


def _finished(out: Path, key: str) -> dict[str, Any] | None:
    try:
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return report if report.get("key") == key else None
