"""Where the parts of a corpus lie: folders of sketches and the number of their first row."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sc2lib import files
from sc2lib.dedup import arrays
from sc2lib.dedup.options import DedupOptions


class Folders(Sequence[Path]):
    """Paths in an array that may lie on disk: a task reads the few it needs, of millions."""

    def __init__(self, names: npt.NDArray[np.bytes_]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: Any) -> Any:
        return Path(os.fsdecode(bytes(self.names[number])))


@dataclass(frozen=True)
class Layout:
    """Sketch folders in order, the number of each one's first row and of rows in all, and what the options are.

    `earlier` folders belong to crawls before this one.
    """

    folders: Sequence[Path]
    bases: npt.NDArray[np.int64]
    earlier: int
    options: DedupOptions

    @property
    def rows(self) -> int:
        """Rows in all folders."""
        return int(self.bases[-1])

    @property
    def first_new(self) -> int:
        """Number of the first row that no earlier crawl holds."""
        return int(self.bases[self.earlier])

    def save(self, work: Path) -> None:
        """Write the layout where the steps find it."""
        names = np.array([os.fsencode(path) for path in self.folders], np.bytes_)
        files.remove(work / "layout")
        arrays.save(work / "layout", names=names, bases=self.bases)
        files.write_text(work / "layout.json", json.dumps({"earlier": self.earlier, "options": vars(self.options)}))

    @classmethod
    def load(cls, work: Path) -> "Layout":
        """The layout written by `save`; takes as long for a million folders as for ten."""
        record = json.loads((work / "layout.json").read_text(encoding="utf-8"))
        names, bases = (arrays.load(work / "layout", name) for name in ("names", "bases"))
        return cls(Folders(names), bases, record["earlier"], DedupOptions(**record["options"]))

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
