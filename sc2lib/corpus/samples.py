"""Samples of text by language, taken from training documents."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.documents.records import files_of


def texts(shards: Iterable[Path], split: str) -> Iterator[tuple[str, str]]:
    """Yield (language, text) for every file in the documents of one split, in the order of the shards.

    A file's text is that of its segments, joined without sentinels.
    """
    for shard in shards:
        table = pq.read_table(shard, columns=["segments", "files"], filters=pc.field("split") == split)
        for batch in table.to_batches(max_chunksize=16):
            for row in batch.to_pylist():
                for file, segments in files_of(row):
                    yield file["language"] or "unknown", "".join(part["text"] for part in segments)


def by_language(shards: Iterable[Path], split: str, bytes_per_language: int, smallest: int = 0) -> dict[str, list[str]]:
    """The first texts of each language, at most `bytes_per_language` bytes each and at least `smallest`.

    Languages with less than `smallest` bytes are left out; the one with most text comes first. The last text of a
    language is cut at a character.
    """
    found: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for language, text in texts(shards, split):
        room = bytes_per_language - sizes.get(language, 0)
        if data := text.encode()[: max(room, 0)].decode(errors="ignore"):
            found.setdefault(language, []).append(data)
            sizes[language] = sizes.get(language, 0) + len(data.encode())
    order = sorted(found, key=lambda language: (-sizes[language], language))
    return {language: found[language] for language in order if sizes[language] >= smallest}
