"""The state of a run as a folder that any number of processes writes and any other number reads.

Every process writes its own shards (`torch.distributed.checkpoint`) and hashes its file; the first one then writes
`checkpoint.json` with all hashes. Tensors are stored by name and position, not by process, so a run may go on with
more or fewer processes, or cut in another way.
"""

import io
import json
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.api import CheckpointException

from sc2lib.errors import InputError, RunDirectoryError
from sc2lib.files import remove, sha256, write_text

MANIFEST = "checkpoint.json"
FORMAT = 1
REST = "rest"


class StateWriter:
    """Writes one state at a time; in the `background`, the run goes on when its state is copied to the CPU's memory.

    All processes call the same methods in the same order. In the background the processes talk over a group of their
    own, because the training uses the other one at the same time.
    """

    def __init__(self, background: bool = False) -> None:
        self.background = background
        self._group: dist.ProcessGroup | None = None
        self._folder = Path()
        self._hashes: Future[dict[str, str]] | None = None

    def begin(self, folder: Path, tensors: Mapping[str, Any], rest: Any) -> None:
        """Write nested dictionaries of tensors (whole or sharded) and any picklable `rest` into `folder`."""
        buffer = io.BytesIO()
        torch.save(rest, buffer)
        state, alone = {**tensors, REST: buffer.getvalue()}, _ranks() == 1
        self._folder = folder
        if not self.background:
            self._hashes = Future()
            with self._explained(), _quiet():
                dcp.save(state, checkpoint_id=folder, no_dist=alone)
            self._hashes.set_result(_own_hashes(folder))
            return
        if self._group is None and not alone:
            self._group = dist.new_group(backend="gloo")
        with _quiet():
            written = dcp.async_save(state, checkpoint_id=folder, no_dist=alone, process_group=self._group)
        assert isinstance(written, Future)
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hash")
        self._hashes = thread.submit(lambda: (written.result(), _own_hashes(folder))[1])
        thread.shutdown(wait=False)

    @property
    def done(self) -> bool:
        """Whether this process has written its part."""
        return self._hashes is None or self._hashes.done()

    def finish(self) -> None:
        """Wait for all processes' parts and write the file with their hashes, which makes the state readable.

        Raises RunDirectoryError, on every process, when one of them could not write; the folder is then removed.
        """
        assert self._hashes is not None
        pending, self._hashes = self._hashes, None
        with self._explained():
            own = pending.result()
        hashes: dict[str, str] = {}
        for part in _all(own):
            hashes |= part
        if _rank() == 0:
            values = {"format": FORMAT, "processes": _ranks(), "sha256": hashes}
            write_text(self._folder / MANIFEST, json.dumps(values, indent=2, sort_keys=True) + "\n")

    def abandon(self) -> None:
        """Before the run ends in an error: let a write of this process alone end, so that a next run finds no writer.

        Of several processes each ends with its run, and one that died would be waited for in vain.
        """
        if self._hashes is not None and _ranks() == 1:
            self._hashes.exception()
        self._hashes = None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except CheckpointException as error:
            self._hashes = None
            if _rank() == 0:
                remove(self._folder)
            causes = "; ".join(f"process {rank}: {cause!r}" for rank, (cause, _) in error.failures.items())
            raise RunDirectoryError(
                f"cannot write the checkpoint {self._folder} ({causes}): free some space and run the same command "
                "again; it goes on from the checkpoint before"
            ) from error


def _own_hashes(folder: Path) -> dict[str, str]:
    own = sorted(folder.glob(f"__{_rank()}_*.distcp")) + ([folder / ".metadata"] if _rank() == 0 else [])
    return {path.name: sha256(path) for path in own}


def read_state(folder: Path, tensors: dict[str, Any]) -> Any:
    """Fill `tensors`, which has the names and shapes of what was written, in place, and return the rest.

    Raises InputError, on every process, when a file is missing or has other bytes than were written, or when the
    shapes differ.
    """
    names = sorted(_manifest(folder)["sha256"].items())
    mine = names[_rank() :: _ranks()]
    damaged = [name for name, hash in mine if not (folder / name).is_file() or sha256(folder / name) != hash]
    damaged = sorted(name for part in _all(damaged) for name in part)
    if damaged:
        raise InputError(f"{folder}: {', '.join(damaged)} missing or not as written; {remedy(folder)}")
    state = {**tensors, REST: b""}
    try:
        with _quiet():
            dcp.load(state, checkpoint_id=folder, no_dist=_ranks() == 1)
    except CheckpointException as error:
        causes = "; ".join(str(cause) for cause, _ in error.failures.values())
        raise InputError(f"{folder} holds another model than this one ({causes}); {remedy(folder)}") from error
    return torch.load(io.BytesIO(state[REST]), weights_only=True)


def remedy(folder: Path) -> str:
    """What to do about a checkpoint that cannot be used."""
    return f"delete {folder} to go on from the checkpoint before it, or to start anew when there is none"


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        found = values["format"]
        if found == FORMAT and isinstance(values["sha256"], dict):
            return dict(values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is missing or damaged ({error!r}); {remedy(folder)}") from error
    raise InputError(f"{path} is of format {found}, this version reads format {FORMAT}; {remedy(folder)}")


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def _ranks() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _all(value: Any) -> list[Any]:
    """The values of all processes, by rank."""
    if _ranks() == 1:
        return [value]
    values: list[Any] = [None] * _ranks()
    dist.all_gather_object(values, value)
    return values


@contextmanager
def _quiet() -> Iterator[None]:
    """One process without a process group is what we ask for, not an accident to be warned of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*torch.distributed is disabled.*")
        yield
