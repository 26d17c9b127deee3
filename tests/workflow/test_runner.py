import errno
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time

import nbformat
import papermill
import pytest

from sc2lib.errors import ChainError, ParameterError, RunDirectoryError, StoppedError
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import stopping
from sc2lib.workflow.lock import VARIABLE
from sc2lib.workflow.project import notebooks
from sc2lib.workflow.run_directory import RunDirectory
from sc2lib.workflow.runner import KERNEL_STARTS, plan, run_chain, select
from sc2lib.workflow.state import problem
from tests.workflow.conftest import NUMBERS, PARITY, SQUARES, write_notebook


@pytest.fixture(autouse=True)
def no_inherited_lock(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_stages_are_chosen_by_number_or_name(project):
    assert select() == ["01_numbers", "02_squares", "03_parity"]
    assert select(first="02") == ["02_squares", "03_parity"]
    assert select(last="squares") == ["01_numbers", "02_squares"]
    assert select(only="03_parity") == ["03_parity"]
    assert select(needed_by="03") == ["01_numbers", "02_squares"]
    with pytest.raises(ParameterError, match="did you mean '02_squares'"):
        select(only="02_square")
    with pytest.raises(ParameterError, match="only one can choose"):
        select(only="03", first="02")
    with pytest.raises(ParameterError, match="exchange the two"):
        select(first="03", last="02")


def test_a_chain_runs_once_then_is_up_to_date(project, run):
    assert run_chain(run, "smoke", {}, select()) == 3
    assert manifests.load(run.stage("02_squares")).metrics["sum"] == sum(n * n for n in range(40))
    assert run_chain(run, "smoke", {}, select()) == 0
    executed = nbformat.read(run.notebook("03_parity"), as_version=4)
    assert any(cell.get("outputs") for cell in executed.cells)

    # another parameter reaches the stage that declares it, and what stands on it
    reasons = [step.reason for step in plan(run, "smoke", {"vocabulary_size": 700}, select())]
    assert reasons == [None, "was made with vocabulary_size=1024, not 700", None]
    assert run_chain(run, "smoke", {"vocabulary_size": 700}, select()) == 2

    # code that changed makes its stage stale, prose does not
    path = project / "notebooks" / "03_parity.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "# Another title"
    nbformat.write(notebook, path)
    assert problem("03_parity", run) is None
    notebook.cells[-1].source += "\nassert True"
    nbformat.write(notebook, path)
    assert problem("03_parity", run) == "was made by other code"


def test_what_every_stage_has_reaches_each_without_a_word_in_its_cell(project, run, caplog):
    """Seed, shards, workers and executor stand in no parameters cell."""
    assert run_chain(run, "smoke", {"shards": 5, "seed": 3}, select(last="01")) == 1
    assert manifests.load(run.stage("01_numbers")).params == {"seed": 3, "shards": 5}
    assert run_chain(run, "smoke", {"shards": 5, "seed": 3}, select(last="01")) == 0
    assert "unknown parameter" not in caplog.text


def test_a_failing_notebook_stops_the_chain_and_names_the_cell(project, run):
    cells = ["value = 3", "raise ValueError('no such value')", *PARITY]
    write_notebook(project / "notebooks", "02_squares", ["01_numbers"], {}, cells)
    with pytest.raises(ChainError, match=r"02_squares.ipynb, cell 5 .*ValueError: no such value"):
        run_chain(run, "smoke", {}, select())
    assert manifests.load(run.stage("01_numbers")) is not None
    assert run.failed("02_squares").exists()
    assert not run.notebook("02_squares").exists()
    assert not run.stage("03_parity").exists()


def test_force_makes_anew_what_had_finished_or_failed_but_not_what_was_interrupted(project, run):
    cells = ["stage.produce('seen', lambda path: path.write_text(str(__import__('time').time_ns())))"]
    note = run.stage("01_numbers") / "seen"
    write_notebook(project / "notebooks", "01_numbers", [], {}, [*cells, "raise ValueError('no')"])
    seen = set()
    for force in (False, False, True):
        with pytest.raises(ChainError, match="ValueError: no"):
            run_chain(run, "smoke", {}, select(only="01"), force=force)
        seen.add(note.read_text())
    assert len(seen) == 2  # the second try went on, the forced one did not

    write_notebook(project / "notebooks", "01_numbers", [], {}, [*cells, *NUMBERS])
    assert run_chain(run, "smoke", {}, select(only="01")) == 1
    finished = note.read_text()
    assert run_chain(run, "smoke", {}, select(only="01"), force=True) == 1
    assert note.read_text() != finished
    assert (run.superseded("01_numbers") / "seen").read_text() == finished

    (run.stage("01_numbers") / manifests.NAME).unlink()  # as after a signal
    interrupted = note.read_text()
    assert run_chain(run, "smoke", {}, select(only="01"), force=True) == 1
    assert note.read_text() == interrupted


def test_a_killed_kernel_is_named_and_the_chain_goes_on(project, run):
    kill_once = """import os, signal
if not stage.scratch('seen').exists():
    stage.scratch('seen').touch()
    os.kill(os.getpid(), signal.SIGKILL)"""
    write_notebook(
        project / "notebooks", "02_squares", ["01_numbers"], {"vocabulary_size": None}, [kill_once, *SQUARES]
    )
    with pytest.raises(ChainError, match=r"kernel of notebooks/02_squares\.ipynb died.*the same command goes on"):
        run_chain(run, "smoke", {}, select(last="02"))
    assert not run.notebook("02_squares").exists()
    assert run_chain(run, "smoke", {}, select(last="02")) == 1


def test_a_kernel_that_does_not_start_is_tried_again(project, run, monkeypatch):
    starts = []
    execute = papermill.execute_notebook

    def unlucky(*arguments, **keywords):
        starts.append(arguments)
        if len(starts) < KERNEL_STARTS:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return execute(*arguments, **keywords)

    monkeypatch.setattr(papermill, "execute_notebook", unlucky)
    assert run_chain(run, "smoke", {}, select(only="01")) == 1
    assert len(starts) == KERNEL_STARTS

    def dead(*arguments, **keywords):
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(papermill, "execute_notebook", dead)
    with pytest.raises(ChainError, match=r"no kernel started for notebooks/01_numbers\.ipynb, tried 3 times"):
        run_chain(run, "smoke", {}, select(only="01"), force=True)


def test_a_full_disk_while_the_notebook_is_written_has_a_remedy(project, run, monkeypatch):
    def full(handler, text, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(papermill.iorw.LocalHandler, "write", full)
    with pytest.raises(RunDirectoryError, match=r"cannot write .*01_numbers.ipynb .*free some space"):
        run_chain(run, "smoke", {}, select())
    assert not list(run.path.rglob(".tmp-*"))


def test_an_override_no_stage_declares_is_refused(project, run):
    with pytest.raises(ParameterError, match=r"none of .* has a parameter 'hidden_size'"):
        run_chain(run, "smoke", {"hidden_size": 64}, select())
    assert not run.path.exists()


def test_any_notebook_runs_alone_in_smoke(project, tmp_path):
    """Plain papermill on the last notebook makes the others on the spot."""
    source = notebooks()["03_parity"].path
    papermill.execute_notebook(
        str(source), str(tmp_path / "out.ipynb"), {"run_dir": str(tmp_path / "run")}, cwd=tmp_path, progress_bar=False
    )
    run = RunDirectory(tmp_path / "run")
    assert manifests.load(run.stage("03_parity")).metrics["kept"] == 20


def start(run: RunDirectory, **popen: object) -> subprocess.Popen:
    command = [sys.executable, "-m", "sc2lib.cli", "run", "--profile", "smoke", "--run-dir", str(run.path)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **popen)


def stable(run: RunDirectory, stage: str) -> dict:
    """A manifest without what may vary: times and memory."""
    content = json.loads((run.stage(stage) / "manifest.json").read_text())
    return {name: value for name, value in content.items() if name != "measured"}


@pytest.mark.slow
def test_killed_at_random_moments_a_run_ends_byte_identical(project, tmp_path, outputs):
    undisturbed, killed = RunDirectory(tmp_path / "a"), RunDirectory(tmp_path / "b")
    began = time.perf_counter()
    assert start(undisturbed).wait() == 0
    duration = time.perf_counter() - began
    moments = random.Random(20240229)
    for _ in range(5):
        process = start(killed, start_new_session=True)
        time.sleep(moments.uniform(0.1, 0.7) * duration)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    last = start(killed)
    assert last.wait() == 0, last.stderr.read()
    assert outputs(killed) == outputs(undisturbed)
    for stage in select():
        assert stable(killed, stage) == stable(undisturbed, stage)


def test_two_runs_in_one_directory_are_refused(project, run):
    first = start(run)
    try:
        while not (run.path / "run.json").exists() and first.poll() is None:
            time.sleep(0.05)
        second = start(run)
        assert second.wait() == 1
        assert "in use by" in second.stderr.read()
    finally:
        first.kill()
        first.wait()


def test_control_c_leaves_a_run_that_goes_on(project, run):
    # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit that.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    busy = project / "busy"
    cells = ["import pathlib, time", f"pathlib.Path({str(busy)!r}).touch()\ntime.sleep(60)", *PARITY]
    write_notebook(project / "notebooks", "02_squares", ["01_numbers"], {}, cells)
    process = start(run, start_new_session=True, preexec_fn=heard)
    while not busy.exists() and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    said = process.stderr.read()
    assert "the same command goes on" in said and "Traceback" not in said
    assert run_chain(run, "smoke", {}, select(last="01")) == 0


def test_a_request_to_stop_ends_the_chapter_and_keeps_what_is_done(project, run):
    process = start(run)
    while not run.stage("01_numbers").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=60) == 75
    assert "the same command goes on" in process.stderr.read()
    assert not (run.path / ".stop").exists() and manifests.load(run.stage("03_parity")) is None
    assert run_chain(run, "smoke", {}, select()) >= 1


def test_a_chapter_that_does_not_listen_is_interrupted_in_the_end(project, run, monkeypatch):
    cells = ["import os, signal, time", "os.kill(os.getppid(), signal.SIGTERM)\ntime.sleep(60)", *PARITY]
    write_notebook(project / "notebooks", "02_squares", ["01_numbers"], {}, cells)
    monkeypatch.setattr(stopping.StopSignals.__init__, "__defaults__", (0.5,))
    with pytest.raises(StoppedError, match=r"02_squares.*the same command goes on"):
        run_chain(run, "smoke", {}, select())
    assert manifests.load(run.stage("01_numbers")) is not None


def test_a_signal_that_the_kernel_hears_too_stops_the_chain_all_the_same(project, run):
    """Slurm's `scancel --full` reaches every process of the job."""
    both = "import os, signal\nfor process in (os.getppid(), os.getpid()):\n    os.kill(process, signal.SIGTERM)"
    write_notebook(project / "notebooks", "02_squares", ["01_numbers"], {}, [both, "import time\ntime.sleep(60)"])
    with pytest.raises(StoppedError, match=r"02_squares.*the same command goes on"):
        run_chain(run, "smoke", {}, select())
    assert manifests.load(run.stage("01_numbers")) is not None
