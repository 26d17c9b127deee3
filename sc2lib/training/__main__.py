"""``python -m sc2lib.training CONFIG.json``: one rank of a training run.

Started by ``torchrun --standalone --nproc-per-node=N -m sc2lib.training CONFIG.json`` on one node, or by
``srun python -m sc2lib.training CONFIG.json`` under Slurm; alone it trains on one device.
"""

import argparse
from pathlib import Path

from sc2lib.training.config import TrainingConfig
from sc2lib.training.run import train


def main() -> None:
    """Read the configuration and train."""
    parser = argparse.ArgumentParser(prog="python -m sc2lib.training", description=__doc__)
    parser.add_argument("config", type=Path, help="a training.json")
    train(TrainingConfig.load(parser.parse_args().config))


if __name__ == "__main__":
    main()
