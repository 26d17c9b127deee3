"""Columns of the graph's tables, as Software Heritage publishes them in its relational export (ORC and Parquet).

Names, types and order follow the export's schema. Identifiers are hexadecimal strings; names and messages are bytes,
because nothing guarantees that they are text. Persons are the SHA-256 of their name and address. The target of
an alias is the other branch's name, in hexadecimal. ``raw_manifest`` is null unless the fields do not reproduce
the object's bytes.
"""

import pyarrow as pa

from sc2lib.tables import TIMESTAMP

ORIGIN = pa.schema([("id", pa.string()), ("url", pa.string())])
ORIGIN_VISIT = pa.schema(
    [("origin", pa.string()), ("visit", pa.int64()), ("date", TIMESTAMP), ("type", pa.string())],
)
ORIGIN_VISIT_STATUS = pa.schema(
    [
        ("origin", pa.string()),
        ("visit", pa.int64()),
        ("date", TIMESTAMP),
        ("status", pa.string()),
        ("snapshot", pa.string()),
        ("type", pa.string()),
    ]
)
SNAPSHOT = pa.schema([("id", pa.string())])
SNAPSHOT_BRANCH = pa.schema(
    [
        ("snapshot_id", pa.string()),
        ("name", pa.binary()),
        ("target", pa.string()),
        ("target_type", pa.string()),
    ]
)
REVISION = pa.schema(
    [
        ("id", pa.string()),
        ("message", pa.binary()),
        ("author", pa.binary()),
        ("date", TIMESTAMP),
        ("date_offset", pa.int16()),
        ("date_raw_offset_bytes", pa.binary()),
        ("committer", pa.binary()),
        ("committer_date", TIMESTAMP),
        ("committer_offset", pa.int16()),
        ("committer_date_raw_offset_bytes", pa.binary()),
        ("directory", pa.string()),
        ("type", pa.string()),
        ("raw_manifest", pa.binary()),
    ]
)
REVISION_HISTORY = pa.schema([("id", pa.string()), ("parent_id", pa.string()), ("parent_rank", pa.int32())])
REVISION_EXTRA_HEADERS = pa.schema([("id", pa.string()), ("key", pa.binary()), ("value", pa.binary())])
RELEASE = pa.schema(
    [
        ("id", pa.string()),
        ("name", pa.binary()),
        ("message", pa.binary()),
        ("target", pa.string()),
        ("target_type", pa.string()),
        ("author", pa.binary()),
        ("date", TIMESTAMP),
        ("date_offset", pa.int16()),
        ("date_raw_offset_bytes", pa.binary()),
        ("raw_manifest", pa.binary()),
    ]
)
DIRECTORY = pa.schema([("id", pa.string()), ("raw_manifest", pa.binary())])
DIRECTORY_ENTRY = pa.schema(
    [
        ("directory_id", pa.string()),
        ("name", pa.binary()),
        ("type", pa.string()),
        ("target", pa.string()),
        ("perms", pa.int32()),
    ]
)
CONTENT = pa.schema(
    [
        ("sha1", pa.string()),
        ("sha1_git", pa.string()),
        ("sha256", pa.string()),
        ("blake2s256", pa.string()),
        ("length", pa.int64()),
        ("status", pa.string()),
        ("data", pa.binary()),
    ]
)
SKIPPED_CONTENT = pa.schema([*list(CONTENT)[:-1], ("reason", pa.string())])
# Ours, not Software Heritage's: what a visit could not even name. Such a file has no identifier, so the directory
# above is recorded without it.
SKIPPED = pa.schema([("origin", pa.string()), ("path", pa.binary()), ("reason", pa.string())])

PUBLISHED = {
    "origin": ORIGIN,
    "origin_visit": ORIGIN_VISIT,
    "origin_visit_status": ORIGIN_VISIT_STATUS,
    "snapshot": SNAPSHOT,
    "snapshot_branch": SNAPSHOT_BRANCH,
    "revision": REVISION,
    "revision_history": REVISION_HISTORY,
    "revision_extra_headers": REVISION_EXTRA_HEADERS,
    "release": RELEASE,
    "directory": DIRECTORY,
    "directory_entry": DIRECTORY_ENTRY,
    "content": CONTENT,
    "skipped_content": SKIPPED_CONTENT,
}
GRAPH = PUBLISHED | {"skipped": SKIPPED}
