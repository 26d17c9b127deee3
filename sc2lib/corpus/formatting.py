"""Repository context: all files of a repository in one document (paper sheet, section 5.1).

Every choice, the coin for the metadata and the order of the files, comes from a hash of the seed and the
repository, so it needs no state and does not depend on the order in which the files arrive.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sc2lib.documents.records import Document, Provenance, Segment
from sc2lib.documents.repositories import unit

REPO_NAME = "<repo_name>"
FILE_SEPARATOR = "<file_sep>"
METADATA_RATE = 0.5


@dataclass(frozen=True)
class SourceFile:
    """A file of a repository that reached this stage."""

    blob_id: str
    path: str
    language: str | None
    license_type: str | None
    content: str


def has_metadata(repo_name: str, seed: int, rate: float = METADATA_RATE) -> bool:
    """The repository's coin: names and paths for all of its files, or for none."""
    return unit(seed, "metadata", repo_name) < rate


def shuffled(repo_name: str, files: Iterable[SourceFile], seed: int) -> list[SourceFile]:
    """The files in a random order that depends on nothing but the seed, the repository and the files."""
    return sorted(files, key=lambda file: (unit(seed, "order", repo_name, file.blob_id, file.path), file.path))


# docs: start-repository
def repository_documents(
    repo_name: str,
    files: Iterable[SourceFile],
    split: str,
    seed: int,
    metadata_rate: float = METADATA_RATE,
    max_document_bytes: int | None = None,
) -> Iterator[Document]:
    """Yield the document of a repository, or several of at most `max_document_bytes` when it is larger.

    The first document starts with the name when the coin says metadata; so does each further one, because a
    reader of the second part knows no more than one of the first. A file is never cut: one that is larger than the
    limit makes a document of its own.
    """
    metadata = has_metadata(repo_name, seed, metadata_rate)
    for part in _parts(shuffled(repo_name, files, seed), max_document_bytes):
        segments: list[Segment] = [(REPO_NAME, repo_name)] if metadata else []
        first = len(segments)
        for file in part:
            path = file.path.lstrip("/") + "\n" if metadata else ""
            segments.append((FILE_SEPARATOR, path + file.content))
        provenance = [
            Provenance(file.blob_id, file.path, file.language, file.license_type, first + index)
            for index, file in enumerate(part)
        ]
        yield Document("code", repo_name, split, segments, provenance)


# docs: end-repository


def _parts(files: Sequence[SourceFile], limit: int | None) -> Iterator[list[SourceFile]]:
    """Cut a list of files into runs of at most `limit` bytes, in order."""
    part: list[SourceFile] = []
    size = 0
    for file in files:
        length = len(file.content.encode())
        if part and limit is not None and size + length > limit:
            yield part
            part, size = [], 0
        part.append(file)
        size += length
    if part:
        yield part
