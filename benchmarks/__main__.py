"""``python -m benchmarks [CORPUS] [--only NAME …] [--repeats N]``: run the benchmarks on a finished run's data."""

import argparse
import importlib
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(
    path.stem
    for path in HERE.glob("*.py")
    if path.stem not in {"__init__", "__main__", "harness"} and not path.stem.endswith("_worker")
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("corpus", nargs="?", type=Path, default=Path("runs/laptop"), help="folder of a finished run")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="these benchmarks")
    parser.add_argument("--repeats", type=int, default=3, help="calls of every contender")
    arguments = parser.parse_args()
    if not arguments.corpus.is_dir():
        parser.error(f"{arguments.corpus} does not exist; make it with: make book")
    for name in arguments.only:
        importlib.import_module(f"benchmarks.{name}").main(arguments.corpus, arguments.repeats)


if __name__ == "__main__":
    main()
