"""The counts of a filtered stage: made again from the tables that remain, by the names its manifest has for them.

A manifest also holds figures that only the run could measure, such as a recall on planted secrets. They stay as they
were, and the manifest says which they are.
"""

from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.attribution.opt_out_targets import read
from sc2lib.corpus import mixture
from sc2lib.documents import records
from sc2lib.tokenizer import token_files

DOCUMENTS, MIXTURE, TOKENS = "07_issues_pull_requests_notebooks_docs", "08_formatting_and_mixture", "09_tokenizer"
BEFORE = "measured_before_opt_out"  # metric: names of the figures that were not counted again
_OF_REPLAY = {"opted_out_entries", "vocabulary_from_before_opt_out"}  # metrics that a replay adds
# By table, the counts that SQL makes of it; a stage takes those that its own manifest names.
_COUNTS = {
    "files": "count(*) AS files, coalesce(sum(length_bytes), 0)::BIGINT AS bytes, "
    "count(DISTINCT repo_name) AS repositories, count(DISTINCT language) AS languages",
    "repository": "count(*) AS origins",
    "directory_entry": "count(DISTINCT directory_id) AS directories",
    "license_files": "count(*) AS license_files",
    "overlaps": "count(*) AS overlaps, count(DISTINCT blob_id) AS files_with_overlaps",
    "spans": "count(DISTINCT blob_id) AS files_redacted",
}
# (table, column, metric): rows by value.
_GROUPS = (
    ("removed", "reason", "removed"),
    ("files", "license_type", "license_types"),
    ("spans", "kind", "spans"),
    ("spans", "rule", "rules"),
    ("matches", "task_id", "matches"),
)


def write_mixture(folder: Path) -> None:
    """Write the table ``mixture`` of chapter 08 from the documents that are left there."""
    shards = sorted((folder / "documents").glob("part-*.parquet"))
    counted = (mixture.count_documents(pq.read_table(path, partitioning=None)) for path in shards)
    files.write_parquet(folder / "mixture" / "part-00000.parquet", mixture.add_up(counted))


def recounted(folder: Path, before: dict[str, Any], run: Path) -> dict[str, Any]:
    """The metrics of a stage with all counts that its tables give made anew, and the names of the others."""
    counts = {TOKENS: _tokens, MIXTURE: _mixture, DOCUMENTS: _documents}.get(folder.name, _files)(folder, run)
    if isinstance(removed := counts.get("removed"), dict) and not isinstance(before.get("removed"), dict):
        counts["removed"] = sum(removed.values())
    counts = {name: value for name, value in counts.items() if name in before}
    kept = {name: value for name, value in before.items() if name != BEFORE}
    return kept | counts | {BEFORE: sorted(kept.keys() - counts.keys() - _OF_REPLAY)}


def _files(folder: Path, run: Path) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    with duckdb.connect() as database:
        present = {path.parent.name for path in folder.glob("*/part-*.parquet")}
        for table in sorted(present):
            where = {"shards": str(folder / table / "part-*.parquet")}
            shards = "read_parquet($shards, hive_partitioning = false)"
            if table in _COUNTS:
                found = database.execute(f"SELECT {_COUNTS[table]} FROM {shards}", where)
                names = [column[0] for column in found.description or ()]
                counts |= dict(zip(names, found.fetchall()[0]))
            for _, column, metric in (group for group in _GROUPS if group[0] == table):
                rows = f"SELECT {column}, count(*) FROM {shards} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1"
                counts[metric] = dict(database.execute(rows, where).fetchall())
    if (folder / "base_paths").exists():  # chapter 02 counts what the archive lists, with or without a file
        counts["repositories"] = read(run / "01_archive" / "repository", ["repo_name"]).num_rows
    if "files" in counts and "removed" in counts:
        gone = sum(counts["removed"].values())
        counts |= {"files_in": counts["files"] + gone, "malware": gone}
    return counts


def _documents(folder: Path, run: Path) -> dict[str, Any]:
    documents = read(folder / "documents")
    removed = read(folder / "removed", ["reason"])
    return {"documents": documents.num_rows, "sources": records.totals(documents), "removed": removed.num_rows}


def _mixture(folder: Path, run: Path) -> dict[str, Any]:
    columns = ["source", "repo_name", "split", "length_bytes"]
    rows = read(folder / "documents", columns).to_pylist()
    own = mixture.bytes_by(read(folder / "mixture"), "language", source="code")
    total = sum(own.values())
    return {
        "repositories": len({row["repo_name"] for row in rows if row["source"] == "code"}),
        "documents": len(rows),
        "bytes": sum(row["length_bytes"] for row in rows),
        "validation_bytes": sum(row["length_bytes"] for row in rows if row["split"] == "validation"),
        "code_bytes": total,
        "languages": len(own),
        "python_share": own.get("Python", 0) / max(total, 1),
        "down_sampled_files": read(folder / "removed", ["reason"]).num_rows,
    }


def _tokens(folder: Path, run: Path) -> dict[str, Any]:
    listing = read(run / MIXTURE / "documents", ["split", "length_bytes"])
    splits = token_files.totals(read(folder / "token_index"), listing)
    train, validation = (splits[name] for name in token_files.SPLITS)
    return {
        "splits": splits,
        "train_tokens": train["tokens"],
        "validation_tokens": validation["tokens"],
        "bytes_per_token": train["bytes"] / max(train["tokens"], 1),
    }
