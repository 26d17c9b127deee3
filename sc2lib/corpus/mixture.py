"""The mixture: which sources and languages the training set holds, and how much of each is kept.

Paper sheet, section 4. The natural distribution is kept, except that a few languages are capped. A cap is met by
keeping each file of the language with one probability, decided by a hash, so no worker needs to know the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.documents.records import files_of
from sc2lib.documents.repositories import unit
from sc2lib.errors import InputError, ParameterError

# docs: start-caps
# Gigabytes of a language in the training set (section 4.2, read in the paper).
CAPS = {
    "Java": 200.0,
    "JavaScript": 200.0,
    "Markdown": 254.0,
    "HTML": 100.0,
    "JSON": 8.0,
    "XML": 8.0,
    "YAML": 8.0,
}
# Size in gigabytes of the 32 languages of Table 1 in the-stack-v2-swh-full, the set those caps belong to.
PAPER_GIGABYTES = 1922.82
# docs: end-caps


@dataclass(frozen=True)
class PaperSource:
    """A row of the paper's Table 4: billions of tokens, and the models that use the source."""

    name: str
    tokens: float
    models: tuple[str, ...]


_SMALL, _LARGE = ("3B", "7B"), ("15B",)
_ALL, _MEDIUM_UP = ("3B", "7B", "15B"), ("7B", "15B")
PAPER_SOURCES = tuple(
    PaperSource(name, tokens, models)
    for name, tokens, models in (
        ("the-stack-v2-train-smol", 525.5, _SMALL),
        ("the-stack-v2-train-full", 775.48, _LARGE),
        ("pull requests", 19.54, _ALL),
        ("issues", 11.06, _ALL),
        ("jupyter_structured", 14.74, _ALL),
        ("jupyter_scripts", 16.29, _ALL),
        ("Kaggle scripts", 1.68, _ALL),
        ("documentation", 1.6, _ALL),
        ("OpenWebMath", 14.42, _MEDIUM_UP),
        ("Wikipedia", 6.12, _MEDIUM_UP),
        ("StackOverflow", 10.26, _ALL),
        ("arXiv", 30.26, _MEDIUM_UP),
        ("LHQ", 5.78, _ALL),
        ("intermediate representations", 6.0, _ALL),
    )
)
# Table 1: gigabytes of each language in the-stack-v2-swh-full, the source code of the 15B model.
PAPER_LANGUAGES = {
    "Assembly": 7.74, "Batchfile": 1.02, "C": 114.92, "C#": 169.75, "C++": 211.33, "CMake": 2.27, "CSS": 8.00,
    "Dockerfile": 1.21, "Fortran": 3.61, "Go": 25.83, "Haskell": 4.17, "HTML": 99.09, "Java": 199.68,
    "JavaScript": 199.99, "Julia": 1.83, "Lua": 15.22, "Makefile": 5.19, "Markdown": 244.17, "Perl": 5.66,
    "PHP": 183.70, "PowerShell": 2.46, "Python": 191.61, "R": 19.05, "Ruby": 23.38, "Rust": 12.43, "Scala": 11.30,
    "Shell": 13.51, "SQL": 35.75, "Swift": 22.32, "TeX": 30.01, "TypeScript": 49.14, "Visual Basic": 7.48,
}  # fmt: skip


# What the documents hold: one row for each source, language and split.
MIXTURE = pa.schema(
    [
        ("source", pa.string()),
        ("language", pa.string()),
        ("split", pa.string()),
        ("files", pa.int64()),
        ("bytes", pa.int64()),
    ]
)


def count_documents(documents: pa.Table) -> pa.Table:
    """Files and bytes of text by source, language and split of a DOCUMENTS table, as a MIXTURE table.

    A file's text is that of its segments; paths before the code count.
    """
    totals: dict[tuple[str, str, str], list[int]] = {}
    for batch in documents.to_batches(max_chunksize=64):
        for row in batch.to_pylist():
            for file, segments in files_of(row):
                key = (row["source"], file["language"] or "unknown", row["split"])
                total = totals.setdefault(key, [0, 0])
                total[0] += 1
                total[1] += sum(len(part["text"].encode()) for part in segments)
    rows = [dict(zip(MIXTURE.names, (*key, *total), strict=True)) for key, total in sorted(totals.items())]
    return pa.Table.from_pylist(rows, schema=MIXTURE)


def add_up(tables: Iterable[pa.Table]) -> pa.Table:
    """The sum of MIXTURE tables, largest first within a source."""
    keys = ["source", "language", "split"]
    summed = pa.concat_tables(tables).group_by(keys).aggregate([("files", "sum"), ("bytes", "sum")])
    summed = summed.select([*keys, "files_sum", "bytes_sum"]).rename_columns(MIXTURE.names)
    order = [("source", "ascending"), ("bytes", "descending"), ("language", "ascending"), ("split", "ascending")]
    return summed.sort_by(order)


def bytes_by(counts: pa.Table, column: str, source: str | None = None) -> dict[str, int]:
    """Bytes of a MIXTURE table by "source", "language" or "split", largest first; of one source only if given."""
    totals: dict[str, int] = {}
    for row in counts.to_pylist():
        if source in (None, row["source"]):
            totals[row[column]] = totals.get(row[column], 0) + row["bytes"]
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def count_languages(files: pa.Table) -> dict[str, int]:
    """Bytes by language of a FILES table, largest first; a file without a language counts as "unknown"."""
    languages = pc.fill_null(files["language"], "unknown")
    totals = pa.table({"language": languages, "bytes": files["length_bytes"]}).group_by("language")
    rows = totals.aggregate([("bytes", "sum")]).to_pylist()
    rows.sort(key=lambda row: (-row["bytes_sum"], row["language"]))
    return {row["language"]: row["bytes_sum"] for row in rows}


def cap_scale(sizes: Mapping[str, int], scale: float | None) -> float:
    """Our bytes for one byte of the paper: `scale`, or when it is None the ratio of our size to the paper's."""
    if scale is None:
        return sum(sizes.values()) / (PAPER_GIGABYTES * 1e9)
    if scale <= 0:
        raise ParameterError(f"language_cap_scale must be positive, not {scale}; use null for our size / the paper's")
    return scale


def keep_rates(sizes: Mapping[str, int], scale: float) -> dict[str, float]:
    """Probability with which a file of each capped language is kept, where the cap binds (less than 1)."""
    caps = {language: cap * 1e9 * scale for language, cap in CAPS.items()}
    return {language: caps[language] / size for language, size in sizes.items() if caps.get(language, size) < size}


def require_code(code: pa.Table, dropped: pa.Table) -> None:
    """Raise InputError when no document of code is left; `dropped` are the files that the caps removed."""
    if code.num_rows:
        return
    if dropped.num_rows:
        raise InputError(
            f"the caps of languages left none of {dropped.num_rows:,} files of code; give a source with more files, "
            "or set language_cap_scale=1, with which a cap binds only from gigabytes on"
        )
    raise InputError(
        "no file of code came this far, only notebooks or documentation; give a source that holds source code too"
    )


def is_kept(blob_id: str, language: str | None, rates: Mapping[str, float], seed: int) -> bool:
    """Whether the down-sampling keeps a file: its hash against the rate of its language."""
    return unit(seed, "mixture", blob_id) < rates.get(language or "", 1.0)
