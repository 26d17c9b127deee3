"""What a run cost: one row per finished stage, from the manifests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from sc2lib import figures
from sc2lib.errors import InputError
from sc2lib.files import sha256
from sc2lib.workflow.manifest import Manifest

COSTS = pa.schema(
    [
        ("stage", pa.string()),
        ("profile", pa.string()),
        ("cores", pa.int32()),
        *((name, pa.float64()) for name in ("wall_seconds", "share")),
        *((name, pa.int64()) for name in ("peak_memory_bytes", "files", "rows", "bytes")),
        ("bytes_per_second", pa.float64()),
    ]
)
RATES = pa.schema([("stage", pa.string()), ("rate", pa.string()), ("per_second", pa.float64())])


def costs(manifests: Mapping[str, Manifest]) -> pa.Table:
    """COSTS rows: wall time and its share of the run, peak memory, what was written and how fast.

    `rows` counts Parquet rows, `files` and `bytes` all outputs. A number a stage did not measure is null.
    """
    total = sum(manifest.measured.get("wall_seconds") or 0 for manifest in manifests.values())
    rows = []
    for name in sorted(manifests):
        manifest = manifests[name]
        entries = [entry for output in manifest.outputs.values() for entry in output]
        seconds = manifest.measured.get("wall_seconds")
        written = sum(entry["bytes"] for entry in entries)
        rows.append(
            {
                "stage": name,
                "profile": manifest.profile,
                "cores": manifest.measured.get("cores"),
                "wall_seconds": seconds,
                "share": seconds / total if seconds is not None and total else None,
                "peak_memory_bytes": manifest.measured.get("peak_memory_bytes"),
                "files": len(entries),
                "rows": sum(entry.get("rows") or 0 for entry in entries),
                "bytes": written,
                "bytes_per_second": written / seconds if seconds else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=COSTS)


def described(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """A COSTS row for a reader: stage, time, share, peak memory, files, rows and bytes written."""
    time, share = figures.duration(row["wall_seconds"]), figures.percent(row["share"])
    memory, written = (figures.size(row[name]) for name in ("peak_memory_bytes", "bytes"))
    return row["stage"].replace("_", " "), time, share, memory, row["files"], row["rows"], written


def rates(manifests: Mapping[str, Manifest]) -> pa.Table:
    """RATES rows: every number a stage measured under a name with ``_per_second`` in it, at any depth."""
    rows = [
        {"stage": stage, "rate": name, "per_second": float(value)}
        for stage in sorted(manifests)
        for name, value in _numbers(manifests[stage].measured)
        if "_per_second" in name
    ]
    return pa.Table.from_pylist(rows, schema=RATES)


def unchanged(run: Path, manifests: Mapping[str, Manifest], limit_bytes: int = 64 << 20) -> tuple[int, int]:
    """Hash the outputs of the run again, smallest first until `limit_bytes`; return how many files and bytes.

    Raises InputError for the first that differs from its manifest.
    """
    entries = [
        (entry["bytes"], stage, entry["path"], entry["sha256"])
        for stage, manifest in manifests.items()
        for output in manifest.outputs.values()
        for entry in output
    ]
    files = total = 0
    for size, stage, path, digest in sorted(entries):
        if total + size > limit_bytes:
            break
        if sha256(run / stage / path) != digest:
            raise InputError(f"{run / stage / path} is not what {stage} wrote; run the stage again with --force")
        files, total = files + 1, total + size
    return files, total


def amdahl(share: float, speed_up: float) -> float:
    """How much faster a whole becomes when `share` of its time (0 to 1) runs `speed_up` times faster (Amdahl 1967)."""
    return 1 / (1 - share + share / speed_up)


def _numbers(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    found = []
    for key in sorted(values):
        value = values[key]
        if isinstance(value, Mapping):
            found += _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.append((f"{prefix}{key}", value))
    return found
