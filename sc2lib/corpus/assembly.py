"""The training documents of a run: a shuffle that brings the files of a repository together, then formatting."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.corpus.formatting import SourceFile, repository_documents
from sc2lib.corpus.mixture import count_documents, is_kept
from sc2lib.documents.records import Document, table
from sc2lib.documents.repositories import HeldOut, split_by_repository
from sc2lib.documents.sources import CODE, routed, select
from sc2lib.tables import DOCUMENTS, removed


def distribute(
    files: pa.Table, contents: pa.Table, rates: Mapping[str, float], seed: int, buckets: int
) -> tuple[pa.Table, ...]:
    """One ROUTED table a bucket with the code of a shard, and last the REMOVED rows of the down-sampling."""
    code = select(files, (CODE,))
    pairs = zip(code["blob_id"].to_pylist(), code["language"].to_pylist(), strict=True)
    kept = pa.array([is_kept(blob_id, language, rates, seed) for blob_id, language in pairs], pa.bool_())
    dropped = code.filter(pc.invert(kept))
    tables = split_by_repository(routed(code.filter(kept), contents), buckets)
    return (*tables, removed(dropped, "down_sampled"))


def assemble(
    *tables: pa.Table,
    held_out: HeldOut,
    seed: int,
    metadata_rate: float,
    max_document_bytes: int | None,
) -> tuple[pa.Table, pa.Table]:
    """The DOCUMENTS of one bucket, and their MIXTURE: code is formatted, existing documents are passed on.

    `tables` are the bucket's ROUTED tables, and DOCUMENTS tables of the stage before.
    """
    ready = [one.cast(DOCUMENTS) for one in tables if "segments" in one.column_names]
    files = pa.concat_tables([one for one in tables if "segments" not in one.column_names])
    made: list[Document] = []
    members: dict[tuple[str, str], list[SourceFile]] = {}
    for row in files.sort_by([("repo_name", "ascending"), ("blob_id", "ascending")]).to_pylist():
        name = row.pop("repo_name")
        members.setdefault((name, held_out.split(name, row["blob_id"])), []).append(SourceFile(**row))
    for (name, split), found in members.items():
        made += repository_documents(name, found, split, seed, metadata_rate, max_document_bytes)
    documents = pa.concat_tables([table(made), *ready])
    return documents, count_documents(documents)


def members(files: pa.Table, repo_name: str) -> list[SourceFile]:
    """The files of one repository in a ROUTED table, in the order of the table."""
    rows = files.filter(pc.equal(files["repo_name"], repo_name)).drop_columns(["repo_name"])
    return [SourceFile(**row) for row in rows.to_pylist()]
