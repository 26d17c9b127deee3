"""Runs in processes of their own, forked from one that has done the imports once for all of them."""

import json
import multiprocessing
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor

from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TrainingSamples
from sc2lib.training.run import run, train


def start(config: TrainingConfig) -> BaseProcess:
    """Begin the run in one process."""
    return _start(run, config)


def start_ranks(
    config: TrainingConfig, end: int | None = None, end_rank: int | None = None, count: Path | None = None
) -> list[BaseProcess]:
    """Begin the run as ranks, with the variables that torchrun sets.

    A rank that is asked for sample `end` kills itself (`end_rank`: only that rank), as a machine that fails. The first
    rank writes to `count` what `counting` counted.
    """
    Path(config.run.folder).mkdir(parents=True, exist_ok=True)
    port = _free_port()
    ranks = range(config.run.world)
    ends = [end if end_rank in (None, rank) else None for rank in ranks]
    return [_start(_rank, config, rank, port, ends[rank], None if rank else count) for rank in ranks]


def start_group(world: int, function: Callable[..., object], *arguments: object) -> list[BaseProcess]:
    """Call `function(rank, *arguments)` in `world` processes that talk over gloo."""
    port = _free_port()
    return [_start(_member, rank, world, port, function, arguments) for rank in range(world)]


def finish(processes: list[BaseProcess]) -> list[int | None]:
    """Wait for the processes; their exit codes."""
    for process in processes:
        process.join(120)
    return [process.exitcode for process in processes]


@contextmanager
def ending_at(sample: int, end: Callable[[], None]) -> Iterator[None]:
    """Call `end` when a sample from `sample` on is read."""
    read = TrainingSamples.__getitem__

    def reading(self: TrainingSamples, number: int):  # type: ignore[no-untyped-def]
        if number >= sample:
            end()
        return read(self, number)

    TrainingSamples.__getitem__ = reading  # type: ignore[method-assign]
    try:
        yield
    finally:
        TrainingSamples.__getitem__ = read  # type: ignore[method-assign]


class Broken(Exception):
    """What `interrupt` raises."""


def interrupt() -> None:
    """An end for `ending_at` that leaves the process alive."""
    raise Broken


@contextmanager
def full_disk_at(sample: int) -> Iterator[None]:
    """No file grows beyond 4 KiB once a sample from `sample` on is read; a checkpoint is larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with ending_at(sample, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))):
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def counting(path: Path) -> Iterator[None]:
    """Write to `path` at the end, as JSON, the bytes of each whole tensor that FSDP2 gathered and scattered."""
    gathered: list[int] = []
    scattered: list[int] = []
    gather, scatter = dist.all_gather_single, dist.reduce_scatter_single

    def gathering(output: Tensor, input: Tensor, **more: Any) -> object:
        gathered.append(output.nbytes)
        return gather(output, input, **more)

    def scattering(output: Tensor, input: Tensor, **more: Any) -> object:
        scattered.append(input.nbytes)
        return scatter(output, input, **more)

    with mock.patch.multiple(dist, all_gather_single=gathering, reduce_scatter_single=scattering):
        yield
    path.write_text(json.dumps({"gathered": gathered, "scattered": scattered}))


def _rank(config: TrainingConfig, rank: int, port: int, end: int | None, count: Path | None) -> None:
    world = config.run.world
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), GROUP_RANK="0", WORLD_SIZE=str(world))
    os.environ.update(LOCAL_WORLD_SIZE=str(world), TORCHELASTIC_RUN_ID="test")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    if end is None:
        with counting(count) if count else nullcontext():
            train(config)
        return
    with ending_at(end, lambda: os.kill(os.getpid(), signal.SIGKILL)):
        train(config)


def _member(rank: int, world: int, port: int, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
    function(rank, *arguments)
    dist.destroy_process_group()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _start(function: Callable[..., object], *arguments: object) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.processes"])
    process = context.Process(target=function, args=arguments)
    process.start()
    return process
