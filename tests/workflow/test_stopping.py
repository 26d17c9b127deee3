"""A request to stop, as a process hears it. tests/workflow/test_runner.py stops whole chapters."""

import signal
import subprocess
import sys

import pytest

from sc2lib.workflow import stopping

WAITS = """
import pathlib, sys, time
from sc2lib.workflow.stopping import StopSignals
with StopSignals(pathlib.Path(sys.argv[1]), patience=0.2):
    print("waiting", flush=True)
    time.sleep(30)
"""


def test_what_does_not_stop_is_interrupted_in_a_process_that_a_shell_made_deaf_to_ctrl_c(tmp_path):
    """`sc2 run … &` in a job's script: bash starts it with SIGINT ignored, as `preexec_fn` does here."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGUSR1)
    assert "KeyboardInterrupt" in process.communicate(timeout=15)[1]
    assert process.returncode and not (tmp_path / ".stop").exists()


@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.SIG_DFL, signal.default_int_handler])
def test_afterwards_every_signal_is_answered_as_before(before, tmp_path):
    numbers = (*stopping.SIGNALS, signal.SIGINT)
    kept = signal.signal(signal.SIGINT, before)
    try:
        handlers = [signal.getsignal(number) for number in numbers]
        with stopping.StopSignals(tmp_path):
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert [signal.getsignal(number) for number in numbers] == handlers
    finally:
        signal.signal(signal.SIGINT, kept)
