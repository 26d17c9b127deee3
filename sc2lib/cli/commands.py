"""All verbs in one parser, and the exit code of each error."""

import argparse
from collections.abc import Sequence

from sc2lib import __version__
from sc2lib.cli import chapters, collection, machines
from sc2lib.cli.shared import FAILED, STOPPED, USAGE, complain
from sc2lib.errors import ParameterError, Sc2Error, StoppedError


def answer(arguments: Sequence[str] | None) -> int:
    """Run one command and report its error; KeyboardInterrupt passes through."""
    options = parser().parse_args(arguments)
    try:
        return options.function(options)
    except ParameterError as error:
        return complain(error, USAGE)
    except StoppedError as error:
        return complain(error, STOPPED)
    except Sc2Error as error:
        return complain(error, FAILED)


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
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"sc2lib {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="VERB")
    for group in (chapters, collection, machines):
        group.add(commands)
    return top
