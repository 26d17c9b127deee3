"""One training document: sentinels and text kept apart, with the files it was made from."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pyarrow as pa

from sc2lib.tables import DOCUMENTS

Segment = tuple[str | None, str]


@dataclass(frozen=True)
class Provenance:
    """The file behind a segment: where it came from and under which licence."""

    blob_id: str
    path: str
    language: str | None
    license_type: str | None
    segment: int


@dataclass(frozen=True)
class Document:
    """A row of the DOCUMENTS table. A segment is a sentinel (or None) and the plain text that follows it."""

    source: str
    repo_name: str | None
    split: str
    segments: Sequence[Segment]
    files: Sequence[Provenance] = field(default=())

    @property
    def document_id(self) -> str:
        """SHA-1 of the segments; each part is preceded by its length, so no two lists of segments look alike."""
        digest = hashlib.sha1(usedforsecurity=False)
        for token, text in self.segments:
            for part in (token, text):
                data = b"" if part is None else part.encode()
                digest.update(f"{-1 if part is None else len(data)}:".encode() + data)
        return digest.hexdigest()

    @property
    def length_bytes(self) -> int:
        """Bytes of UTF-8 text, sentinels not counted."""
        return sum(len(text.encode()) for _, text in self.segments)

    def row(self) -> dict[str, object]:
        """The document as a dict that matches the DOCUMENTS schema."""
        return {
            "document_id": self.document_id,
            "source": self.source,
            "repo_name": self.repo_name,
            "split": self.split,
            "segments": [{"token": token, "text": text} for token, text in self.segments],
            "files": [vars(file) for file in self.files],
            "length_bytes": self.length_bytes,
        }


def table(documents: Iterable[Document]) -> pa.Table:
    """Documents as a DOCUMENTS table, sorted by source, repository and id."""
    rows = [document.row() for document in documents]
    rows.sort(key=lambda row: (row["source"], row["repo_name"] or "", row["document_id"]))
    return pa.Table.from_pylist(rows, schema=DOCUMENTS)


def totals(documents: pa.Table) -> dict[str, dict[str, int]]:
    """Documents, bytes and held-out documents of each source in a DOCUMENTS table, in the order they appear."""
    found: dict[str, dict[str, int]] = {}
    for row in documents.select(["source", "split", "length_bytes"]).to_pylist():
        total = found.setdefault(row["source"], {"documents": 0, "bytes": 0, "validation_documents": 0})
        total["documents"] += 1
        total["bytes"] += row["length_bytes"]
        total["validation_documents"] += row["split"] == "validation"
    return found


def files_of(row: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Each file of a row of a DOCUMENTS table with its segments: its own and those up to the next file's."""
    segments = row["segments"]
    starts = [*(file["segment"] for file in row["files"]), len(segments)]
    for file, (start, end) in zip(row["files"], pairwise(starts), strict=True):
        yield file, segments[start:end]
