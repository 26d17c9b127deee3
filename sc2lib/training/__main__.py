"""``python -m sc2lib.training CONFIG.json``: one rank of a training run.

Started by ``torchrun --standalone --nproc-per-node=N -m sc2lib.training CONFIG.json`` on one node, or by
``srun python -m sc2lib.training CONFIG.json`` under Slurm; alone it trains on one device. SIGUSR1 or SIGTERM ends it
after the running step, with a checkpoint and exit code 75: the same command goes on.
"""

import argparse
import signal
import sys
from pathlib import Path

from sc2lib.errors import Sc2Error, StoppedError
from sc2lib.files import write_text
from sc2lib.workflow import stopping


def main() -> int:
    """Read the configuration and train; the exit code is 0, 75 when the run was asked to stop, 1 after an error."""
    parser = argparse.ArgumentParser(prog="python -m sc2lib.training", description=__doc__)
    parser.add_argument("config", type=Path, help="a training.json")
    path = parser.parse_args().config
    stopping.listen(signal.SIGUSR1)  # before the seconds that the imports take
    from sc2lib.training.config import TrainingConfig
    from sc2lib.training.launch import FAILED
    from sc2lib.training.run import train

    config = TrainingConfig.load(path)
    try:
        train(config)
    except StoppedError as stopped:
        sys.stderr.write(f"{stopped}\n")
        return stopping.STOPPED
    except Sc2Error as error:
        write_text(Path(config.run.folder) / FAILED, str(error))
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
