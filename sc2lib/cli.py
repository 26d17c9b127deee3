"""The command line: ``sc2 run``, ``sc2 status``, ``sc2 book``, ``sc2 doctor``."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sc2lib import __version__
from sc2lib.errors import ParameterError, RunDirectoryError, Sc2Error
from sc2lib.workflow import profiles
from sc2lib.workflow.project import root
from sc2lib.workflow.run_directory import RunDirectory

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 (done), 1 (failed), 2 (wrong parameters) or 130 (interrupted)."""
    options = parser().parse_args(arguments)
    try:
        return options.function(options)
    except ParameterError as error:
        return _complain(error, USAGE)
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
        "  sc2 book\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"sc2lib {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="VERB")

    run = commands.add_parser("run", help="run the chapters that are not up to date")
    _run_options(run)
    run.add_argument("--from", dest="first", metavar="NN", help="first chapter")
    run.add_argument("--to", dest="last", metavar="NN", help="last chapter; alone, also what it needs")
    run.add_argument("--only", metavar="NN", help="this chapter alone")
    run.add_argument("--needed-by", metavar="NN", help="the chapters this one stands on")
    run.add_argument("--set", dest="settings", metavar="KEY=VALUE", action="append", default=[], help="override a knob")
    run.add_argument("--executor", choices=["local", "ray"], help="where the data stages run")
    run.add_argument("--force", action="store_true", help="run also what is up to date")
    run.set_defaults(function=_run)

    status = commands.add_parser("status", help="show which chapters of a run are up to date, and why not")
    _run_options(status)
    status.set_defaults(function=_status)

    book = commands.add_parser("book", help="build the HTML book from a run's executed chapters")
    _run_options(book)
    book.set_defaults(function=_book)

    doctor = commands.add_parser("doctor", help="show what this machine has and what that allows")
    doctor.set_defaults(function=_doctor)
    return top


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
