"""How the processes of a run on several devices are started, and what a user reads when one of them ends."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sc2lib.training import __main__
from sc2lib.training import launch as launching
from sc2lib.training.config import TrainingConfig
from sc2lib.training.launch import FAILED, TrainingError, command, reason
from sc2lib.training.run import run
from sc2lib.workflow import stopping

Make = Callable[..., TrainingConfig]
REPORT = """\
E1123 23:53:23.735000 26869 /x/torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: {code})
Failures:
[1]:
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 26902)  (SIGTERM)
Root Cause (first observed failure):
[0]:
  time      : 2026-11-23_23:53:23
  rank      : 1 (local_rank: 1)
  exitcode  : {code} (pid: 26903)
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-9, "process 1 was ended by SIGKILL, as Linux does when memory runs out; the same command goes on"),
        (-11, "process 1 was ended by SIGSEGV; the same command goes on"),
        (1, "the end of .*\nRuntimeError: the rank's own words$"),
    ],
)
def test_the_launchers_report_becomes_a_sentence(tmp_path: Path, code: int, words: str) -> None:
    log = tmp_path / "processes.log"
    log.write_text("RuntimeError: the rank's own words\n" + REPORT.format(code=code))
    assert re.match(words, reason(tmp_path, log))


def test_a_log_that_says_nothing_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "processes.log"
    log.write_text("srun: error: invalid partition\n")
    assert "srun: error: invalid partition" in reason(tmp_path, log)


def test_the_error_of_a_rank_is_the_error_of_the_run(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rank refuses the checkpoint of another run; the process that started it says the same, without a traceback."""
    run(configuration(tmp_path / "run", steps=4, warmup_steps=1))
    other = configuration(tmp_path / "run", steps=8, warmup_steps=1)
    other.save(tmp_path / "training.json")
    monkeypatch.setattr(sys, "argv", ["training", str(tmp_path / "training.json")])
    monkeypatch.setattr(stopping, "listen", lambda signal: None)
    assert __main__.main() == 1
    error = capsys.readouterr().err
    assert error.startswith("ParameterError: ") and "optimizer.steps = 4 (now 8)" in error
    said = (tmp_path / "run" / FAILED).read_text()

    script = f"import pathlib; pathlib.Path({str(tmp_path / 'two' / FAILED)!r}).write_text({said!r}); exit(1)"
    monkeypatch.setattr(launching, "command", lambda path, run: [sys.executable, "-c", script])
    with pytest.raises(TrainingError, match=r"training on 2 processes failed: .*steps = 4 \(now 8\)"):
        run(configuration(tmp_path / "two", devices=2))


def test_ranks_are_started_by_srun_in_a_job_and_by_torchrun_elsewhere(
    configuration: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "srun").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_CPUS_PER_TASK"):
        monkeypatch.delenv(name, raising=False)
    two = configuration(devices=2, batch_size=4).run
    assert "torch.distributed.run" in command(Path("c.json"), two)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")
    line = command(Path("c.json"), two)
    assert line[0] == "srun" and {"--nodes=1", "--ntasks=2", "--cpus-per-task=12"} <= set(line)
    monkeypatch.setenv("SLURM_STEP_ID", "0")  # inside a step there is nothing left to divide
    assert "torch.distributed.run" in command(Path("c.json"), two)
