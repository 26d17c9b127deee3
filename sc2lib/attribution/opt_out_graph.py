"""The archive's graph after an opt-out: objects that no remaining visit leads to are dropped."""

from pathlib import Path

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.attribution.opt_out_targets import read

_OBJECTS = {
    "snapshot": "snapshot",
    "snapshot_branch": "snapshot",
    "revision": "revision",
    "revision_history": "revision",
    "revision_extra_headers": "revision",
    "release": "release",
    "directory": "directory",
    "directory_entry": "directory",
    "content": "content",
    "skipped_content": "content",
}
_KEYS = {
    "snapshot_branch": "snapshot_id",
    "directory_entry": "directory_id",
    "content": "sha1_git",
    "skipped_content": "sha1_git",
}
_PARENTS = """
UNION SELECT h.parent_id, 'revision' FROM reached r JOIN revision_history h ON h.id = r.id AND r.kind = 'revision'
"""
_REACHED = """
CREATE TEMP TABLE reached_object AS
WITH RECURSIVE reached(id, kind) AS (
    SELECT snapshot, 'snapshot' FROM origin_visit_status WHERE snapshot IS NOT NULL
    UNION
    SELECT * FROM (
        SELECT b.target, b.target_type
        FROM reached r JOIN snapshot_branch b ON b.snapshot_id = r.id AND r.kind = 'snapshot'
        UNION SELECT l.target, l.target_type FROM reached r JOIN release l ON l.id = r.id AND r.kind = 'release'
        UNION SELECT v.directory, 'directory' FROM reached r JOIN revision v ON v.id = r.id AND r.kind = 'revision'
        {parents}
        UNION SELECT e.target, CASE e.type WHEN 'dir' THEN 'directory' ELSE 'content' END
        FROM reached r JOIN directory_entry e ON e.directory_id = r.id AND r.kind = 'directory'
        WHERE e.type <> 'rev'
    )
)
SELECT DISTINCT id, kind FROM reached;
"""


def sweep(archive: Path) -> dict[str, int]:
    """Drop the objects of the graph that no remaining visit leads to; returns how many, by table."""
    shards = {path.name: sorted(path.glob("part-*.parquet")) for path in archive.iterdir() if path.is_dir()}
    with duckdb.connect() as database:
        for name in {"origin_visit_status", "revision_history", *_OBJECTS} & set(shards):
            database.register(name, read(archive / name))
        parents = _PARENTS if "revision_history" in shards else ""
        database.execute(_REACHED.format(parents=parents))
        rows = database.sql("SELECT id, kind FROM reached_object ORDER BY ALL").to_arrow_table()
    reached = {kind: rows.filter(pc.equal(rows["kind"], kind))["id"] for kind in set(_OBJECTS.values())}
    dropped: dict[str, int] = {}
    for name, kind in _OBJECTS.items():
        for path in shards.get(name, ()):
            table = pq.read_table(path, partitioning=None)
            column = _KEYS.get(name, "id")
            kept = table.filter(pc.is_in(table[column], reached[kind].combine_chunks()))
            if kept.num_rows < table.num_rows:
                files.write_parquet(path, kept)
                dropped[name] = dropped.get(name, 0) + table.num_rows - kept.num_rows
    return dropped
