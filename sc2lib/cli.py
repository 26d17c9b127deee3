"""The command line: ``sc2 run``, ``sc2 status``, ``sc2 book``, ``sc2 plan``, ``sc2 submit``, ``sc2 dedup`` and more."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sc2lib import __version__
from sc2lib.errors import ParameterError, RunDirectoryError, Sc2Error, StoppedError
from sc2lib.scaling.command import plan_options
from sc2lib.workflow import profiles, stopping
from sc2lib.workflow.project import root
from sc2lib.workflow.run_directory import RunDirectory

OK, FAILED, USAGE, STOPPED, INTERRUPTED = 0, 1, 2, stopping.STOPPED, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 (done), 1 (failed), 2 (wrong parameters), 130 (interrupted by Ctrl-C) or
    75 (stopped by SIGTERM or SIGUSR1; as after Ctrl-C, the same command goes on).
    """
    options = parser().parse_args(arguments)
    try:
        return options.function(options)
    except ParameterError as error:
        return _complain(error, USAGE)
    except StoppedError as error:
        return _complain(error, STOPPED)
    except Sc2Error as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on where this one stopped", INTERRUPTED)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="sc2",
        description="The StarCoder2 book: run its chapters, look at a run, build the book.",
        epilog="examples:\n"
        "  sc2 run                                     every chapter, profile laptop\n"
        "  sc2 run --only 04 --set jaccard_threshold=0.8\n"
        "  sc2 run --set source=git --set source_path=~/src --run-dir runs/mine\n"
        "  sc2 status\n"
        "  sc2 book\n"
        "  sc2 dedup crawl/ --out clean                near-duplicates of your own files\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"sc2lib {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="VERB")

    def verb(name: str, what: str, *examples: str) -> argparse.ArgumentParser:
        epilog = "\n".join(("examples:" if len(examples) > 1 else "example:", *(f"  {line}" for line in examples)))
        kind = argparse.RawDescriptionHelpFormatter
        return commands.add_parser(name, help=what, description=what, epilog=epilog, formatter_class=kind)

    run = verb(
        "run",
        "run the chapters that are not up to date",
        "sc2 run --profile smoke                     every chapter, in seconds each",
        "sc2 run --to 04 --executor ray              up to near-duplicates, on the cluster of RAY_ADDRESS",
        "sc2 run --only 04 --set jaccard_threshold=0.8",
    )
    _run_options(run)
    run.add_argument("--from", dest="first", metavar="NN", help="first chapter")
    run.add_argument("--to", dest="last", metavar="NN", help="last chapter; alone, also what it needs")
    run.add_argument("--only", metavar="NN", help="this chapter alone")
    run.add_argument("--needed-by", metavar="NN", help="the chapters this one stands on")
    run.add_argument("--set", dest="settings", metavar="KEY=VALUE", action="append", default=[], help="override a knob")
    run.add_argument("--executor", choices=["local", "ray"], help="where the data stages run")
    run.add_argument("--force", action="store_true", help="run also what is up to date")
    run.set_defaults(function=_run)

    status = verb(
        "status",
        "show which chapters of a run are up to date, and why not",
        "sc2 status",
        "sc2 status --run-dir runs/mine",
    )
    _run_options(status)
    status.set_defaults(function=_status)

    book = verb("book", "build the HTML book from a run's executed chapters", "sc2 book --run-dir runs/mine")
    _run_options(book)
    book.set_defaults(function=_book)

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
        "  sc2 dedup crawl-2/ --out clean-2 --index idx\n"
        "  sc2 dedup stack/ --out paper --mode paper --scope language\n\n"
        "Of two near-duplicates the one with the better license_type, more star_events_count and fork_events_count, or "
        "the\nlater revision_date and visit_date stays, as far as there are such columns; then the smaller hash.\n"
        "A text of fewer words than a shingle leaves only for an exact copy; a missing text counts as an empty one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _dedup_options(dedup)
    dedup.set_defaults(function=_dedup)

    gharchive = verb(
        "gharchive",
        "hourly GHArchive files to stars, forks, branch and licence",
        "sc2 gharchive 2023-09-14-*.json.gz --out repositories.parquet",
        "sc2 run --set source=git --set source_path=~/src --set repositories_table=repositories.parquet",
    )
    gharchive.add_argument("hours", type=Path, nargs="+", metavar="FILE|DIR", help="hourly .json.gz files, or folders")
    gharchive.add_argument("--out", type=Path, required=True, metavar="FILE", help="Parquet file to write")
    gharchive.set_defaults(function=_gharchive)

    opt_out = verb(
        "opt-out",
        "take repositories out of a finished run, tokens included",
        "sc2 opt-out requests.txt",
        "sc2 opt-out requests.txt --forget && sc2 run",
    )
    opt_out.add_argument("list", type=Path, metavar="LIST", help="owners, owner/repository or SWHIDs, one a line")
    opt_out.add_argument(
        "--forget", action="store_true", help="delete the vocabulary and models too; the next run trains them anew"
    )
    _run_options(opt_out)
    opt_out.set_defaults(function=_opt_out)

    planned = verb(
        "plan",
        "what training a profile needs on a cluster: memory, time, cost, failures",
        "sc2 plan --profile paper-15b --nodes 64 --gpus-per-node 8 --gpu h100",
        "sc2 plan --profile paper-15b --nodes 64 --tensor-parallel 4 --sharding full --verify",
        "sc2 plan --profile paper-3b --nodes 20 --gpu a100 --sharding optimizer --mfu 0.6 --json",
    )
    plan_options(planned)
    planned.set_defaults(function=_plan)

    submit = verb(
        "submit",
        "submit the whole chain to Slurm",
        "sc2 submit --profile workstation --nodes 4 --gpus-per-node 8 --partition gpu --time 24:00:00",
        "sc2 submit --profile laptop --nodes 2 --dry-run            print the scripts",
        "sc2 submit --profile smoke --nodes 2 --set seed=7 --run-dir /shared/runs/seven",
    )
    _run_options(submit)
    submit.add_argument("--nodes", type=int, required=True, metavar="N", help="machines of the data and training jobs")
    submit.add_argument("--gpus-per-node", type=int, default=0, metavar="G", help="GPUs of a machine (default 0)")
    submit.add_argument("--cpus-per-node", type=int, metavar="C", help="cores of a machine (default: whole machines)")
    submit.add_argument("--partition", metavar="P", help="Slurm's partition")
    submit.add_argument("--account", metavar="A", help="Slurm's account")
    submit.add_argument("--time", metavar="T", help="longest time of each job; a job that needs more is queued again")
    submit.add_argument("--set", dest="settings", metavar="KEY=VALUE", action="append", default=[], help="set a knob")
    submit.add_argument("--dry-run", action="store_true", help="print the scripts and submit nothing")
    submit.set_defaults(function=_submit)

    doctor = verb("doctor", "show what this machine has and what that allows", "sc2 doctor")
    doctor.set_defaults(function=_doctor)
    return top


def _dedup_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("inputs", nargs="+", type=Path, metavar="IN", help=".parquet, .jsonl (.gz, .zst), or a folder")
    command.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the results")
    command.add_argument("--text", metavar="COLUMN", help="the text (default: content, text, code, …)")
    command.add_argument("--id", metavar="COLUMN", help="names a row (default: id, blob_id, …, else file and number)")
    command.add_argument("--language", metavar="COLUMN", help="for --scope language (default: language, lang)")
    command.add_argument("--mode", choices=["verified", "paper"], default="verified", help="paper: as The Stack v2")
    command.add_argument("--scope", choices=["all", "language"], default="all", help="what is compared with what")
    command.add_argument("--threshold", type=float, default=0.7, metavar="J", help="Jaccard similarity (default 0.7)")
    command.add_argument("--shingle-size", type=int, default=5, metavar="N", help="words of a shingle (default 5)")
    command.add_argument("--bands", type=int, help="bands of a signature (default 32; mode paper 25)")
    command.add_argument("--rows", type=int, help="positions of a band (default 8; mode paper 10)")
    command.add_argument("--index", type=Path, metavar="DIR", help="remember this crawl, and compare with earlier ones")
    command.add_argument("--executor", choices=["local", "ray"], default="local", help="where it runs")
    command.add_argument("--workers", type=int, default=0, metavar="N", help="processes (default: one per core)")


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", help="smoke, laptop (default), workstation, paper-3b, paper-7b, paper-15b")
    command.add_argument("--run-dir", type=Path, metavar="D", help="folder of the run (default runs/<profile>)")


def _where(options: argparse.Namespace) -> tuple[RunDirectory, str]:
    """The run directory and the profile: the given one, else the one the run was made with, else laptop."""
    if options.profile is not None and options.profile not in profiles.names():
        profiles.load(options.profile)
    run = RunDirectory.of(options.profile or "laptop", options.run_dir)
    return run, options.profile or run.record().get("profile", "laptop")


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Parse ``key=value`` pairs; values are YAML scalars, checked against the knob."""
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise ParameterError(f"--set {pair!r} is not of the form KEY=VALUE")
        knob = profiles.knob(name)
        values[name] = knob.check(knob.parse(text))
    return values


def _run(options: argparse.Namespace) -> int:
    from sc2lib.workflow.runner import run_chain, select

    run, profile = _where(options)
    overrides = settings(options.settings)
    if options.executor:
        overrides["executor"] = options.executor
    stages = select(options.first, options.last, options.only, options.needed_by)
    started = time.perf_counter()
    ran = run_chain(run, profile, overrides, stages, options.force, say=_say)
    _say(f"{ran} of {len(stages)} chapters ran in {time.perf_counter() - started:.0f} s; the run is in {run.path}")
    return OK


def _submit(options: argparse.Namespace) -> int:
    from sc2lib.workflow.submission import Machines, jobs, shared_storage_warning, submit

    run, profile = _where(options)
    names = ("nodes", "gpus_per_node", "cpus_per_node", "partition", "account", "time")
    machines = Machines(**{name: getattr(options, name) for name in names})
    chain = jobs(run, profile, settings(options.settings), machines)
    if options.dry_run:
        for job in chain:
            _say(f"# ===== {run.path / 'jobs' / job.name}.sh\n{job.script}")
        return OK
    for folder in (run.path, root()) if machines.nodes > 1 else ():
        if warning := shared_storage_warning(folder):
            _complain(f"warning: {warning}", OK)
    submit(run, chain, _say)
    _say("follow them with: squeue --me; and the chapters with: sc2 status --run-dir " + str(run.path))
    return OK


def _status(options: argparse.Namespace) -> int:
    from sc2lib.workflow.runner import plan, select

    run, profile = _where(options)
    record = run.record()
    if not record:
        raise RunDirectoryError(f"there is no run in {run.path}; start one with: sc2 run --profile {profile}")
    _say(f"{run.path}: profile {profile}, overrides {record.get('overrides') or 'none'}")
    for step in plan(run, profile, record.get("overrides", {}), select()):
        _say(f"  {step.stage:42s} {step.reason or 'up to date'}")
    return OK


def _dedup(options: argparse.Namespace) -> int:
    from sc2lib.workflow.executors import start_ahead

    if options.executor == "local":
        start_ahead(["sc2lib.dedup.tool"], options.workers)
    from sc2lib.dedup.options import DedupOptions
    from sc2lib.dedup.tool import Request, run

    bands, rows = (25, 10) if options.mode == "paper" else (32, 8)
    how = DedupOptions(
        threshold=options.threshold,
        shingle_size=options.shingle_size,
        bands=options.bands or bands,
        rows=options.rows or rows,
        scope=options.scope,
        mode=options.mode,
    )
    names = ("text", "id", "language", "index", "executor", "workers")
    request = Request(tuple(options.inputs), options.out, how, **{name: getattr(options, name) for name in names})
    started = time.perf_counter()
    report = run(request, _say)
    seconds = time.perf_counter() - started
    _say(
        f"{report['kept']:,} of {report['files']:,} rows stay, {report['bytes_kept']:,} of {report['bytes']:,} bytes "
        f"({seconds:.1f} s); see {options.out}"
    )
    return OK


def _book(options: argparse.Namespace) -> int:
    from sc2lib.book import build
    from sc2lib.book.results import results

    run, _ = _where(options)
    started = time.perf_counter()
    page = build(root(), run.path, _say)
    for label, words in results(run.manifests()):
        _say(f"  {label:12s} {words}")
    _say(f"the book is at {page} ({time.perf_counter() - started:.0f} s)")
    return OK


def _gharchive(options: argparse.Namespace) -> int:
    from sc2lib.archive import gharchive

    found = gharchive.build(options.hours, options.out, _say)
    _say(
        f"{found.repositories:,} repositories from {found.events:,} events in {found.hours} files "
        f"({found.lines:,} lines, {found.bad_lines:,} of them no event) are in {options.out}"
    )
    return OK


def _opt_out(options: argparse.Namespace) -> int:
    from sc2lib.archive.opt_out import OptOut
    from sc2lib.attribution.opt_out_replay import replay

    run, _ = _where(options)
    done = replay(run, OptOut.read(options.list), _say, options.forget)
    for table, rows in done.rows.items():
        _say(f"  {table:45s} {rows:9,} rows dropped")
    for split, tokens in done.tokens.items():
        _say(f"  {split + '.bin':45s} {tokens:9,} tokens dropped")
    if done.stale:
        _say(f"to be made again, with what is left: {', '.join(done.stale)}")
    if done.learnt:
        _say(f"learnt before this and kept: {', '.join(done.learnt)}; --forget deletes them")
    return OK


def _plan(options: argparse.Namespace) -> int:
    from sc2lib.scaling import command

    _say(command.answer(options))
    return OK


def _doctor(options: argparse.Namespace) -> int:
    from sc2lib.evaluation import sandbox
    from sc2lib.workflow.doctor import Finding, advise, examine

    try:
        isolation = Finding("sandbox", sandbox.find_sandbox().name, True)
    except Sc2Error as error:
        isolation = Finding("sandbox", "no isolation", False, str(error))
    findings = examine(root() / "runs", isolation)
    for finding in findings:
        mark = {True: "ok", False: "!!", None: "  "}[finding.good]
        _say(f"{mark} {finding.name:14s} {finding.value}")
        if finding.advice and not finding.good:
            _say(f"   {'':14s} -> {finding.advice}")
    _say(advise(findings))
    return OK


def _say(text: str) -> None:
    print(text, flush=True)


def _complain(error: object, code: int) -> int:
    print(f"sc2: {error}", file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
