"""Where the parts of a corpus lie: folders of sketches and the number of their first row."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sc2lib import files
from sc2lib.dedup import arrays
from sc2lib.dedup.options import DedupOptions


@dataclass(frozen=True)
class Layout:
    """Sketch folders in order, rows in each, and how many of the folders belong to crawls before this one."""

    folders: tuple[Path, ...]
    counts: tuple[int, ...]
    earlier: int
    options: DedupOptions

    @property
    def bases(self) -> npt.NDArray[np.int64]:
        """The number of each folder's first row, and the number of rows in all."""
        return np.concatenate([[0], np.cumsum(self.counts, dtype=np.int64)])

    @property
    def rows(self) -> int:
        """Rows in all folders."""
        return sum(self.counts)

    @property
    def first_new(self) -> int:
        """Number of the first row that no earlier crawl holds."""
        return int(self.bases[self.earlier])

    def save(self, work: Path) -> None:
        """Write the layout where the steps find it."""
        record = {"folders": [str(path) for path in self.folders], "counts": self.counts, "earlier": self.earlier}
        files.write_text(work / "layout.json", json.dumps(record | {"options": vars(self.options)}))

    @classmethod
    def load(cls, work: Path) -> "Layout":
        """The layout written by `save`."""
        record = json.loads((work / "layout.json").read_text(encoding="utf-8"))
        folders = tuple(map(Path, record["folders"]))
        return cls(folders, tuple(record["counts"]), record["earlier"], DedupOptions(**record["options"]))

    def gather(self, name: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Rows of an array of all folders, from memory maps: only what is asked for is read."""
        bases = self.bases
        owner = np.searchsorted(bases, rows, side="right") - 1
        order = np.argsort(owner, kind="stable")
        owners, starts = np.unique(owner[order], return_index=True)
        parts = [
            arrays.load(self.folders[piece], name)[rows[mine] - bases[piece]]
            for piece, mine in zip(owners.tolist(), np.split(order, starts[1:]))
        ]
        if not parts:
            return np.zeros((0, 0))
        result = np.empty((len(rows), *parts[0].shape[1:]), parts[0].dtype)
        result[order] = np.concatenate(parts)
        return result
