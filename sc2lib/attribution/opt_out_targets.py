"""What an opt-out means for a run: the repositories, origins, blobs and documents that must leave it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.archive.opt_out import IDENTIFIED, OptOut
from sc2lib.archive.remaining import OBJECTS
from sc2lib.workflow.run_directory import RunDirectory

OBJECT_COLUMNS = ("content_id", "directory_id", "revision_id", "snapshot_id")
PENDING = ".opt_out.json"  # what an unfinished replay has found out; deleted at its end


class Targets(NamedTuple):
    """What leaves: names of repositories, blobs, origins by URL, objects, documents as (document_id, repo_name)."""

    repositories: set[str]
    blobs: set[str]
    origins: set[str]
    objects: set[str]
    documents: set[tuple[str, str | None]]


def find(run: RunDirectory, opt_out: OptOut) -> Targets:
    """What the tables of a run know of the names and objects of a list."""
    archive = run.stage("01_archive")
    repository = read(archive / "repository", ["origin_url", "repo_name", "html_url"]).to_pylist()
    gone = [row for row in repository if opt_out.has_repository(row["repo_name"], row["html_url"])]
    names, blobs = {row["repo_name"] for row in gone}, set()
    graph = {name: read(archive / name) for name in ("release", "directory_entry")}
    objects = set().union(*opt_out.objects_of(graph).values())
    content = read(archive / "content", ["sha1", "sha1_git"])
    blobs.update(
        content.filter(pc.is_in(content["sha1_git"], pa.array(sorted(objects), pa.string())))["sha1"].to_pylist()
    )
    table = read(archive / "files", ["blob_id", "repo_name", *OBJECT_COLUMNS])
    for row in table.to_pylist():
        if row["repo_name"] in names or any(row[column] in objects for column in OBJECT_COLUMNS):
            blobs.add(row["blob_id"])
    documents = set()
    for stage in ("07_issues_pull_requests_notebooks_docs", "08_formatting_and_mixture"):
        for path in sorted((run.stage(stage) / "documents").glob("part-*.parquet")):
            for row in pq.read_table(
                path, columns=["document_id", "repo_name", "files"], partitioning=None
            ).to_pylist():
                used = {file["blob_id"] for file in row["files"] or ()}
                if row["repo_name"] in names or opt_out.has_repository(row["repo_name"]) or used & blobs:
                    documents.add((row["document_id"], row["repo_name"]))
    return Targets(names, blobs, {row["origin_url"] for row in gone}, objects, documents)


def unmatched(run: RunDirectory, opt_out: OptOut, targets: Targets) -> list[str]:
    """The entries of a list that nothing of the run answers to, or not any more after an earlier replay."""
    archive = run.stage("01_archive")
    listed = read(archive / "repository", ["repo_name", "html_url"])
    rows = [*zip(*(column.to_pylist() for column in listed.columns)), *((name, None) for _, name in targets.documents)]
    graph = {name: read(archive / name, [OBJECTS[name][1]]) for name in IDENTIFIED}
    return opt_out.unmatched([*rows, *((name, None) for name in targets.repositories)], graph)


def remembered(run: RunDirectory, targets: Targets) -> Targets:
    """The targets and those of an interrupted replay, which has filtered the tables that named them."""
    path = run.path / PENDING
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        documents = {(document, name) for document, name in before[-1]}
        names, blobs, origins, objects = map(set, before[:4])
        targets = Targets(
            targets.repositories | names,
            targets.blobs | blobs,
            targets.origins | origins,
            targets.objects | objects,
            targets.documents | documents,
        )
    lists = [sorted(found) for found in targets[:4]]
    documents_now = sorted(targets.documents, key=lambda row: (row[0], row[1] or ""))
    files.write_text(path, json.dumps([*lists, documents_now]) + "\n")
    return targets


def read(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A table of a run in memory, its shards in order."""
    shards = sorted(folder.glob("part-*.parquet"))
    return pa.concat_tables([pq.read_table(path, columns=columns, partitioning=None) for path in shards])
