"""Replay of an opt-out on a finished run: the data stages are filtered, not made again.

Rows of every table, documents, and tokens that come from a repository or object of the list leave; the manifests of
the filtered stages are written anew, so that they stay up to date. What cannot be filtered is made stale: a model keeps
what it has learnt until it is trained again. What quotes the data (samples, indices, executed notebooks) is deleted.
The list is kept in the run's folder, so that whatever the run makes again leaves the same repositories out.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import duckdb
import nbformat
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.archive.opt_out import RUN_FILE, OptOut
from sc2lib.corpus import data_card
from sc2lib.errors import StageError
from sc2lib.tokenizer.token_files import SPLITS
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import state
from sc2lib.workflow.lock import RunLock
from sc2lib.workflow.project import ancestors, notebooks
from sc2lib.workflow.run_directory import RunDirectory

FIRST, LAST = "01_archive", "09_tokenizer"  # the stages whose outputs are rows, and can be filtered
TRAINED = ("12_pretraining", "13_long_context")  # weights: nothing can be taken out of them
PENDING = ".opt_out.json"  # what an unfinished replay has found out; deleted at its end
_BLOB_COLUMNS = ("blob_id", "blob_id_a", "blob_id_b", "cluster_id", "kept_blob_id")
_SHA1 = re.compile(r"\b[0-9a-f]{40}\b")


class Replay(NamedTuple):
    """What a replay did: rows dropped by table, tokens dropped by split, stages that must run again."""

    rows: dict[str, int]
    tokens: dict[str, int]
    stale: list[str]


class Targets(NamedTuple):
    """What leaves: names of repositories, blobs, origins by URL, documents as (document_id, repo_name)."""

    repositories: set[str]
    blobs: set[str]
    origins: set[str]
    documents: set[tuple[str, str | None]]


def replay(run: RunDirectory, opt_out: OptOut, say: Callable[[str], None] = lambda text: None) -> Replay:
    """Apply a list to a run. Run it again after an interruption: filtering twice gives what filtering once gives.

    Raises StageError when the run has no archive yet.
    """
    with RunLock(run.path):
        chosen = _filterable(run)
        merged = OptOut.read(run.path / RUN_FILE)
        merged = OptOut(merged.names | opt_out.names, merged.objects | opt_out.objects)
        # first of all: from here on nothing the run makes again can bring the repositories back
        files.write_text(run.path / RUN_FILE, "".join(f"{line}\n" for line in merged.lines()))
        targets = _remembered(run, _targets(run, merged))
        files.remove(run.path / "superseded")
        files.remove(run.path / "failed")
        rows: dict[str, int] = {}
        tokens: dict[str, int] = {}
        for stage in chosen:
            say(f"{stage}: filtering")
            folder = run.stage(stage)
            files.remove(folder / "scratch")
            if stage == LAST:
                tokens = _drop_tokens(folder, targets)
            for path in sorted(folder.glob("*/part-*.parquet")):
                if path.parent.name == "token_index":
                    continue  # moved together with the tokens
                dropped = _filter_file(path, merged, targets)
                if dropped:
                    name = f"{stage}/{path.parent.name}"
                    rows[name] = rows.get(name, 0) + dropped
            if stage == FIRST:
                rows |= {f"{stage}/{name}": count for name, count in _sweep(folder).items() if count}
            _blank(run.notebook(stage))
        for stage in chosen:
            if (run.stage(stage) / "README.md").exists():
                contact = run.manifests()[stage].params.get("opt_out_contact")
                data_card.write(run.stage(stage) / "README.md", run.path, stage, contact)
            _sign(run, stage, merged)
        stale = _discard(run, chosen)
        files.remove(run.path / PENDING)
    return Replay(rows, tokens, stale)


def _filterable(run: RunDirectory) -> list[str]:
    """The finished data stages in order."""
    finished = [name for name in run.manifests() if FIRST <= name <= LAST]
    if FIRST not in finished:
        raise StageError(f"{FIRST} has not finished in {run.path}; give the list to the run: --set opt_out=LIST")
    return [name for name in finished if name == FIRST or FIRST in ancestors(name, notebooks())]


def _remembered(run: RunDirectory, targets: Targets) -> Targets:
    """The targets and those of an interrupted replay, which has filtered the tables that named them."""
    path = run.path / PENDING
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        documents = {(document, name) for document, name in before[-1]}
        names, blobs, origins = map(set, before[:3])
        targets = Targets(
            targets.repositories | names,
            targets.blobs | blobs,
            targets.origins | origins,
            targets.documents | documents,
        )
    lists = [sorted(targets.repositories), sorted(targets.blobs), sorted(targets.origins)]
    documents_now = sorted(targets.documents, key=lambda row: (row[0], row[1] or ""))
    files.write_text(path, json.dumps([*lists, documents_now]) + "\n")
    return targets


def _targets(run: RunDirectory, opt_out: OptOut) -> Targets:
    archive = run.stage(FIRST)
    repository = _read(archive / "repository", ["origin_url", "repo_name", "html_url"]).to_pylist()
    gone = [row for row in repository if opt_out.has_repository(row["repo_name"], row["html_url"])]
    names, blobs = {row["repo_name"] for row in gone}, set()
    graph = {name: _read(archive / name) for name in ("release", "directory_entry")}
    objects = opt_out.objects_of(graph)
    table = _read(archive / "files", ["blob_id", "repo_name", "content_id", "revision_id", "snapshot_id"])
    for row in table.to_pylist():
        if row["repo_name"] in names or any(row[column] in found for column, found in objects.items()):
            blobs.add(row["blob_id"])
    documents = set()
    for stage in ("07_issues_pull_requests_notebooks_docs", "08_formatting_and_mixture"):
        for path in sorted((run.stage(stage) / "documents").glob("part-*.parquet")):
            for row in pq.read_table(
                path, columns=["document_id", "repo_name", "files"], partitioning=None
            ).to_pylist():
                used = {file["blob_id"] for file in row["files"] or ()}
                if opt_out.has_repository(row["repo_name"]) or used & blobs:
                    documents.add((row["document_id"], row["repo_name"]))
    return Targets(names, blobs, {row["origin_url"] for row in gone}, documents)


# docs: start-filter
def _filter_file(path: Path, opt_out: OptOut, targets: Targets) -> int:
    """Drop the rows of one Parquet file that come from what opted out; returns how many."""
    table = pq.read_table(path, partitioning=None)
    keep = np.ones(table.num_rows, bool)
    for column in _BLOB_COLUMNS:
        if column in table.column_names:
            keep &= np.array([value not in targets.blobs for value in table[column].to_pylist()], bool)
    if "repo_name" in table.column_names:
        names = table["repo_name"].to_pylist()
        refused = {name for name in set(names) if name in targets.repositories or opt_out.has_repository(name)}
        keep &= np.array([name not in refused for name in names], bool)
    for column in ("origin", "url", "origin_url"):
        if column in table.column_names:
            keep &= np.array([value not in targets.origins for value in table[column].to_pylist()], bool)
    if {"document_id", "repo_name"} <= set(table.column_names):
        rows = zip(table["document_id"].to_pylist(), table["repo_name"].to_pylist())
        keep &= np.array([row not in targets.documents for row in rows], bool)
    kept = table.filter(pa.array(keep))
    if "detail" in kept.column_names:
        details = [_without_mention(text, targets) for text in kept["detail"].to_pylist()]
        kept = kept.set_column(kept.column_names.index("detail"), "detail", pa.array(details, pa.string()))
    if not kept.equals(table):
        files.write_parquet(path, kept)
    return table.num_rows - kept.num_rows


# docs: end-filter


def _without_mention(text: str | None, targets: Targets) -> str | None:
    """A reason that names an opted-out copy says only that there was one."""
    if text is None:
        return None
    if any(found in targets.blobs for found in _SHA1.findall(text)):
        return "a copy that has opted out since"
    kept = text.removeprefix("kept in ")
    if kept != text and any(kept.startswith(f"{name}/") or kept == name for name in targets.repositories):
        return "kept in a repository that has opted out since"
    return text


def _sweep(archive: Path) -> dict[str, int]:
    """Drop the objects of the graph that no remaining visit leads to; returns how many, by table."""
    shards = {path.name: sorted(path.glob("part-*.parquet")) for path in archive.iterdir() if path.is_dir()}
    with duckdb.connect() as database:
        for name in {"origin_visit_status", "revision_history", *_OBJECTS} & set(shards):
            database.register(name, _read(archive / name))
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


def _drop_tokens(folder: Path, targets: Targets) -> dict[str, int]:
    """Cut the documents out of the token files and move the index; returns the tokens dropped, by split."""
    path = folder / "token_index" / "part-00000.parquet"
    index = pq.read_table(path, partitioning=None)
    rows = index.to_pylist()
    dropped = dict.fromkeys(SPLITS, 0)
    if not any((row["document_id"], row["repo_name"]) in targets.documents for row in rows):
        return dropped
    moved, kept = [], dict[str, list[tuple[int, int]]]((split, []) for split in SPLITS)
    position = dict.fromkeys(SPLITS, 0)
    for row in rows:
        split, length = row["split"], row["end"] - row["start"]
        if (row["document_id"], row["repo_name"]) in targets.documents:
            dropped[split] += length
            continue
        kept[split].append((row["start"], row["end"]))
        moved.append(row | {"start": position[split], "end": position[split] + length})
        position[split] += length
    for split in SPLITS:
        path_of_split = folder / f"{split}.bin"
        if not dropped[split] or path_of_split.stat().st_size == position[split] * 2:
            continue  # nothing to cut, or an interrupted replay has cut this file and not yet moved the index
        if not position[split]:
            path_of_split.write_bytes(b"")
            continue
        tokens = np.memmap(path_of_split, np.uint16, "r")
        with files.atomic(path_of_split) as temporary, temporary.open("wb") as file:
            for start, end in kept[split]:
                file.write(tokens[start:end].tobytes())
    files.write_parquet(path, pa.Table.from_pylist(moved, schema=index.schema))
    return dropped


def _sign(run: RunDirectory, stage: str, opt_out: OptOut) -> None:
    """Write the manifest of a filtered stage anew: outputs, inputs and key; the rest is as its run left it."""
    folder, notebook = run.stage(stage), notebooks()[stage]
    old = manifests.load(folder)
    assert old is not None
    outputs = manifests.describe(folder, exclude=(manifests.NAME, "stage.json", "scratch"))
    metrics = old.metrics | {"opted_out_entries": len(opt_out.lines())}
    signed = replace(old, outputs=outputs, inputs=state.input_digests(notebook, run), metrics=metrics)
    if old.code == state.code_version(notebook):  # made by other code, it stays so, and is made again as a whole
        signed = replace(signed, key=state.key(notebook, old.params, run))
    files.write_text(folder / "stage.json", json.dumps({"key": signed.key}) + "\n")
    signed.save(folder)


def _discard(run: RunDirectory, filtered: Sequence[str]) -> list[str]:
    """Delete what later stages quote from the data; returns the stages that must run again."""
    stale = []
    for stage in run.manifests():
        if stage in filtered or FIRST not in ancestors(stage, notebooks()):
            continue
        stale.append(stage)
        if stage in TRAINED:
            _blank(run.notebook(stage))
        else:
            files.remove(run.stage(stage))
            files.remove(run.notebook(stage))
    files.remove(run.path / "book")
    return stale


def _blank(path: Path) -> None:
    """Take the outputs out of an executed notebook: they quote the data."""
    if not path.exists():
        return
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    with files.atomic(path) as temporary:
        nbformat.write(notebook, temporary)


def _read(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    shards = sorted(folder.glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(path, columns=columns, partitioning=None) for path in shards])
