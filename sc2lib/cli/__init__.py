"""The command line: ``sc2 run``, ``sc2 status``, ``sc2 book``, ``sc2 plan``, ``sc2 submit``, ``sc2 dedup`` and more.

Each module declares a group of verbs and answers them; what a verb computes with is imported when it is asked.
"""

import sys
from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 (done), 1 (failed), 2 (wrong parameters), 130 (interrupted by Ctrl-C) or
    75 (stopped by SIGTERM or SIGUSR1; as after Ctrl-C, the same command goes on).
    """
    try:
        from sc2lib.cli.commands import answer  # half a second of imports, in which Ctrl-C is answered too

        return answer(arguments)
    except KeyboardInterrupt:
        print("sc2: interrupted; the same command goes on where this one stopped", file=sys.stderr, flush=True)
        return INTERRUPTED
