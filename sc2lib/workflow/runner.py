"""The runner: executes the notebooks of a chain with papermill, one after another, and skips what is up to date."""

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from sc2lib.errors import ChainError, ParameterError, StoppedError
from sc2lib.files import space_for
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import profiles, state, stopping
from sc2lib.workflow.lock import RunLock
from sc2lib.workflow.project import Notebook, ancestors, notebooks, root
from sc2lib.workflow.run_directory import RunDirectory

Say = Callable[[str], None]
KERNEL_STARTS = 3
KERNEL_START_SECONDS = 180


@dataclass(frozen=True)
class Step:
    """One stage of a plan; `reason` is None when it is up to date."""

    stage: str
    reason: str | None


def select(
    first: str | None = None, last: str | None = None, only: str | None = None, needed_by: str | None = None
) -> list[str]:
    """Names of the stages to run, from numbers or names like ``04``; unknown ones and an empty choice are refused."""
    stages = notebooks()
    if sum(map(bool, (first or last, only, needed_by))) > 1:
        raise ParameterError("of --only, --needed-by, and --from with --to, only one can choose the chapters")
    if needed_by:
        return ancestors(_name(needed_by, stages), stages)
    if only:
        return [_name(only, stages)]
    chosen = list(stages)
    if last:
        end = _name(last, stages)
        chosen = [name for name in chosen if name in {end, *ancestors(end, stages)}] if not first else chosen
        chosen = [name for name in chosen if name <= end]
    if first:
        chosen = [name for name in chosen if name >= _name(first, stages)]
    if not chosen:
        raise ParameterError(f"no chapter lies between --from {first} and --to {last}; exchange the two")
    return chosen


def plan(
    run: RunDirectory, profile: str, overrides: Mapping[str, Any], stages: Sequence[str], force: bool = False
) -> list[Step]:
    """What each stage needs, in order; a stage after one that must run is judged when its turn comes."""
    _check_overrides(overrides, stages)
    return [Step(stage, _reason(run, profile, overrides, stage, force)) for stage in stages]


def run_chain(
    run: RunDirectory,
    profile: str,
    overrides: Mapping[str, Any],
    stages: Sequence[str],
    force: bool = False,
    say: Say = lambda text: None,
) -> int:
    """Run the stages that are not up to date; return how many ran.

    With `force`, what had finished or failed is set aside and made anew; what was interrupted goes on.

    Raises ChainError at the first notebook that fails, and StoppedError after SIGTERM or SIGUSR1; what was done before
    stays done.
    """
    _check_overrides(overrides, stages)
    for stage in stages:
        _resolve(profile, overrides, stage)
    ran = 0
    known: dict[str, str | None] = {}  # the stages that were found up to date or made by this very run
    with RunLock(run.path), stopping.StopSignals(run.path):
        run.initialise(profile, dict(overrides))
        for position, stage in enumerate(stages, 1):
            if stopping.requested():
                raise StoppedError(stopping.ADVICE)
            reason = _reason(run, profile, overrides, stage, force, dict(known))
            title = f"[{position:2d}/{len(stages)}] {stage}"
            known[stage] = None
            if reason is None:
                say(f"{title}: up to date")
                continue
            say(f"{title}: {reason}, running")
            if force and (manifests.load(run.stage(stage)) is not None or run.failed(stage).exists()):
                run.set_aside(stage)
                run.failed(stage).unlink(missing_ok=True)
            started = time.perf_counter()
            _execute(run, profile, overrides, notebooks()[stage], title, say)
            found = manifests.load(run.stage(stage))
            if found is None:
                raise ChainError(f"{stage} ended without a manifest; its last code cell must call stage.finish()")
            memory = found.measured["peak_memory_bytes"] / 1e9
            say(f"{title}: done in {time.perf_counter() - started:.0f} s, {memory:.1f} GB")
            ran += 1
    return ran


def _check_overrides(overrides: Mapping[str, Any], stages: Sequence[str]) -> None:
    for name in overrides:
        profiles.knob(name)
        if not any(_declares(notebooks()[stage], name) for stage in stages):
            raise ParameterError(f"none of {', '.join(stages)} has a parameter {name!r}")


def _resolve(profile: str, overrides: Mapping[str, Any], stage: str) -> dict[str, Any]:
    notebook = notebooks()[stage]
    return state.resolve(
        notebook, profile, {key: value for key, value in overrides.items() if _declares(notebook, key)}
    )


def _declares(notebook: Notebook, name: str) -> bool:
    return name in (*notebook.knobs, *profiles.COMMON)


def _reason(
    run: RunDirectory,
    profile: str,
    overrides: Mapping[str, Any],
    stage: str,
    force: bool,
    known: dict[str, str | None] | None = None,
) -> str | None:
    if force:
        return "forced"
    found = state.problem(stage, run, _resolve(profile, overrides, stage), known)
    if found is None and not run.notebook(stage).exists():
        return "has no executed notebook"
    return found


def _name(text: str, stages: Mapping[str, Notebook]) -> str:
    for name in stages:
        if text in (name, name[:2]) or text == name.partition("_")[2]:
            return name
    raise ParameterError(f"no stage {text!r}{profiles.nearest(text, stages)}; there are {', '.join(stages)}")


def _execute(
    run: RunDirectory, profile: str, overrides: Mapping[str, Any], notebook: Notebook, title: str, say: Say
) -> None:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    parameters = {"profile": profile, "run_dir": str(run.path)}
    parameters |= {name: value for name, value in overrides.items() if _declares(notebook, name)}
    target = run.notebook(notebook.stage)
    target.parent.mkdir(parents=True, exist_ok=True)
    output = target.with_name(f".tmp-{target.name}")
    run.forget_progress()
    watcher = Watcher(run, title, say)
    os.environ["SC2_RUNNER"] = "1"
    # Threads that spin while they wait take the cores from each other as soon as the machine does anything else.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        with space_for(target):
            _papermill(notebook, output, parameters)
        output.replace(target)
        run.failed(notebook.stage).unlink(missing_ok=True)
    except PapermillExecutionError as error:
        if error.ename == StoppedError.__name__:
            raise StoppedError(f"{title}: {error.evalue}") from error
        kept = run.failed(notebook.stage)
        kept.parent.mkdir(parents=True, exist_ok=True)
        output.replace(kept)
        raise ChainError(_explain(error, notebook, kept)) from error
    except DeadKernelError as error:
        if stopping.requested():  # a signal to all processes of a job has reached the kernel too
            raise StoppedError(f"{title}: {stopping.ADVICE}") from error
        raise ChainError(
            f"the kernel of notebooks/{notebook.path.name} died; something killed it, or memory ran out "
            f"(sc2 doctor shows what is free, fewer workers need less); the same command goes on where it stopped"
        ) from error
    except KeyboardInterrupt:
        # The cell that was running fails as well; asyncio would print its whole traceback when nobody asks for it.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        if stopping.requested():
            raise StoppedError(f"{title}: {stopping.ADVICE}") from None
        raise
    finally:
        output.unlink(missing_ok=True)
        os.environ.pop("SC2_RUNNER", None)
        watcher.stop()


def _papermill(notebook: Notebook, output: Path, parameters: dict[str, Any]) -> None:
    """Execute one notebook; a kernel that does not start is tried again.

    Jupyter chooses free ports and lets the kernel bind them later: on a busy machine another process may be faster.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    # It warns of parameters that the notebook's cell does not have: `Stage.open` takes those that every stage has.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    for left in reversed(range(KERNEL_STARTS)):
        try:
            papermill.execute_notebook(
                str(notebook.path),
                str(output),
                parameters=parameters,
                cwd=str(root()),
                progress_bar=False,
                kernel_name="python3",
                request_save_on_cell_execute=False,
                start_timeout=KERNEL_START_SECONDS,
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
            )
            return
        except DeadKernelError:
            raise
        except RuntimeError as error:  # of jupyter_client, before the first cell
            if not left:
                raise ChainError(
                    f"no kernel started for notebooks/{notebook.path.name}, tried {KERNEL_STARTS} times: {error}; "
                    f"see whether this works: {sys.executable} -m ipykernel --help"
                ) from error


def _explain(error: Any, notebook: Notebook, kept: Path) -> str:
    cells = nbformat.read(notebook.path, as_version=4).cells
    source = error.source.strip().split("\n")[0] if error.source else ""
    number = next((index for index, cell in enumerate(cells, 1) if cell.source.strip() == error.source.strip()), "?")
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(error.evalue))
    return (
        f"notebooks/{notebook.path.name}, cell {number} ({source!r}): {error.ename}: {message}\n"
        f"everything before is kept; the failed notebook, with its traceback, is {kept}"
    )


class Watcher:
    """Shows how far the running stage is: on a terminal in one line that is redrawn, else a line now and then."""

    def __init__(self, run: RunDirectory, title: str, say: Say, seconds: float = 15.0) -> None:
        self._run, self._title, self._say = run, title, say
        self._redraw = sys.stderr.isatty()
        self._interval = 0.5 if self._redraw else seconds
        self._started = time.perf_counter()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the display."""
        self._stopped.set()
        self._thread.join()
        if self._redraw:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            line = f"{self._title}: {time.perf_counter() - self._started:4.0f} s"
            report = self._run.progress()
            if report.get("stage") and report["stage"] in self._title and report["total"]:
                line += f", {report['label']} {report['done']:,g} of {report['total']:,g}"
            if self._redraw:
                sys.stderr.write(f"\r\x1b[K{line}")
                sys.stderr.flush()
            else:
                self._say(line)
