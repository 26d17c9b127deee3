"""Anyone's data: Parquet and JSON Lines files, cut into pieces, with columns that are named or guessed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import xxhash

from sc2lib.dedup.input_files import Columns, InputFile
from sc2lib.dedup.json_lines import LinesPiece, cut_lines, keys
from sc2lib.dedup.packed_lines import open_lines, read_some
from sc2lib.dedup.parquet_rows import ParquetPiece, check_columns, cut_parquet, open_parquet
from sc2lib.errors import InputError, ParameterError

TEXT_NAMES = ("content", "text", "code", "body", "raw_content")
ID_NAMES = ("id", "blob_id", "hexsha", "document_id", "uuid", "url")
LANGUAGE_NAMES = ("language", "lang", "programming_language")
PIECE_BYTES = 1 << 25  # uncompressed bytes of a piece; a worker needs some six times as much

InputPiece = ParquetPiece | LinesPiece


@dataclass(frozen=True)
class Header:
    """The columns of a Parquet file, or the keys of the first lines of a JSON Lines file; and whether it has rows."""

    file: InputFile
    names: tuple[str, ...]
    has_rows: bool


def header(file: InputFile, skip_bad: bool = False) -> Header:
    """The header of a file. Raises InputError if it cannot be read."""
    if file.is_parquet:
        parquet = open_parquet(file.path)
        return Header(file, tuple(parquet.schema_arrow.names), parquet.metadata.num_rows > 0)
    names = tuple(keys(file, skip_bad))
    return Header(file, names, bool(names))


def choose_columns(
    headers: Sequence[Header], text: str | None = None, id: str | None = None, language: str | None = None
) -> Columns:
    """The named columns, or the first usual name that all files have, or some; an empty name means none.

    Raises ParameterError for a column that no file has, naming what there is; InputError for a Parquet file that lacks
    a chosen column or holds something else in it, and if there is no row at all.
    """
    headers = [one for one in headers if one.has_rows] or [one for one in headers if one.names]
    if not headers:
        raise InputError("there is no row in any of the files; give some that hold rows")
    common = set.intersection(*(set(one.names) for one in headers))
    names = list(dict.fromkeys(name for one in headers for name in one.names))
    has = f"it has {', '.join(names)}" if len(headers) == 1 else f"{len(headers)} files have {', '.join(names)}"

    def choose(wanted: str | None, usual: Sequence[str]) -> str | None:
        if wanted == "":
            return None
        if wanted is not None and wanted not in names:
            raise ParameterError(f"{headers[0].file.path} has no column {wanted!r}; {has}")
        found = [name for name in usual if name in common] or [name for name in usual if name in names]
        return wanted or next(iter(found), None)

    chosen = choose(text, TEXT_NAMES)
    if chosen is None:
        raise ParameterError(f"which column of {headers[0].file.path} is the text? name it with --text; {has}")
    columns = Columns(chosen, choose(id, ID_NAMES), choose(language, LANGUAGE_NAMES))
    for one in headers:
        if one.file.is_parquet:
            check_columns(open_parquet(one.file.path).schema_arrow, columns, one.file.path)
    return columns


def content_digest(file: InputFile) -> str:
    """Digest of the bytes of a file, unpacked if it is a packed JSON Lines file."""
    digest = xxhash.xxh3_128()
    with open_lines(file.path) as stream:
        while data := read_some(stream, file.path):
            digest.update(data)
    return digest.hexdigest()


def cut(task: tuple[InputFile, Columns, Path, int, bool]) -> list[InputPiece]:
    """Cut a file into pieces, in a worker; a packed JSON Lines file is first unpacked to `plain`, a megabyte at a time.

    task: (file, columns, plain, uncompressed bytes of a piece, whether bad lines are skipped).
    """
    file, columns, plain, piece_bytes, skip_bad = task
    if file.is_parquet:
        return list(cut_parquet(file, columns, piece_bytes))
    return list(cut_lines(file, columns, plain, piece_bytes, skip_bad))
