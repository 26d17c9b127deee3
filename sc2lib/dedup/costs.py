"""What near-deduplication of a larger corpus would cost, from what a run measured. Nothing here is deterministic."""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sc2lib.dedup import arrays
from sc2lib.dedup.engine import RANGE_KEYS
from sc2lib.dedup.exchange import openings
from sc2lib.dedup.families import GROUP_ROWS
from sc2lib.dedup.join import read_keys
from sc2lib.dedup.options import DedupOptions
from sc2lib.dedup.steps import Mapper
from sc2lib.files import write_text

STACK_V2_BYTES = 67.5e12  # The Stack v2 before near-deduplication, all languages (V: data card)
STACK_V2_FILES = 3.28e9  # its unique files (V2)
PIECE_BYTES = 1 << 25  # of a piece, as sc2 dedup cuts them


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
    """A step scaled to another corpus: core hours, and how many of them only open files."""

    step: str
    megabytes_per_core_second: float
    core_hours: float
    opening_hours: float


def estimates(
    seconds: dict[str, float],
    measured_bytes: float,
    cores: int,
    corpus_bytes: float = STACK_V2_BYTES,
    opened: Mapping[str, float] | None = None,
    seconds_each: float = 0.0,
) -> list[Estimate]:
    """Each step in proportion to the bytes of text, and what it opens besides: `opened` counts that, by step.

    The join and the verification grow with the duplicates as well.
    """
    found = []
    for step, wall in seconds.items():
        opening = (opened or {}).get(step, 0) * seconds_each / 3600
        hours = wall * cores / measured_bytes * corpus_bytes / 3600
        found.append(Estimate(step, measured_bytes / 1e6 / (wall * cores), hours + opening, opening))
    return found


def opened_by_step(
    pieces: float, files: float, options: DedupOptions, linked_share: float, shared_keys: float
) -> dict[str, float]:
    """How often a large run opens what others wrote, by step: what does not grow with the bytes alone.

    `linked_share` of the files are members of a family, and `shared_keys` of a file's band keys are those of another
    file, too. For each of these the join looks up a sketch; in a large archive each lies in another folder.
    """
    ranges, groups = files * options.bands / RANGE_KEYS, files * linked_share / GROUP_ROWS
    keys = openings(math.ceil(pieces), max(1, round(ranges)))
    return {"join": keys + files * shared_keys, "verify": openings(math.ceil(pieces), max(1, round(groups)))}


def shared_keys(work: Path) -> int:
    """Band keys of all files that at least one other file has, of a finished run."""
    return sum(int(arrays.load(folder, "shared")) for folder in (work / "forests").iterdir())


def seconds_to_open(sketches: Path, times: int = 200) -> float:
    """Seconds that a range of keys from one folder of sketches takes, from the memory of the operating system."""
    started = time.perf_counter()
    for number in range(times):
        read_keys([(sketches, 0)], number, number + 1, times)
    return (time.perf_counter() - started) / times


def sketch_bytes(options: DedupOptions) -> int:
    """Bytes on disk for a file: keys by row and sorted with their rows, a byte a position, and a flag."""
    return options.bands * (8 + 8 + 4) + options.positions + 1
