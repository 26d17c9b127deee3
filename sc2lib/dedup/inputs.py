"""Anyone's data: Parquet and JSON Lines files, cut into pieces, with columns that are named or guessed."""

import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash
import zstandard

from sc2lib import files
from sc2lib.dedup.pieces import KEEPER, Documents
from sc2lib.errors import InputError, ParameterError

TEXT_NAMES = ("content", "text", "code", "body", "raw_content")
ID_NAMES = ("id", "blob_id", "hexsha", "document_id", "uuid", "url")
LANGUAGE_NAMES = ("language", "lang", "programming_language")
ENDINGS = (".parquet", ".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz", ".jsonl.zst", ".ndjson.zst")
PIECE_BYTES = 1 << 25  # uncompressed bytes of a piece; a worker needs some six times as much


@dataclass(frozen=True)
class Columns:
    """The columns that matter; without an id a row is called after its file and number."""

    text: str
    id: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class InputFile:
    """A file as it was when the run began."""

    path: Path
    size: int
    modified_ns: int


def find_inputs(paths: Sequence[Path], out: Path) -> list[InputFile]:
    """The Parquet and JSON Lines files among `paths` and in the folders among them, sorted by path.

    The folder of the results may lie within an input and is left out. Raises InputError for an input that lies in it,
    for a path that is missing or of another kind, and for a folder without such files.
    """
    found: list[Path] = []
    for path in paths:
        if path.resolve().is_relative_to(out):
            raise InputError(f"{path} lies in {out}, where the results go; give another folder with --out")
        if path.is_dir():
            inside = [one for one in path.rglob("*") if one.is_file() and one.name.endswith(ENDINGS)]
            inside = sorted(one for one in inside if not one.resolve().is_relative_to(out))
            if not inside:
                raise InputError(
                    f"{path} holds no file that ends in {', '.join(ENDINGS)}; give the folder that holds them"
                )
            found += inside
        elif not path.is_file():
            raise InputError(
                f"{path} does not exist; give files that end in {', '.join(ENDINGS)}, or a folder that holds some"
            )
        elif not path.name.endswith(ENDINGS):
            raise InputError(
                f"{path} is neither Parquet nor JSON Lines: its name ends in none of {', '.join(ENDINGS)}; "
                "rename it if it is, else convert it"
            )
        else:
            found.append(path)
    return [InputFile(path.resolve(), path.stat().st_size, path.stat().st_mtime_ns) for path in dict.fromkeys(found)]


def content_digest(file: InputFile) -> str:
    """Digest of the bytes of a file, unpacked if it is a packed JSON Lines file."""
    digest = xxhash.xxh3_128()
    with _open_lines(file.path) as stream:
        while data := _read(stream, file.path):
            digest.update(data)
    return digest.hexdigest()


def choose_columns(
    names: Sequence[str], where: Path, text: str | None = None, id: str | None = None, language: str | None = None
) -> Columns:
    """The named columns, or the first usual name that is there. Raises ParameterError naming what there is."""

    def choose(wanted: str | None, usual: Sequence[str]) -> str | None:
        if wanted is not None and wanted not in names:
            raise ParameterError(f"{where} has no column {wanted!r}; it has {', '.join(names)}")
        return wanted or next((name for name in usual if name in names), None)

    chosen = choose(text, TEXT_NAMES)
    if chosen is None:
        raise ParameterError(f"which column of {where} is the text? name it with --text; it has {', '.join(names)}")
    return Columns(chosen, choose(id, ID_NAMES), choose(language, LANGUAGE_NAMES))


def column_names(file: InputFile) -> list[str]:
    """The columns of a Parquet file, or the keys of the first line of a JSON Lines file."""
    if file.path.name.endswith(".parquet"):
        return open_parquet(file.path).schema_arrow.names
    with _open_lines(file.path) as stream:
        first = next((line for line in stream if line.strip()), b"{}")
    return list(_record(first, file.path, 1))


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file; InputError if it is none."""
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({error}); make it again or leave it out") from error


@dataclass(frozen=True)
class Written:
    """The name and the bytes of text of every row of a piece."""

    names: pa.ChunkedArray
    length_bytes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class ParquetPiece:
    """Some row groups of a Parquet file."""

    file: InputFile
    row_groups: tuple[int, ...]
    first_row: int
    columns: Columns

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows, all columns unless some are named."""
        try:
            return open_parquet(self.file.path).read_row_groups(list(self.row_groups), columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{self.file.path} is damaged ({error}); make it again or leave it out") from error

    def count(self) -> int:
        """Rows."""
        data = open_parquet(self.file.path).metadata
        return sum(data.row_group(number).num_rows for number in self.row_groups)

    def read(self) -> Documents:
        """Texts and what decides between near-duplicates."""
        names = open_parquet(self.file.path).schema_arrow.names
        wanted = {self.columns.text, self.columns.id, self.columns.language, *KEEPER.names}
        table = self.table([name for name in names if name in wanted])
        return documents(table, self.columns, self.file.path, self.first_row)

    def write_kept(self, keep: pa.Array, target: Path) -> Written:
        """Write the rows that stay, as they are."""
        table = self.table()
        files.write_parquet(target.with_suffix(".parquet"), table.filter(keep))
        names = names_of(table, self.columns, self.file.path, self.first_row)
        return Written(names, pc.fill_null(pc.binary_length(table[self.columns.text]), 0).to_numpy())


@dataclass(frozen=True)
class LinesPiece:
    """Whole lines of a JSON Lines file, by their place in bytes."""

    file: InputFile
    start: int
    stop: int
    first_row: int
    columns: Columns

    def lines(self) -> list[bytes]:
        """The lines that are not empty."""
        with self.file.path.open("rb") as stream:
            stream.seek(self.start)
            return [line for line in stream.read(self.stop - self.start).splitlines() if line.strip()]

    def count(self) -> int:
        """Rows."""
        return len(self.lines())

    def read(self) -> Documents:
        """Texts and what decides between near-duplicates."""
        named = (self.columns.text, self.columns.id, self.columns.language, *KEEPER.names)
        wanted = dict.fromkeys(name for name in named if name is not None)
        rows = [_record(line, self.file.path, self.first_row + n + 1) for n, line in enumerate(self.lines())]
        if rows and not any(self.columns.text in row for row in rows):
            raise InputError(f"{self.file.path}: no line has {self.columns.text!r}; name the text with --text")
        try:
            table = pa.table(
                {str(name): pa.array([row.get(name) for row in rows]) for name in sorted(map(str, wanted))}
            )
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InputError(f"{self.file.path}: values of one column differ in type ({error})") from error
        return documents(table, self.columns, self.file.path, self.first_row)

    def write_kept(self, keep: pa.Array, target: Path) -> Written:
        """Write the lines that stay, byte for byte."""
        kept = [line for line, stays in zip(self.lines(), keep.to_pylist()) if stays]
        with files.atomic(target.with_suffix(".jsonl")) as temporary:
            temporary.write_bytes(b"".join(line + b"\n" for line in kept))
        documents = self.read()
        return Written(documents.order()["blob_id"], pc.binary_length(documents.texts).to_numpy())


InputPiece = ParquetPiece | LinesPiece


def documents(table: pa.Table, columns: Columns, where: Path, first_row: int) -> Documents:
    """The texts of a table (null counts as empty) and its KEEPER columns; ties are decided by a hash of the text."""
    text = table[columns.text]
    if not (pa.types.is_string(text.type) or pa.types.is_large_string(text.type) or pa.types.is_null(text.type)):
        raise InputError(f"{where}: column {columns.text!r} is {text.type}, not text; name the text with --text")
    chunks = text.cast(pa.large_string())
    texts = pa.concat_arrays(chunks.chunks) if chunks.num_chunks else pa.array([], pa.large_string())
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    nobody = pa.chunked_array([pa.nulls(len(texts), pa.string())])
    languages = table[columns.language].cast(pa.string()) if columns.language in table.column_names else nobody

    def order(rows: pa.Array | None) -> pa.Table:
        found = {field.name: _cast(table, field) for field in KEEPER}
        found["blob_id"] = names_of(table, columns, where, first_row)
        keeper, mine = pa.table(found, schema=KEEPER), texts
        if rows is not None:
            keeper, mine = keeper.take(rows), texts.take(rows)
        path = pc.coalesce(keeper["path"], _digests(mine))
        return keeper.set_column(KEEPER.get_field_index("path"), KEEPER.field("path"), path)

    return Documents(texts, languages, order)


def names_of(table: pa.Table, columns: Columns, where: Path, first_row: int) -> pa.ChunkedArray:
    """The id of every row; the file and the row's number where there is none."""
    numbers = pa.array(np.arange(first_row, first_row + table.num_rows)).cast(pa.string())
    places = pc.binary_join_element_wise(f"{where.name}#", numbers, "")
    if columns.id is None:
        return pa.chunked_array([places])
    return pc.coalesce(table[columns.id].cast(pa.string()), places)


def _cast(table: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    """A column as a KEEPER column; null if it is not there or means something else."""
    if field.name in table.column_names:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return table[field.name].cast(field.type)
    return pa.nulls(table.num_rows, field.type)


def _digests(texts: pa.Array) -> pa.Array:
    if len(texts) == 0:
        return pa.array([], pa.string())
    data = memoryview(texts.buffers()[2] or b"")
    offsets = np.frombuffer(texts.buffers()[1], np.int64)[texts.offset : texts.offset + len(texts) + 1].tolist()
    return pa.array([xxhash.xxh3_128_hexdigest(data[start:stop]) for start, stop in pairwise(offsets)], pa.string())


def cut(file: InputFile, columns: Columns, plain: Path) -> Iterator[InputPiece]:
    """Cut a file into pieces; a compressed JSON Lines file is first unpacked to `plain`."""
    if file.path.name.endswith(".parquet"):
        yield from _cut_parquet(file, columns)
        return
    if file.path.name.endswith((".gz", ".zst")):
        if not plain.exists():
            with files.atomic(plain) as temporary, _open_lines(file.path) as source, temporary.open("wb") as target:
                while data := _read(source, file.path):
                    target.write(data)
        file = InputFile(plain, plain.stat().st_size, 0)
    start, first_row = 0, 0
    with file.path.open("rb") as stream:
        while start < file.size:
            stream.seek(start + PIECE_BYTES)
            stream.readline()
            stop = min(stream.tell(), file.size)
            piece = LinesPiece(file, start, stop, first_row, columns)
            yield piece
            start, first_row = stop, first_row + piece.count()


def _cut_parquet(file: InputFile, columns: Columns) -> Iterator[InputPiece]:
    metadata = open_parquet(file.path).metadata
    groups: list[int] = []
    first_row = rows = size = 0
    for number in range(metadata.num_row_groups):
        groups.append(number)
        rows += metadata.row_group(number).num_rows
        size += metadata.row_group(number).total_byte_size
        if size >= PIECE_BYTES or number == metadata.num_row_groups - 1:
            yield ParquetPiece(file, tuple(groups), first_row, columns)
            groups, first_row, size = [], rows, 0


def _read(stream: Any, path: Path) -> bytes:
    try:
        return stream.read(1 << 20)
    except (EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"{path} cannot be read to its end ({error}); fetch it again") from error


def _open_lines(path: Path) -> Any:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    if path.name.endswith(".zst"):
        return zstandard.open(path, "rb")
    return path.open("rb")


def _record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(f"{path}, line {number}, is not JSON ({error}); correct the line or leave it out") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}, line {number}, is no JSON object; every line must be {{...}}")
    return record
