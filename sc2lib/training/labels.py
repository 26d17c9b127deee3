"""Which language a held-out token belongs to, from the provenance that its document carries."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from sc2lib.corpus.fim import FILE_SEPARATOR
from sc2lib.errors import InputError
from sc2lib.tokenizer.encoding import Tokenizer


def split_of(index: pa.Table, split: str) -> list[dict]:
    """The rows of a TOKEN_INDEX that lie in one split's file, in the order of the file."""
    return index.filter(pc.equal(index["split"], split)).sort_by("start").to_pylist()


def source_labels(index: pa.Table, split: str = "validation") -> np.ndarray:
    """The source (code, documentation, jupyter_scripts, ...) of every token of a split's file."""
    rows = split_of(index, split)
    return np.repeat([row["source"] for row in rows], [row["end"] - row["start"] for row in rows])


def language_labels(
    tokens: np.ndarray, index: pa.Table, documents: pa.Table, tokenizer: Tokenizer, split: str = "validation"
) -> np.ndarray:
    """The language of every token of a split's file; the source in parentheses where there is no one language.

    The k-th `<file_sep>` of a repository's document begins its k-th file, whose language `documents` (document_id,
    files) knows. What stands before the first file, the name of the repository, belongs to that file. A document
    of one file, or of none, has one label.

    Raises InputError when the index does not cover `tokens`.
    """
    rows = split_of(index, split)
    if sum(row["end"] - row["start"] for row in rows) != len(tokens):
        raise InputError(f"the token index does not cover the {len(tokens)} tokens of {split}; run 09_tokenizer again")
    files = dict(zip(documents["document_id"].to_pylist(), documents["files"].to_pylist(), strict=True))
    separator = tokenizer.token_id(FILE_SEPARATOR)
    labels: list[str] = []
    lengths: list[int] = []
    for row in rows:
        default = f"({row['source']})"
        languages = [file["language"] or default for file in files.get(row["document_id"], [])] or [default]
        starts = np.flatnonzero(tokens[row["start"] : row["end"]] == separator)
        if len(starts) != len(languages):
            starts, languages = np.zeros(1, np.int64), languages if len(set(languages)) == 1 else [default]
        starts = np.append(starts, row["end"] - row["start"])
        starts[0] = 0
        labels += languages[: len(starts) - 1]
        lengths += np.diff(starts).tolist()
    return np.repeat(labels, lengths)


def held_out_labels(
    tokens: np.ndarray, token_index: str | Path | None, documents: str | Path | None, tokenizer: Tokenizer
) -> dict[str, np.ndarray]:
    """Labels of every token of the validation file: by "source" and "language", as far as the tables are at hand.

    `token_index` and `documents` are folders of these tables, or None. Raises InputError as `language_labels` does.
    """
    if token_index is None:
        return {}
    chosen = pc.field("split") == "validation"
    index = ds.dataset(token_index).to_table(filter=chosen)
    found = {"source": source_labels(index)}
    if documents is not None:
        known = ds.dataset(documents).to_table(columns=["document_id", "files"], filter=chosen)
        found["language"] = language_labels(tokens, index, known, tokenizer)
    return found
