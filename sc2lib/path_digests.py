"""What lies at a path, as a digest: other files there, other results from a stage that is given the path.

Files of up to a megabyte count by their content, so that a copy of the same rules counts as the same. Of larger ones,
such as the weights of a model, size and time of change count: reading them each time a run is looked at would take
minutes.
"""

import hashlib
import json
from pathlib import Path

from sc2lib.files import sha256

READ_UP_TO = 1 << 20  # bytes


def path_digest(path: Path) -> str | None:
    """SHA-256 (hexadecimal) over the name, size and content of a file, or of all below a folder; None without any.

    Hidden files do not count: an editor's, a download's and those of a write that was broken off.
    """
    if path.is_file():
        return _digest([_entry(path, path.name)])
    inside = ((file, file.relative_to(path)) for file in sorted(path.rglob("*")) if file.is_file())
    entries = [
        _entry(file, name.as_posix()) for file, name in inside if not any(part.startswith(".") for part in name.parts)
    ]
    return _digest(entries) if entries else None


def _entry(file: Path, name: str) -> tuple[str, int, str | int]:
    state = file.stat()
    return name, state.st_size, sha256(file) if state.st_size <= READ_UP_TO else state.st_mtime_ns


def _digest(entries: list[tuple[str, int, str | int]]) -> str:
    return hashlib.sha256(json.dumps(entries).encode()).hexdigest()
