"""Steps that the tests' own notebooks run; importable by worker processes."""

import os
import sys
import time
from pathlib import Path

import pyarrow as pa

from sc2lib.errors import InputError


def square(table: pa.Table, seconds: float = 0.0) -> pa.Table:
    time.sleep(seconds)
    return pa.table({"n": [n * n for n in table["n"].to_pylist()]})


def ray_node(item: int) -> str | None:
    """The machine of the Ray cluster that this runs on, None outside Ray."""
    time.sleep(0.2)
    ray = sys.modules.get("ray")
    return str(ray.get_runtime_context().get_node_id()) if ray is not None and ray.is_initialized() else None


def refuse_odd(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    even = [n for n in table["n"].to_pylist() if n % 2 == 0]
    odd = [n for n in table["n"].to_pylist() if n % 2]
    return pa.table({"n": pa.array(even, pa.int64())}), pa.table({"n": pa.array(odd, pa.int64())})


def fail_on_seven(table: pa.Table) -> pa.Table:
    if 7 in table["n"].to_pylist():
        raise InputError("seven is not welcome; remove it")
    return table


def die(table: pa.Table) -> pa.Table:
    os.kill(os.getpid(), 9)
    return table


def count(path: Path, start: int, stop: int) -> None:
    path.write_text("\n".join(map(str, range(start, stop))))
