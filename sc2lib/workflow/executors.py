"""Where the data stages run: a function over independent items, on this machine or on a Ray cluster.

Both executors run the same function on the same items, so the output bytes cannot differ.
"""

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import forkserver
from typing import Any, Protocol

from sc2lib.errors import StageError, StoppedError, UnsupportedError
from sc2lib.workflow import stopping
from sc2lib.workflow.measure import usable_cores

# Imported once by the fork server, so that the pools of a stage's many steps start warm.
PRELOADED = ("sc2lib.workflow.stage",)


class Executor(Protocol):
    """Applies a module-level function to items; results come in any order, each with its item's index."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) as items finish; the first error stops the rest and is raised."""
        ...

    def held(self) -> AbstractContextManager[object]:
        """Until this ends, `map` may keep what it started for the next `map`."""
        ...


class LocalExecutor:
    """Processes of this machine; one worker means the calling process itself."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or usable_cores()
        self._held: ProcessPoolExecutor | None = None

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`. Costs about a second to start the processes, unless they are held; then a single item
        is theirs too, who have imported what it needs."""
        if self.workers == 1 or (len(items) <= 1 and self._held is None):
            for index, item in enumerate(items):
                yield index, function(item)
            return
        pool = self._held or self._pool(min(self.workers, len(items)), [*PRELOADED, function.__module__])
        futures = {pool.submit(function, item): index for index, item in enumerate(items)}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise StageError(
                "a worker process died, most often because memory ran out; what was finished is kept: "
                "run the stage again, with workers=1 if it happens again"
            ) from error
        finally:
            for future in futures:
                future.cancel()
            if self._held is None:
                pool.shutdown(wait=True, cancel_futures=True)

    @contextmanager
    def held(self) -> Iterator["LocalExecutor"]:
        """Keep the same processes from one `map` to the next."""
        self._held = None if self.workers == 1 else self._pool(self.workers, PRELOADED)
        try:
            yield self
        finally:
            if self._held is not None:
                self._held.shutdown(wait=True, cancel_futures=True)
            self._held = None

    def _pool(self, workers: int, modules: Sequence[str]) -> ProcessPoolExecutor:
        # A fork of a kernel full of threads can deadlock; a fork server starts clean.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(modules))
        return ProcessPoolExecutor(workers, mp_context=context)


def start_ahead(modules: Sequence[str], workers: int = 0) -> None:
    """Let the fork server import `modules` while the caller still imports its own: they are there when a map begins."""
    if workers != 1:
        multiprocessing.get_context("forkserver").set_forkserver_preload(list(modules))
        forkserver.ensure_running()


class RayExecutor:
    """Tasks of a Ray cluster (``RAY_ADDRESS``, else one started here); shards lie on a shared file system.

    Raises UnsupportedError without Ray or when it does not start, StoppedError when SIGTERM comes while it starts;
    later the process answers signals as it did before, and not as Ray would: with a stack trace and an exit code of
    its own.
    """

    def __init__(self, workers: int = 0) -> None:
        try:
            import ray
        except ImportError as error:
            raise UnsupportedError(
                "executor=ray needs Ray: pip install 'sc2lib[cluster]', or use executor=local"
            ) from error
        if not ray.is_initialized():
            given = os.environ.get("RAY_ADDRESS")
            try:
                with stopping.handlers_kept():
                    ray.init(
                        address=given or "local",  # without one, Ray would join any cluster that runs on this machine
                        num_cpus=None if given else workers or None,
                        log_to_driver=False,
                        include_dashboard=False,
                        logging_level=logging.ERROR,
                    )
            except SystemExit as error:  # how Ray answers SIGTERM while it starts
                raise StoppedError(stopping.ADVICE) from error
            except Exception as error:  # Ray raises ConnectionError, ValueError, and bare exceptions
                where = f"join the cluster at RAY_ADDRESS={given}" if given else "start on this machine"
                remedy = (
                    "look at ray status there, unset RAY_ADDRESS" if given else "see that processes and memory are free"
                )
                said = " ".join(str(error).split()) or type(error).__name__
                raise UnsupportedError(f"Ray cannot {where}: {said}; {remedy}, or use executor=local") from error
        self.ray = ray

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`. A task whose worker or node dies is run again by Ray, three times at most.

        Raises StageError when that does not help, or when the node of this process itself dies.
        """
        task = self.ray.remote(max_retries=3)(function)
        pending = {task.remote(item): index for index, item in enumerate(items)}
        try:
            while pending:
                ready, _ = self.ray.wait(list(pending), num_returns=1)
                for reference in ready:
                    index = pending.pop(reference)
                    try:
                        yield index, self.ray.get(reference)
                    except self.ray.exceptions.RayTaskError as error:
                        raise error.as_instanceof_cause() from error
        except self.ray.exceptions.RayError as error:
            said = " ".join(str(error).split())
            raise StageError(
                f"Ray lost a task ({type(error).__name__}: {said}), most often because a node died or memory ran out; "
                "what was finished is kept: see that the nodes in ray status are alive, and run it again"
            ) from error
        finally:
            for reference in pending:
                self.ray.cancel(reference)

    def held(self) -> AbstractContextManager[object]:
        """Ray keeps its workers by itself."""
        return nullcontext()


def executor(name: str, workers: int = 0) -> Executor:
    """The executor of that name: ``local`` or ``ray``."""
    if name == "ray":
        return RayExecutor(workers)
    return LocalExecutor(workers)
