"""Pieces of a corpus: what a worker reads at a time, as texts with what decides between near-duplicates."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from sc2lib.columns import take_contents
from sc2lib.dedup.clusters import KEEPER_COLUMNS
from sc2lib.tables import FILES

KEEPER = pa.schema([FILES.field(name) for name in KEEPER_COLUMNS])


@dataclass(frozen=True)
class Documents:
    """The rows of a piece: texts, the group within which they are compared, and the KEEPER columns.

    The columns are made when they are asked for, since the first step over all texts does without.
    """

    texts: pa.Array
    languages: pa.ChunkedArray
    make_order: Callable[[pa.Array | None], pa.Table]

    def order(self, rows: pa.Array | None = None) -> pa.Table:
        """The KEEPER columns of all rows, or of the given ones."""
        return self.make_order(rows)


class Piece(Protocol):
    """A part of a corpus that fits in memory several times; small to send to a worker."""

    def read(self) -> Documents:
        """All rows, in order."""
        ...


@dataclass(frozen=True)
class ShardPiece:
    """A shard of a run of the book: texts in CONTENTS, the rest in FILES."""

    contents: Path
    files: Path

    def count(self) -> int:
        """Rows of the FILES shard."""
        return pq.read_metadata(self.files).num_rows

    def names(self) -> pa.ChunkedArray:
        """The blob of every file."""
        return pq.read_table(self.files, columns=["blob_id"], partitioning=None)["blob_id"]

    def read(self) -> Documents:
        """The files in order, with the texts of their blobs."""
        columns = [*KEEPER.names, "language"]
        files = pq.read_table(self.files, columns=columns, partitioning=None)
        texts = take_contents(files["blob_id"], pq.read_table(self.contents, partitioning=None)).combine_chunks()
        order = files.select(KEEPER.names)
        return Documents(texts, files["language"], lambda rows: order if rows is None else order.take(rows))
