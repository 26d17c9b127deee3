"""The files inside training documents, with where each came from."""

from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.errors import InputError

REPO_NAME = "<repo_name>"

# One row per file of a document; `text` is the file as the model read it, without the path before it.
DOCUMENT_FILES = pa.schema(
    [
        ("blob_id", pa.string()),
        ("document_id", pa.string()),
        ("source", pa.string()),
        ("repo_name", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("license_type", pa.string()),
        ("text", pa.large_string()),
    ]
)


def document_files(documents: pa.Table, split: str, sources: tuple[str, ...] | None = None) -> pa.Table:
    """DOCUMENT_FILES of the documents of one split ("train" or "validation"), in the order of the documents.

    A file whose text spreads over several segments (a structured notebook) arrives as these texts joined by
    newlines: from its own segment to before the next file's.
    """
    mask = pc.equal(documents["split"], split)
    if sources is not None:
        mask = pc.and_(mask, pc.is_in(documents["source"], pa.array(sources)))
    rows = []
    for document in documents.filter(mask).to_pylist():
        segments, files = document["segments"], document["files"]
        named = bool(segments) and segments[0]["token"] == REPO_NAME
        starts = sorted({file["segment"] for file in files}) + [len(segments)]
        for file in files:
            following = starts[starts.index(file["segment"]) + 1]
            text = "\n".join(segment["text"] for segment in segments[file["segment"] : following])
            if named:
                text = text.removeprefix(file["path"].lstrip("/") + "\n")
            shared = {name: document[name] for name in ("document_id", "source", "repo_name")}
            own = {name: file[name] for name in ("blob_id", "path", "language", "license_type")}
            rows.append(shared | own | {"text": text})
    return pa.Table.from_pylist(rows, schema=DOCUMENT_FILES)


def held_out(documents: pa.Table, bytes_per_language: int) -> pa.Table:
    """Code files of the validation split, by blob_id, until a language has its bytes: a small table to measure on."""
    files = document_files(documents, "validation", ("code",)).sort_by(
        [("blob_id", "ascending"), ("path", "ascending")]
    )
    taken: Counter[str] = Counter()
    keep = []
    for language, text in zip(files["language"].to_pylist(), files["text"].to_pylist()):
        keep.append(bool(language) and bool(text) and taken[language] < bytes_per_language)
        if keep[-1]:
            taken[language] += len(text.encode())
    return files.filter(pa.array(keep, pa.bool_()))


def largest_languages(files: pa.Table, count: int) -> list[str]:
    """The `count` languages with the most bytes of text, largest first; names decide between equals.

    Raises InputError when there is no file at all: nothing was held out.
    """
    if not files.num_rows:
        raise InputError("no code was held out for validation, or none of a known language; give more files")
    sizes: Counter[str] = Counter()
    for language, text in zip(files["language"].to_pylist(), files["text"].to_pylist()):
        sizes[language] += len(text.encode())
    return sorted(sizes, key=lambda language: (-sizes[language], language))[:count]
