"""From windows of the training file back to the documents, repositories and files that they hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds


@dataclass(frozen=True)
class Origin:
    """A document of a batch, and the paths of its files (none where the documents are not at hand)."""

    document_id: str
    source: str
    repo_name: str | None
    paths: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.paths[:3]) + (f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else "")
        return f"{self.repo_name or self.source} (document {self.document_id}{': ' + shown if shown else ''})"


def narrowed(
    windows: Sequence[int], length: int, token_index: str | None, documents: str | None = None
) -> tuple[pa.Table | None, pa.Table | None]:
    """What `origins` needs of the two tables for some windows, so that many questions read the files once."""
    if token_index is None:
        return None, None
    index = ds.dataset(token_index).to_table(filter=pc.field("split") == "train")
    starts = np.unique(np.array(windows, np.int64) * length)
    first = np.searchsorted(starts + length, index["start"].to_numpy())  # the first window that does not end before it
    touched = starts[np.minimum(first, len(starts) - 1)] < index["end"].to_numpy()
    index = index.filter(pa.array(touched & (first < len(starts))))
    if documents is None:
        return index, None
    known = pc.field("document_id").isin(index["document_id"].to_pylist())
    return index, ds.dataset(documents).to_table(columns=["document_id", "files"], filter=known)


def origins(
    windows: Sequence[int],
    length: int,
    token_index: str | pa.Table | None,
    documents: str | pa.Table | None = None,
    tokens: np.ndarray | None = None,
    separator: int | None = None,
) -> list[Origin]:
    """The documents that lie in windows of `length` + 1 tokens of the training file, in the order of the file.

    `token_index` and `documents` are the tables that chapters 09 and 08 write, or their folders; without the first
    nothing is known. With the `tokens` of the file and the id of `<file_sep>`, only files inside the windows are named.
    """
    if token_index is None:
        return []
    index = ds.dataset(token_index).to_table(filter=pc.field("split") == "train")
    rows: dict[str, dict] = {}
    touched: dict[str, set[int]] = {}  # the files of each document that a window reads, by number
    for start in sorted({window * length for window in windows}):
        inside = pc.and_(pc.less_equal(index["start"], start + length), pc.greater(index["end"], start))
        for row in index.filter(inside).to_pylist():
            rows[row["document_id"]] = row
            if tokens is not None:
                begin, end = max(start, row["start"]), min(start + length + 1, row["end"])
                before = int((tokens[row["start"] : begin + 1] == separator).sum())
                within = int((tokens[begin + 1 : end] == separator).sum())
                numbers = range(max(0, before - 1), max(0, before - 1 + within) + 1)
                touched.setdefault(row["document_id"], set()).update(numbers)
    paths: dict[str, tuple[str, ...]] = {}
    if documents is not None:
        known: pa.Table = ds.dataset(documents).to_table(
            columns=["document_id", "files"], filter=pc.field("document_id").isin(list(rows))
        )
        for row in known.to_pylist():
            chosen = touched.get(row["document_id"])
            paths[row["document_id"]] = tuple(
                file["path"] for k, file in enumerate(row["files"] or ()) if chosen is None or k in chosen
            )
    return [Origin(k, row["source"], row["repo_name"], paths.get(k, ())) for k, row in rows.items()]
