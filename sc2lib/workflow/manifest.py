"""Manifests: what a stage read, did and wrote, as JSON, written last.

The digest of a manifest covers what successors can see (stage, parameters, inputs, outputs), so a stage that is
made again with the same result leaves its successors fresh. Times and memory are kept apart in `measured`.
"""

import hashlib
import html
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from sc2lib import __version__
from sc2lib.errors import RunDirectoryError
from sc2lib.files import sha256, write_text

SCHEMA = 1
NAME = "manifest.json"
PACKAGES = ("numpy", "pyarrow", "duckdb", "torch", "lightning", "tokenizers", "transformers", "enry-python")


@dataclass(frozen=True)
class Manifest:
    """One finished stage."""

    stage: str
    profile: str
    key: str
    code: str
    params: dict[str, Any]
    inputs: dict[str, str]
    outputs: dict[str, list[dict[str, Any]]]
    metrics: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)  # digests of the files that parameters name
    schema: int = SCHEMA
    version: str = __version__

    @property
    def digest(self) -> str:
        """SHA-256 of what a successor can depend on."""
        seen = [self.schema, self.stage, self.params, self.inputs, self.outputs]
        return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()

    def total(self, name: str, what: str) -> int:
        """Sum of `what` (bytes or rows) over the files of output `name`."""
        return sum(entry.get(what) or 0 for entry in self.outputs.get(name, []))

    def _repr_html_(self) -> str:
        rows: list[tuple[str, ...]] = [("output", "files", "rows", "bytes")]
        for name, entries in self.outputs.items():
            counted = f"{self.total(name, 'rows'):,}" if any("rows" in entry for entry in entries) else ""
            rows.append((name, str(len(entries)), counted, f"{self.total(name, 'bytes'):,}"))
        head, *body = ["".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) for tag, row in _tagged(rows)]
        lines = "".join(f"<tr>{row}</tr>" for row in body)
        seconds = self.measured.get("wall_seconds", 0.0)
        memory = self.measured.get("peak_memory_bytes", 0) / 1e9
        table = f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'
        facts = f"<p>{html.escape(self.stage)}: {seconds:.1f} s, {memory:.2f} GB, digest {self.digest[:12]}</p>"
        return table + facts if lines else facts

    def save(self, folder: Path) -> None:
        """Write ``manifest.json`` atomically."""
        write_text(folder / NAME, json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")


def _tagged(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    return [("td" if index else "th", row) for index, row in enumerate(rows)]


def load(folder: Path) -> Manifest | None:
    """The manifest of a stage's folder, or None; one of another schema is refused."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        schema = content["schema"]
        if schema == SCHEMA:
            return Manifest(**content)
    except (ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(f"{path} cannot be read ({error}); delete it and run the stage again") from error
    raise RunDirectoryError(
        f"{path} has schema {schema}, this version of the book writes {SCHEMA}; "
        "choose another --run-dir, or delete this one"
    )


def describe(folder: Path, exclude: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """Every file below `folder` by output name (the first part of its path): path, bytes, sha256, rows."""
    from pyarrow.parquet import read_metadata

    outputs: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if not path.is_file() or relative.parts[0] in exclude:
            continue
        entry: dict[str, Any] = {
            "path": relative.as_posix(),
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        }
        if path.suffix == ".parquet":
            entry["rows"] = read_metadata(path).num_rows
        outputs.setdefault(relative.parts[0], []).append(entry)
    return outputs


def plain(value: Any) -> Any:
    """Turn NumPy scalars, arrays, tuples and paths into what JSON knows."""
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "tolist"):  # a scalar or an array of NumPy
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    return value


def packages() -> dict[str, str]:
    """Versions of Python and the packages whose results matter."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
