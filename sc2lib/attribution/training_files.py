"""What the model was trained on, file by file, with the identifiers under which the archive knows it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.attribution.index import INDEXED, build_part
from sc2lib.attribution.winnowing import Guarantee
from sc2lib.evaluation.document_files import document_files
from sc2lib.files import atomic


def training_files(documents: pa.Table, shards: list[Path]) -> pa.Table:
    """INDEXED rows for the files in the training split of `documents`, in the order of blob_id and path.

    `documents` hold the texts the model read, redacted and formatted; `shards` are FILES tables with the object ids
    and licences, and of a blob that stands in several of them the first counts. A blob that stands in several
    documents makes a row for each repository.
    """
    files = document_files(documents, "train")
    columns = ["blob_id", "content_id", "detected_licenses"]
    wanted = files["blob_id"].unique()
    known = [
        pq.read_table(shard, columns=columns, filters=pc.field("blob_id").isin(wanted), partitioning=None)
        for shard in shards
    ]
    facts = {row["blob_id"]: row for table in reversed(known) for row in table.to_pylist()}
    rows = sorted(files.to_pylist(), key=lambda row: (row["blob_id"], row["repo_name"] or "", row["path"]))
    for row in rows:
        row |= {name: facts.get(row["blob_id"], {}).get(name) for name in columns[1:]}
    return pa.Table.from_pylist(rows, schema=INDEXED)


def index_shard(item: tuple[Path, Path, list[Path], Guarantee]) -> int:
    """Build one part of the index from one shard of DOCUMENTS, unless it is there; return its number of files.

    `item` holds the part's folder, the shard, the FILES shards and the guarantee: one task of an executor.
    """
    folder, shard, files, guarantee = item
    if not folder.exists():
        rows = training_files(pq.read_table(shard, partitioning=None), files)
        with atomic(folder) as temporary:
            build_part(temporary, rows, guarantee)
    return pq.read_metadata(folder / "files.parquet").num_rows
