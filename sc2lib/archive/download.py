"""From candidate files to texts: read the bytes from their origin, check them, decode them.

The paper fetches each blob from the Software Heritage object storage by its `blob_id`; here the storage is the
origin itself, and the hash proves that it still gives what the visit saw.
"""

import hashlib

import pyarrow as pa

from sc2lib import tables
from sc2lib.archive.contents import Decoded, decode
from sc2lib.archive.published_origin import PublishedRepository, read_all
from sc2lib.archive.sources import open_reader
from sc2lib.errors import InputError
from sc2lib.tables import CONTENTS, FILES


def download(candidates: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Read one shard of CANDIDATES; returns (FILES, CONTENTS, REMOVED), each sorted by `blob_id`.

    A shard's texts are in memory at once: choose `shards` so that one holds some hundred megabytes at most.
    """
    reasons, details = candidates["reason"].to_pylist(), candidates["detail"].to_pylist()
    encodings: list[str | None] = [None] * candidates.num_rows
    texts: dict[int, str] = {}
    for row, result in _read(candidates).items():
        reasons[row], encodings[row] = result.reason, result.encoding
        if result.text is None:
            details[row] = result.detail
        else:
            texts[row] = result.text
    kept = sorted(texts)
    dropped = [row for row in range(candidates.num_rows) if row not in texts]
    rows = candidates.set_column(
        candidates.column_names.index("src_encoding"), "src_encoding", pa.array(encodings, pa.string())
    )
    rows = rows.append_column("detected_licenses", pa.nulls(rows.num_rows, FILES.field("detected_licenses").type))
    rows = rows.append_column("license_type", pa.nulls(rows.num_rows, pa.string())).select(FILES.names)
    files = rows.take(pa.array(kept, pa.int64()))
    contents = pa.Table.from_arrays(
        [files["blob_id"], pa.array([texts[row] for row in kept], pa.large_string())], schema=CONTENTS
    )
    removed = tables.removed(
        rows.take(pa.array(dropped, pa.int64())),
        pa.array([reasons[row] for row in dropped], pa.string()),
        pa.array([details[row] for row in dropped], pa.string()),
    )
    return files, contents, removed


def _read(candidates: pa.Table) -> dict[int, Decoded]:
    """Decoded contents by row number of the candidates that no rule has dropped, origin by origin."""
    columns = ("origin_url", "visit_type", "location", "raw_path", "content_id", "blob_id", "reason")
    origins: dict[tuple[str, str, str | None], list[tuple[int, bytes, str, str]]] = {}
    for row, (url, kind, location, path, content_id, blob_id, reason) in enumerate(
        zip(*(candidates[name].to_pylist() for name in columns))
    ):
        if reason is None:  # one location holds the files of many origins
            origins.setdefault((location or url, kind, location), []).append((row, path[1:], content_id, blob_id))
    results: dict[int, Decoded] = {}
    published: list[tuple[PublishedRepository, list[tuple[int, bytes, str, str]]]] = []
    for (url, kind, location), wanted in origins.items():
        try:
            origin = open_reader(url, kind, location)
        except InputError as error:  # the origin vanished after the walk
            results.update({row: Decoded(None, None, "unreadable", str(error)) for row, *_ in wanted})
            continue
        if isinstance(origin, PublishedRepository):
            published.append((origin, wanted))
            continue
        bytes_of = origin.read([(path, content_id) for _, path, content_id, _ in wanted])
        for (row, _, _, blob_id), data in zip(wanted, bytes_of, strict=True):
            results[row] = _check(data, blob_id, None)
    answers = read_all(
        (origin, [(path, content_id) for _, path, content_id, _ in files]) for origin, files in published
    )
    for origin, wanted in published:
        encodings = origin.encodings()
        for row, path, _, blob_id in wanted:
            results[row] = _check(next(answers), blob_id, encodings.get(path))
    return results


def _check(data: bytes | OSError, blob_id: str, declared: str | None) -> Decoded:
    if isinstance(data, OSError):
        return Decoded(None, None, "unreadable", data.strerror or str(data))
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() != blob_id:
        return Decoded(None, None, "unreadable", "the file changed after it was visited")
    return decode(data, declared)
