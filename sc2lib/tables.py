"""Arrow schemas of the tables that cross a stage boundary.

Files carry The Stack v2's own column names (data set card of ``bigcode/the-stack-v2``), so that the
published tables drop in. A column a stage cannot know yet is null until a later stage fills it.
"""

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")

# One row per file. `blob_id` is the SHA-1 of the content, `content_id` its git object id (the SWHID's hash).
FILES = pa.schema(
    [
        ("blob_id", pa.string()),
        ("directory_id", pa.string()),
        ("path", pa.string()),
        ("content_id", pa.string()),
        ("detected_licenses", pa.list_(pa.string())),
        ("license_type", pa.string()),
        ("repo_name", pa.string()),
        ("snapshot_id", pa.string()),
        ("revision_id", pa.string()),
        ("branch_name", pa.string()),
        ("visit_date", TIMESTAMP),
        ("revision_date", TIMESTAMP),
        ("committer_date", TIMESTAMP),
        ("github_id", pa.int64()),
        ("star_events_count", pa.int64()),
        ("fork_events_count", pa.int64()),
        ("gha_license_id", pa.string()),
        ("gha_event_created_at", TIMESTAMP),
        ("gha_created_at", TIMESTAMP),
        ("gha_language", pa.string()),
        ("src_encoding", pa.string()),
        ("language", pa.string()),
        ("is_vendor", pa.bool_()),
        ("is_generated", pa.bool_()),
        ("length_bytes", pa.int64()),
        ("extension", pa.string()),
    ]
)

# The decoded text of a blob, kept apart so that rows can be filtered without copying it.
CONTENTS = pa.schema([("blob_id", pa.string()), ("content", pa.large_string())])

# Why a file is no longer there: one row per removal, with the stage and rule that removed it.
REMOVED = pa.schema(
    [
        ("blob_id", pa.string()),
        ("path", pa.string()),
        ("repo_name", pa.string()),
        ("language", pa.string()),
        ("length_bytes", pa.int64()),
        ("reason", pa.string()),
        ("detail", pa.string()),
    ]
)

SEGMENT = pa.struct([("token", pa.string()), ("text", pa.large_string())])
PROVENANCE = pa.struct(
    [
        ("blob_id", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("license_type", pa.string()),
        ("segment", pa.int32()),
    ]
)

# One training document: sentinels and plain text kept apart, so that text can never imitate a sentinel.
DOCUMENTS = pa.schema(
    [
        ("document_id", pa.string()),
        ("source", pa.string()),
        ("repo_name", pa.string()),
        ("split", pa.string()),
        ("segments", pa.list_(SEGMENT)),
        ("files", pa.list_(PROVENANCE)),
        ("length_bytes", pa.int64()),
    ]
)


def removed(files: pa.Table, reason: str | pa.Array, detail: str | pa.Array | None = None) -> pa.Table:
    """Turn rows of a FILES table into REMOVED rows with a reason (and a detail) each."""
    count = files.num_rows

    def column(value: str | pa.Array | None) -> pa.Array:
        if value is None or isinstance(value, str):
            return pa.array([value] * count, pa.string())
        return value

    columns = {name: files[name] for name in REMOVED.names if name in FILES.names}
    columns |= {"reason": column(reason), "detail": column(detail)}
    return pa.table({name: columns[name] for name in REMOVED.names}, schema=REMOVED)


def shard_of(blob_id: str, shards: int) -> int:
    """Shard (0 to shards - 1) of a blob: by the first two hexadecimal digits, as The Stack v2 partitions."""
    return int(blob_id[:2], 16) * shards // 256
