import os
import subprocess
import sys

import pytest

from sc2lib.errors import RunDirectoryError
from sc2lib.workflow.lock import VARIABLE, RunLock

HOLD = "import sys, time; from sc2lib.workflow.lock import RunLock; from pathlib import Path\n"
HOLD += "lock = RunLock(Path(sys.argv[1])); lock.acquire(); print('held', flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def no_inherited_lock(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_a_second_process_is_refused_and_told_who_holds_the_run(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunDirectoryError, match=rf"in use by process {holder.pid} on .*another --run-dir"):
            RunLock(tmp_path).acquire()
    finally:
        holder.kill()
        holder.wait()
    with RunLock(tmp_path):  # the system freed it when the holder died
        assert os.environ[VARIABLE] == str(tmp_path)
    assert VARIABLE not in os.environ


def test_a_child_joins_its_parents_run(tmp_path):
    with RunLock(tmp_path):
        child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout.readline() == "held\n"
        finally:
            child.kill()
            child.wait()
