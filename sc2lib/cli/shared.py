"""What the verbs share: how one is declared, which run is meant, the settings, and what is said to whom."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sc2lib.errors import ParameterError
from sc2lib.workflow import profiles, stopping
from sc2lib.workflow.run_directory import RunDirectory

OK, FAILED, USAGE, STOPPED = 0, 1, 2, stopping.STOPPED

# What add_subparsers returns; argparse has no public name for it.
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def verb(commands: Verbs, name: str, what: str, *examples: str) -> argparse.ArgumentParser:
    """Declare a verb: one line of help, and examples below its options."""
    epilog = "\n".join(("examples:" if len(examples) > 1 else "example:", *(f"  {line}" for line in examples)))
    kind = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(
        name, help=what, description=what, epilog=epilog, formatter_class=kind, allow_abbrev=False
    )


def run_options(command: argparse.ArgumentParser) -> None:
    """The options that name a run."""
    command.add_argument("--profile", help="smoke, laptop (default), workstation, paper-3b, paper-7b, paper-15b")
    command.add_argument("--run-dir", type=Path, metavar="D", help="folder of the run (default runs/<profile>)")


def where(options: argparse.Namespace) -> tuple[RunDirectory, str]:
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
        parsed = knob.parse(text)
        checked = knob.check(parsed)
        values[name] = profiles.NULL if checked is None else checked
    return values


def say(text: str) -> None:
    """Print a line that is there at once, in a pipe too; when its reader has gone (``| head``), the work goes on."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: object, code: int) -> int:
    """Print an error to standard error; returns the exit code."""
    print(f"sc2: {error}", file=sys.stderr, flush=True)
    return code
