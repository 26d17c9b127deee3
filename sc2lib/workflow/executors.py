"""Where the data stages run: a function over independent items, on this machine or on a Ray cluster.

Both executors run the same function on the same items, so the output bytes cannot differ.
"""

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from sc2lib.errors import StageError, UnsupportedError

# Imported once by the fork server, so that the pools of a stage's many steps start warm.
PRELOADED = ("sc2lib.workflow.stage", "scipy.sparse.csgraph")


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Executor(Protocol):
    """Applies a module-level function to items; results come in any order, each with its item's index."""

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield (index, result) as items finish; the first error stops the rest and is raised."""
        ...


class LocalExecutor:
    """Processes of this machine; one worker means the calling process itself."""

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else workers or 2

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`. Costs about a second to start the processes."""
        if self.workers == 1 or len(items) <= 1:
            for index, item in enumerate(items):
                yield index, function(item)
            return
        # A fork of a kernel full of threads can deadlock; a fork server starts clean.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([*PRELOADED, function.__module__])
        pool = ProcessPoolExecutor(min(self.workers, len(items)), mp_context=context)
        try:
            futures = {pool.submit(function, item): index for index, item in enumerate(items)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise StageError(
                "a worker process died, most often because memory ran out; what was finished is kept: "
                "run the stage again, with workers=1 if it happens again"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class RayExecutor:
    """Tasks of a Ray cluster (``RAY_ADDRESS``, else one started here); shards lie on a shared file system."""

    def __init__(self, workers: int = 0) -> None:
        try:
            import ray
        except ImportError as error:
            raise UnsupportedError(
                "executor=ray needs Ray: pip install 'sc2lib[cluster]', or use executor=local"
            ) from error
        if not ray.is_initialized():
            ray.init(
                address=os.environ.get("RAY_ADDRESS"),
                num_cpus=None if "RAY_ADDRESS" in os.environ else workers or None,
                log_to_driver=False,
                include_dashboard=False,
                logging_level=logging.ERROR,
            )
        self.ray = ray

    def map(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """See `Executor.map`. A task whose worker or node dies is run again by Ray, three times at most."""
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
        finally:
            for reference in pending:
                self.ray.cancel(reference)


def executor(name: str, workers: int = 0) -> Executor:
    """The executor of that name: ``local`` or ``ray``."""
    if name == "ray":
        return RayExecutor(workers)
    return LocalExecutor(workers)
