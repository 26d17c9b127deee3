"""A run as processes of its own, one for each device: how they are started and followed, and why they ended.

A notebook's kernel counts as interactive for Lightning, which then refuses more than one device; so does good
sense, because a kernel that owns a process group cannot be restarted. `launch` therefore starts ``torchrun`` on
``python -m sc2lib.training``, and in the script of a Slurm job ``srun``.
"""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from sc2lib.errors import Sc2Error, StoppedError, UnsupportedError
from sc2lib.training.callbacks import Report, progress_label
from sc2lib.training.config import RunConfig, TrainingConfig
from sc2lib.training.metrics import rows_of
from sc2lib.training.run_folder import TrainingRun
from sc2lib.training.stopping import MARK
from sc2lib.workflow import slurm

FAILED = "failed"  # what the last error of a rank said, for the process that started the ranks
TAIL = 3000
# torchrun's last report names the process that ended first; its own messages begin with a letter and a date.
FIRST_DEATH = re.compile(r"Root Cause.*?\n\s*rank\s*:\s*(\d+).*?\n\s*exitcode\s*:\s*(-?\d+)", re.DOTALL)
LAUNCHER = re.compile(r"^[EW]\d{4} .*/torch/distributed/elastic/", re.MULTILINE)


class TrainingError(Sc2Error):
    """The processes of a training run ended with an error."""


def launch(config: TrainingConfig, report: Report | None) -> None:
    """Start the ranks, follow the metrics they write, and stop them when this process stops.

    Raises StoppedError when they were asked to stop, TrainingError with the reason when one of them failed.
    """
    files = TrainingRun(config)
    folder, log = files.folder, files.folder / "processes.log"
    for name in (MARK, FAILED):
        (folder / name).unlink(missing_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(config.run.threads or 1)}
    if slurm.in_job_script() and "MASTER_ADDR" not in environment:
        environment["MASTER_ADDR"] = slurm.first_address()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command(files.configuration_file, config.run),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            preexec_fn=_die_with_parent,
        )
        try:
            while process.poll() is None:
                time.sleep(0.5)
                rows = rows_of(files.metrics(), "train")
                if report and rows.num_rows:
                    step, loss = rows["step"][-1].as_py(), rows["loss"][-1].as_py()
                    report(progress_label(loss), step, config.optimizer.steps)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if process.returncode and (folder / MARK).exists():
        raise StoppedError((folder / MARK).read_text(encoding="utf-8"))
    if process.returncode:
        raise TrainingError(f"training on {config.run.world} processes failed: {reason(folder, log)}")


def command(config_path: Path, run: RunConfig) -> list[str]:
    """The command line that starts one process per device: of all nodes of a Slurm job, else of this machine."""
    module = ["-m", "sc2lib.training", str(config_path)]
    if slurm.in_job_script():
        return [*slurm.srun(run.nodes, run.devices), sys.executable, *module]
    if run.nodes > 1:
        raise UnsupportedError(
            f"nodes={run.nodes}: only Slurm starts processes on other machines here; submit the run with sc2 submit "
            f"--nodes {run.nodes}, or start torchrun --nnodes={run.nodes} {' '.join(module)} on each of them"
        )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={run.devices}"]
    return [*launcher, *module]


def reason(folder: Path, log: Path) -> str:
    """One sentence where the reason is known, else the end of what the ranks themselves wrote into `log`."""
    note = folder / FAILED
    if note.exists():
        return f"{note.read_text(encoding='utf-8')} (all output is in {log})"
    text = log.read_text(encoding="utf-8", errors="replace")
    death = FIRST_DEATH.search(text)
    if death and int(death[2]) < 0:
        name = signal.Signals(-int(death[2])).name
        cause = ", as Linux does when memory runs out" if name == "SIGKILL" else ""
        return (
            f"process {death[1]} was ended by {name}{cause}; the same command goes on from the last checkpoint ({log})"
        )
    own = LAUNCHER.split(text)[0].strip()
    return f"the end of {log}:\n{(own or text)[-TAIL:]}"


def _die_with_parent() -> None:
    """Ask Linux to end this child when its parent dies, even by SIGKILL."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
