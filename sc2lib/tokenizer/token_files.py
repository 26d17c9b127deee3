"""Token files: every document of a split in one array of uint16, and an index that says which is where.

The order of the documents is a seeded shuffle, so a training stream that reads the file from its start to its
end mixes repositories and sources, as Megatron's shuffled document index does.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.documents.repositories import unit
from sc2lib.tokenizer.encoding import cached

SPLITS = ("train", "validation")

ENCODED = pa.schema(
    [
        ("document_id", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
        ("repo_name", pa.string()),
        ("languages", pa.list_(pa.string())),
        ("length_bytes", pa.int64()),
        ("length", pa.int64()),
        ("tokens", pa.large_list(pa.uint16())),
    ]
)

# Where each document lies: tokens start to end (exclusive) of its split's file, the end of text included.
TOKEN_INDEX = pa.schema(
    [
        ("document_id", pa.string()),
        ("split", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("source", pa.string()),
        ("repo_name", pa.string()),
        ("languages", pa.list_(pa.string())),
        ("length_bytes", pa.int64()),
    ]
)


def position(document_id: str, seed: int) -> float:
    """Where a document comes in the shuffled order, from 0 to 1."""
    return unit(seed, "document", document_id)


def last_position(documents: pa.Table, max_bytes: Mapping[str, int | None], seed: int) -> dict[str, float]:
    """By split, the position of the last document to keep so that at most `max_bytes[split]` of text are used.

    `documents` has document_id, split and length_bytes. The documents used are the first of the shuffled order, at
    least one, so a smaller budget gives a prefix of a larger one's. Without a budget (None) all are kept (1.0).
    """
    limits = {}
    for split in SPLITS:
        rows = documents.filter(pc.equal(documents["split"], split))
        draws = np.array([position(name, seed) for name in rows["document_id"].to_pylist()])
        order = np.argsort(draws, kind="stable")
        total = np.cumsum(rows["length_bytes"].to_numpy()[order])
        budget = max_bytes[split]
        fits = len(order) if budget is None else int(np.searchsorted(total, budget, side="right"))
        limits[split] = 1.0 if fits == len(order) else float(draws[order[max(fits, 1) - 1]])
    return limits


def encode_documents(documents: pa.Table, tokenizer: str, seed: int, limits: Mapping[str, float]) -> pa.Table:
    """Encode a shard of DOCUMENTS with the tokenizer at a path; documents beyond their split's limit are left out.

    Each document ends with the end of text. About 6 MB/s on one core. Result: an ENCODED table.
    """
    encoder = cached(tokenizer)
    columns: dict[str, list] = {name: [] for name in ENCODED.names}
    pairs = zip(documents["document_id"].to_pylist(), documents["split"].to_pylist(), strict=True)
    wanted = pa.array([position(name, seed) <= limits[split] for name, split in pairs], pa.bool_())
    for batch in documents.filter(wanted).to_batches(max_chunksize=32):
        for row in batch.to_pylist():
            segments = [(segment["token"], segment["text"]) for segment in row["segments"]]
            ids = np.append(encoder.encode_segments(segments), np.uint16(encoder.end_of_text))
            languages = sorted({file["language"] for file in row["files"] if file["language"]})
            for name in ("document_id", "split", "source", "repo_name", "length_bytes"):
                columns[name].append(row[name])
            columns["languages"].append(languages)
            columns["length"].append(len(ids))
            columns["tokens"].append(ids)
    return pa.table(columns, schema=ENCODED)


def token_index(encoded: pa.Table, seed: int) -> pa.Table:
    """The TOKEN_INDEX of encoded documents (their `tokens` column is not needed), in the order of the files.

    A document that occurs twice (two packages with one description) is kept once, in training if it is there.
    """
    names = encoded["document_id"].to_pylist()
    draws = np.array([position(name, seed) for name in names])
    order = np.lexsort((draws, np.array(encoded["split"].to_pylist(), "U10")))  # training before validation
    _, first = np.unique(np.array(names, "U40")[order], return_index=True)
    rows = encoded.take(pa.array(order[np.sort(first)]))
    length = rows["length"].to_numpy()
    end = np.cumsum(length)
    splits = np.array(rows["split"].to_pylist(), "U10")
    for split in SPLITS:  # each split's file starts at 0
        own = splits == split
        if own.any():
            end[own] -= end[own][0] - length[own][0]
    columns = {name: rows[name] for name in TOKEN_INDEX.names if name in rows.column_names}
    columns |= {"start": pa.array(end - length), "end": pa.array(end)}
    return pa.table({name: columns[name] for name in TOKEN_INDEX.names}, schema=TOKEN_INDEX)


def totals(index: pa.Table, documents: pa.Table) -> dict[str, dict[str, int]]:
    """By split: documents, tokens and bytes of text in the files, and bytes of `documents` that were not used.

    `index` is a TOKEN_INDEX; `documents` has split and length_bytes.
    """
    found = {}
    for split in SPLITS:
        own, available = (table.filter(pc.equal(table["split"], split)) for table in (index, documents))
        used, whole = (pc.sum(table["length_bytes"]).as_py() or 0 for table in (own, available))
        tokens = pc.sum(pc.subtract(own["end"], own["start"])).as_py() or 0
        found[split] = {"documents": own.num_rows, "tokens": tokens, "bytes": used, "not_used_bytes": whole - used}
    return found


def write_tokens(path: Path, split: str, shards: Sequence[Path], index: pa.Table) -> None:
    """Write the tokens of a split where the index says, one encoded shard in memory at a time."""
    rows = index.filter(pc.equal(index["split"], split))
    starts = dict(zip(rows["document_id"].to_pylist(), rows["start"].to_pylist(), strict=True))
    total = int(pc.max(rows["end"]).as_py() or 0)
    if not total:
        path.write_bytes(b"")
        return
    target = np.memmap(path, np.uint16, "w+", shape=(total,))
    for shard in shards:
        encoded = pq.read_table(shard, columns=["document_id", "split", "tokens"], partitioning=None)
        for batch in encoded.filter(pc.equal(encoded["split"], split)).to_batches():
            offsets = batch["tokens"].offsets.to_numpy()
            tokens = batch["tokens"].values.to_numpy()
            for row, name in enumerate(batch["document_id"].to_pylist()):
                if name in starts:
                    document = tokens[offsets[row] : offsets[row + 1]]
                    target[starts[name] : starts[name] + len(document)] = document
    target.flush()


def read_tokens(path: Path) -> np.ndarray:
    """A token file as a read-only array of uint16, mapped from disk."""
    return np.memmap(path, np.uint16, "r") if path.stat().st_size else np.empty(0, np.uint16)
