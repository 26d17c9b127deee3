"""NumPy arrays and Arrow tables in folders, written whole or not at all and read through memory maps."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib import files

SMALL = 1 << 16  # bytes: below, a copy is cheaper than a map


def save(folder: Path, order: pa.Table | None = None, **arrays: npt.NDArray[Any]) -> None:
    """Write arrays as ``<folder>/<name>.npy``, and a table as ``order.arrow``; the folder appears when all is there."""
    with files.atomic(folder) as temporary:
        temporary.mkdir()
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array)
        if order is not None:
            write_table(temporary / "order.arrow", order)


def load(folder: Path, name: str) -> npt.NDArray[Any]:
    """An array of `save`, mapped into memory if it is large."""
    path = folder / f"{name}.npy"
    return np.load(path, mmap_mode="r" if path.stat().st_size > SMALL else None)


def take_sets(
    hashes: npt.NDArray[np.uint64], offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Chosen rows of ragged sets, end to end, and their offsets."""
    sizes = offsets[rows + 1] - offsets[rows]
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    result = np.empty(int(ends[-1]), np.uint64)
    for row, start, stop in zip(rows.tolist(), ends[:-1].tolist(), ends[1:].tolist()):
        result[start:stop] = hashes[offsets[row] : offsets[row + 1]]
    return result, ends


def write_table(path: Path, table: pa.Table) -> None:
    """Write an Arrow file that can be mapped into memory."""
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def read_table(path: Path) -> pa.Table:
    """Map an Arrow file into memory."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
