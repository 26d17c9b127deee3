"""Altered copies of a run's files: a larger archive of the same make, for the cost of chapters 01 and 04.

In each round of copies every ASCII letter moves some places on in its alphabet, as in Caesar's cipher: other words of
the same lengths, which repeat each other within the round as often as the real ones do, and none of another round. So
the share of near-duplicates stays what it is, which matters: near-duplicates cost more than other files. Repositories,
paths and identifiers are renamed. A core makes 0.1 GB of text a second.
"""

import hashlib
import multiprocessing
import string
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib import files

PROCESSES = 2

Task = tuple[Path, Sequence[str], str, Path, int]


def write_copies(corpus: Path, tables: Sequence[str], folder: Path, rounds: int) -> None:
    """Write copies of `tables` of a run to ``folder/round-01`` and so on; the run itself is the first of the rounds."""
    shards = sorted(path.name for path in (corpus / tables[0]).glob("*.parquet"))
    tasks: list[Task] = [
        (corpus, tables, shard, folder / f"round-{number:02d}", number)
        for number in range(1, rounds)
        for shard in shards
    ]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for _ in pool.imap_unordered(write_copy, tasks):
            pass


def write_copy(task: Task) -> None:
    """Write one shard of a round, of every table; task: (corpus, tables, shard, folder, number of the round)."""
    corpus, tables, shard, folder, number = task
    for name in tables:
        table = pq.read_table(corpus / name / shard, partitioning=None)
        blobs = [renamed(blob, number) for blob in table["blob_id"].to_pylist()]
        table = _with(table, "blob_id", pa.array(blobs, pa.string()))
        if "content" in table.column_names:
            texts = [altered(text, number) for text in table["content"].to_pylist()]
            table = _with(table, "content", pa.array(texts, pa.large_binary()))
        else:
            table = _with(table, "repo_name", pc.binary_join_element_wise(table["repo_name"], str(number), "-"))
            table = _with(table, "path", pc.replace_substring(table["path"], "/", f"/{number}-"))
        files.write_parquet(folder / name / shard, table)


def altered(text: str, number: int) -> bytes:
    """The copy of a text in a round from 1 to 25, as UTF-8 of the same length."""
    moved = [letters[number:] + letters[:number] for letters in (string.ascii_lowercase, string.ascii_uppercase)]
    return text.encode().translate(bytes.maketrans(string.ascii_letters.encode(), "".join(moved).encode()))


def renamed(blob: str, number: int) -> str:
    """An identifier for the copy, of 40 hexadecimal digits too."""
    return hashlib.sha1(f"{number} {blob}".encode()).hexdigest()


def _with(table: pa.Table, column: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index(column)
    return table.set_column(place, column, values.cast(table.schema.field(column).type))
