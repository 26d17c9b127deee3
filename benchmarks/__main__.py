"""``python -m benchmarks [CORPUS] [--only NAME …] [--repeats N]``: run the benchmarks on a finished run's data."""

import argparse
import importlib
import sys
import time
import traceback
from pathlib import Path

from sc2lib.evaluation.peers import read_comparisons
from sc2lib.workflow.project import root

HERE = Path(__file__).parent
NAMES = sorted(
    path.stem
    for path in HERE.glob("*.py")
    if path.stem not in {"__init__", "__main__", "copies", "harness"} and not path.stem.endswith("_worker")
)


def main() -> int:
    """Run the chosen benchmarks; one that fails does not stop the others, but makes the exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("corpus", nargs="?", type=Path, default=Path("runs/laptop"), help="folder of a finished run")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="these benchmarks")
    parser.add_argument("--repeats", type=int, default=3, help="calls of every contender")
    arguments = parser.parse_args()
    if not arguments.corpus.is_dir():
        parser.error(f"{arguments.corpus} does not exist; make it with: make book")
    if arguments.repeats < 1:
        parser.error("--repeats is at least 1")
    failed = []
    for number, name in enumerate(arguments.only, 1):
        started = time.monotonic()
        print(f"[{number}/{len(arguments.only)}] {name}", flush=True)
        try:
            importlib.import_module(f"benchmarks.{name}").main(arguments.corpus, arguments.repeats)
        except Exception:  # a peer may fail in any way
            traceback.print_exc()
            failed.append(name)
        print(f"[{number}/{len(arguments.only)}] {name}: {time.monotonic() - started:,.0f} s\n", flush=True)
    print(summary(root() / "runs" / "benchmarks", arguments.only))
    if failed:
        print(f"failed, see above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def summary(folder: Path, names: list[str]) -> str:
    """One line for every comparison with a peer on file, who wins and by how much, and where all rows are."""
    lines = []
    for each in read_comparisons(folder):
        if each.peers and each.ours["benchmark"] in names:
            lines.append(f"  {each.ours['chapter'][:2]} {each.ours['what']}: {each.standing.replace('**', '')}")
    return "\n".join(["against peers:", *lines, f"rows: {folder}; chapter 18 shows them"])


if __name__ == "__main__":
    sys.exit(main())
