"""What near-deduplication of a larger corpus would cost, from what a run measured. Nothing here is deterministic."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sc2lib.dedup.engine import Mapper
from sc2lib.dedup.options import DedupOptions
from sc2lib.files import write_text

STACK_V2_BYTES = 67.5e12  # The Stack v2 before near-deduplication, all languages (V: data card)
STACK_V2_FILES = 3.28e9  # its unique files (V2)


class Meter:
    """A mapper that adds up the wall time of every step, by label, in a file that outlives an interruption."""

    def __init__(self, mapper: Mapper, path: Path) -> None:
        self._mapper = mapper
        self._path = path
        self.seconds: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def __call__(self, function: Callable[[Any], Any], items: Sequence[Any], label: str) -> Any:
        started = time.perf_counter()
        result = self._mapper(function, items, label)
        self.seconds[label] = self.seconds.get(label, 0.0) + time.perf_counter() - started
        write_text(self._path, json.dumps(self.seconds))
        return result


@dataclass(frozen=True)
class Estimate:
    """A step scaled to another corpus: core hours, and terabytes written."""

    step: str
    megabytes_per_core_second: float
    core_hours: float


def estimates(
    seconds: dict[str, float], measured_bytes: float, cores: int, corpus_bytes: float = STACK_V2_BYTES
) -> list[Estimate]:
    """Each step in proportion to the bytes of text. The join and the verification grow with the duplicates as well."""
    return [
        Estimate(step, measured_bytes / 1e6 / (wall * cores), wall * cores / measured_bytes * corpus_bytes / 3600)
        for step, wall in seconds.items()
    ]


def sketch_bytes(options: DedupOptions) -> int:
    """Bytes on disk for a file: keys by row and sorted with their rows, a byte a position, and a flag."""
    return options.bands * (8 + 8 + 4) + options.positions + 1
