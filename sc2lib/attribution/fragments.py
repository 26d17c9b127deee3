"""Pieces of real files, for measuring an index: from training files it must find them, from held-out ones hardly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sc2lib.attribution.lexing import lex
from sc2lib.errors import InputError
from sc2lib.evaluation.document_files import document_files


@dataclass(frozen=True)
class Fragment:
    """`tokens` lexical tokens of a file, with the layout they have there."""

    blob_id: str
    repo_name: str
    path: str
    tokens: int
    text: str

    @property
    def respaced(self) -> str:
        """The same tokens one a line: another layout, as a formatter or a thief would leave it."""
        data = self.text.encode()
        found = lex(data)
        return b"\n".join(data[a:b] for a, b in zip(found.starts, found.ends)).decode()


def fragments(shards: Sequence[Path], split: str, count: int, tokens: int, seed: int) -> list[Fragment]:
    """Up to `count` fragments of code of one split, the same number from each shard of DOCUMENTS, one a file.

    Files of fewer than `tokens` tokens are passed over, so there may be fewer.
    """
    found: list[Fragment] = []
    for number, shard in enumerate(shards):
        wanted = math.ceil((count - len(found)) / (len(shards) - number))
        random = np.random.default_rng([seed, number])
        files = document_files(pq.read_table(shard, partitioning=None), split, ("code",))
        order = random.permutation(files.num_rows).tolist()
        for row in order:
            if wanted == 0:
                break
            file = files.slice(row, 1).to_pylist()[0]
            data = file["text"].encode()
            position = lex(data)
            if len(position) < tokens:
                continue
            first = int(random.integers(len(position) - tokens + 1))
            text = data[position.starts[first] : position.ends[first + tokens - 1]].decode()
            found.append(Fragment(file["blob_id"], file["repo_name"] or "", file["path"], tokens, text))
            wanted -= 1
    return found


def require_fragments(found: Sequence[Fragment], tokens: int) -> None:
    """Raise InputError when no file was long enough for a fragment: of such files no copy could be recognised."""
    if not found:
        raise InputError(
            f"no training file has {tokens} tokens, the shortest copy that is found; give a source with longer files, "
            "or lower attribution_min_tokens"
        )
