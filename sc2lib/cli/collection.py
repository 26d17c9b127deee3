"""The verbs on collections of files and repositories: dedup, dedup-index, gharchive, opt-out."""

import argparse
import time
from pathlib import Path

from sc2lib.cli.shared import OK, Verbs, run_options, say, verb, where


def add(commands: Verbs) -> None:
    """Declare the verbs."""
    dedup = commands.add_parser(
        "dedup",
        help="remove near-duplicates from Parquet or JSON Lines files",
        description="Keep one of every group of near-duplicates. Writes OUT/kept (the rows that stay, as they were), "
        "OUT/clusters (for every row the row that stands for it), OUT/pairs.parquet (the verified similarities), "
        "OUT/removed.parquet and OUT/report.json. Interrupted, the same command goes on.",
        epilog="examples:\n"
        "  sc2 dedup crawl/ --out clean\n"
        "  sc2 dedup a.parquet b.jsonl.gz --out clean --text body --id url --threshold 0.85\n"
        "  sc2 dedup crawl-1/ --out clean-1 --index idx      then, without reading crawl-1 again:\n"
        "  sc2 dedup crawl-2/ --out clean-2 --index idx --crawl june\n"
        "  sc2 dedup stack/ --out paper --mode paper --scope language\n\n"
        "Of two near-duplicates the one with the better license_type, more star_events_count and fork_events_count, or "
        "the\nlater revision_date and visit_date stays, then the first by repo_name and path, as far as there are "
        "such\ncolumns; then the smaller hash. A value that cannot be read counts as missing.\n"
        "Without an id a row is called after its file and number: a/part-0.jsonl#0 is the first of a/part-0.jsonl.\n"
        "A text of fewer words than a shingle leaves only for an exact copy; a missing text counts as an empty one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _dedup_options(dedup)
    dedup.set_defaults(function=_dedup)

    index = verb(
        commands,
        "dedup-index",
        "list the crawls of an index of sc2 dedup, or take one out",
        "sc2 dedup-index idx",
        "sc2 dedup-index idx --drop 2024-06",
    )
    index.add_argument("index", type=Path, metavar="DIR", help="what was given to sc2 dedup as --index")
    index.add_argument("--drop", metavar="NAME", help="forget this crawl: no later one is compared with it")
    index.set_defaults(function=_dedup_index)

    gharchive = verb(
        commands,
        "gharchive",
        "hourly GHArchive files to stars, forks, branch and licence",
        "sc2 gharchive 2023-09-14-*.json.gz --out repositories.parquet",
        "sc2 run --set source=git --set source_path=~/src --set repositories_table=repositories.parquet",
    )
    gharchive.add_argument("hours", type=Path, nargs="+", metavar="FILE|DIR", help="hourly .json.gz files, or folders")
    gharchive.add_argument("--out", type=Path, required=True, metavar="FILE", help="Parquet file to write")
    gharchive.set_defaults(function=_gharchive)

    opt_out = verb(
        commands,
        "opt-out",
        "take repositories out of a finished run, tokens included",
        "sc2 opt-out requests.txt",
        "sc2 opt-out requests.txt --forget && sc2 run",
    )
    opt_out.add_argument("list", type=Path, metavar="LIST", help="owners, owner/repository or SWHIDs, one a line")
    opt_out.add_argument(
        "--forget", action="store_true", help="delete the vocabulary and models too; the next run trains them anew"
    )
    run_options(opt_out)
    opt_out.set_defaults(function=_opt_out)


def _dedup_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("inputs", nargs="+", type=Path, metavar="IN", help=".parquet, .jsonl (.gz, .zst), or a folder")
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the results")
    command.add_argument("--text", metavar="COLUMN", help="the text (default: content, text, code, …)")
    command.add_argument("--id", metavar="COLUMN", help="names a row (default: id, blob_id, …; '': file and number)")
    command.add_argument("--language", metavar="COLUMN", help="for --scope language (default: language, lang)")
    command.add_argument("--mode", choices=["verified", "paper"], default="verified", help="paper: as The Stack v2")
    command.add_argument("--scope", choices=["all", "language"], default="all", help="what is compared with what")
    command.add_argument("--threshold", type=float, default=0.7, metavar="J", help="Jaccard similarity (default 0.7)")
    command.add_argument("--shingle-size", type=int, default=5, metavar="N", help="words of a shingle (default 5)")
    command.add_argument("--bands", type=int, help="bands of a signature (default: as the threshold needs; 32 at 0.7)")
    command.add_argument("--rows", type=int, help="positions of a band (default 8 at 0.7; mode paper: 25 bands of 10)")
    command.add_argument(
        "--on-bad-line", choices=["error", "skip"], default="error", help="skip: leave broken lines out, and count them"
    )
    command.add_argument("--index", type=Path, metavar="DIR", help="remember this crawl, and compare with earlier ones")
    command.add_argument("--crawl", metavar="NAME", help="what the index calls this crawl (default: a digest of it)")
    command.add_argument("--executor", choices=["local", "ray"], default="local", help="where it runs")
    command.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one per core)")


def _dedup(options: argparse.Namespace) -> int:
    from sc2lib.workflow.executors import start_ahead

    if options.executor == "local":
        start_ahead(["sc2lib.dedup.quick_start", "sc2lib.dedup.tool", "sc2lib.dedup.walk"], options.workers)
        import pandas  # noqa: F401 - PyArrow asks for it at its first array; here it costs nothing, the workers start
    from sc2lib.dedup.band_shape import PAPER, band_shape
    from sc2lib.dedup.options import DedupOptions
    from sc2lib.dedup.tool import Request, run

    bands, rows = options.bands, options.rows
    if options.mode == "paper":
        bands, rows = (PAPER[0] if bands is None else bands), (PAPER[1] if rows is None else rows)
    bands, rows = band_shape(options.threshold, bands, rows)
    how = DedupOptions(
        threshold=options.threshold,
        shingle_size=options.shingle_size,
        bands=bands,
        rows=rows,
        scope=options.scope,
        mode=options.mode,
    )
    names = ("text", "id", "language", "index", "crawl", "executor", "workers")
    rest = {name: getattr(options, name) for name in names} | {"skip_bad_lines": options.on_bad_line == "skip"}
    request = Request(tuple(options.inputs), options.out, how, **rest)
    started = time.perf_counter()
    report = run(request, say)
    seconds = time.perf_counter() - started
    say(
        f"{report['kept']:,} of {report['files']:,} rows stay, {report['bytes_kept']:,} of {report['bytes']:,} bytes "
        f"({seconds:.1f} s); see {options.out}"
    )
    return OK


def _dedup_index(options: argparse.Namespace) -> int:
    from sc2lib.dedup import index as indexes

    if options.drop is not None:
        indexes.drop_crawl(options.index, options.drop)
        say(f"{options.drop} is no longer in {options.index}")
    for crawl in indexes.listed(options.index):
        say(f"{crawl.name:20s} {crawl.rows:12,} rows of {', '.join(crawl.inputs)}")
    return OK


def _gharchive(options: argparse.Namespace) -> int:
    from sc2lib.archive import gharchive

    if missing := gharchive.missing_hours(gharchive.hours(options.hours)):
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        say(f"not counted: {len(missing):,} hours inside this window that are not there ({shown})")
    found = gharchive.build(options.hours, options.out, say)
    say(
        f"{found.repositories:,} repositories from {found.events:,} events in {found.hours} files "
        f"({found.lines:,} lines, {found.bad_lines:,} of them no event) are in {options.out}"
    )
    return OK


def _opt_out(options: argparse.Namespace) -> int:
    from sc2lib.archive.opt_out import OptOut
    from sc2lib.attribution.opt_out_replay import replay

    run, _ = where(options)
    done = replay(run, OptOut.read(options.list), say, options.forget)
    for table, rows in done.rows.items():
        say(f"  {table:45s} {rows:9,} rows dropped")
    for split, tokens in done.tokens.items():
        say(f"  {split + '.bin':45s} {tokens:9,} tokens dropped")
    if done.unmatched:
        say(f"not in this run, or gone before: {', '.join(done.unmatched)}; look at how they are written")
    if done.stale:
        say(f"to be made again, with what is left: {', '.join(done.stale)}")
    if done.learnt:
        say(f"learnt before this and kept: {', '.join(done.learnt)}; --forget deletes them")
    return OK
