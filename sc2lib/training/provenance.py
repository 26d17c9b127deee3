"""From windows of the training file back to the documents, repositories and files that they hold."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def origins(
    windows: Sequence[int], length: int, token_index: str | None, documents: str | None, split: str = "train"
) -> list[Origin]:
    """The documents that lie in windows of `length` + 1 tokens of a split's file, in the order of the file.

    `token_index` and `documents` are the folders of those tables that chapters 09 and 08 write; without the first
    nothing is known.
    """
    if token_index is None:
        return []
    index = ds.dataset(token_index).to_table(filter=pc.field("split") == split)
    found: list[dict] = []
    for window in sorted(set(windows)):
        start = window * length
        inside = pc.and_(pc.less_equal(index["start"], start + length), pc.greater(index["end"], start))
        found += index.filter(inside).to_pylist()
    rows = {row["document_id"]: row for row in found}
    paths: dict[str, tuple[str, ...]] = {}
    if documents is not None:
        known: pa.Table = ds.dataset(documents).to_table(
            columns=["document_id", "files"], filter=pc.field("document_id").isin(list(rows))
        )
        for row in known.to_pylist():
            paths[row["document_id"]] = tuple(file["path"] for file in row["files"] or () if file["path"])
    return [Origin(k, row["source"], row["repo_name"], paths.get(k, ())) for k, row in rows.items()]
