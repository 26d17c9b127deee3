"""Pieces of a Parquet file: some rows of some row groups, never more than fit in memory several times."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.dedup.input_files import Columns, InputFile
from sc2lib.dedup.keeper_values import ADVICE, is_text, keeper_table, readings
from sc2lib.dedup.pieces import Documents
from sc2lib.dedup.survey import Survey, Written
from sc2lib.errors import InputError


def open_parquet(path: Path) -> pq.ParquetFile:
    """A Parquet file; InputError if it is none."""
    try:
        return pq.ParquetFile(path, buffer_size=1 << 20)  # else a column of a whole row group is read at once
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({error}); make it again or leave it out") from error


@dataclass(frozen=True)
class ParquetPiece:
    """Rows `start` to `stop`, counted within some row groups of a Parquet file that begin at its row `first_row`."""

    file: InputFile
    row_groups: tuple[int, ...]
    first_row: int
    start: int
    stop: int
    columns: Columns

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows, all columns unless some are named. Rows before them in a row group are decoded, and dropped."""
        try:
            parquet = open_parquet(self.file.path)
            schema = parquet.schema_arrow
            batches, seen = [], 0
            for batch in parquet.iter_batches(max(1, self.stop - self.start), list(self.row_groups), columns):
                first, last = max(self.start - seen, 0), min(self.stop - seen, len(batch))
                seen += len(batch)
                if first < last:
                    batches.append(batch.slice(first, last - first))
                if seen >= self.stop:
                    break
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{self.file.path} is damaged ({error}); make it again or leave it out") from error
        named = schema if columns is None else pa.schema([schema.field(name) for name in columns], schema.metadata)
        return pa.Table.from_batches(batches, None if batches else named)

    def places(self) -> pa.Array:
        """File and number of every row."""
        rows = pa.array(np.arange(self.first_row + self.start, self.first_row + self.stop)).cast(pa.string())
        return pc.binary_join_element_wise(f"{self.file.name}#", rows, "")

    def names(self, table: pa.Table) -> pa.ChunkedArray:
        """The id of every row; its place where there is none."""
        if self.columns.id is None:
            return pa.chunked_array([self.places()])
        return pc.coalesce(table[self.columns.id].cast(pa.string()), self.places())

    def called(self) -> tuple[list[str], list[str]]:
        """Places and ids."""
        return self.places().to_pylist(), self.names(self.table(self._there(self.columns.id))).to_pylist()

    def read(self) -> Documents:
        """Texts and what decides between near-duplicates."""
        table = self.table(self._there(self.columns.text, self.columns.id, self.columns.language, *ADVICE))
        texts = texts_of(table[self.columns.text])
        languages = pa.chunked_array([pa.nulls(len(texts), pa.string())])
        if self.columns.language is not None:
            languages = table[self.columns.language].cast(pa.string())
        return Documents(texts, languages, lambda rows: keeper_table(table, self.names(table), texts, rows))

    def write_kept(self, removed: npt.NDArray[np.int64], target: Path) -> Written:
        """Write the rows that stay, as they are."""
        table = self.table()
        keep = np.ones(table.num_rows, bool)
        keep[removed] = False
        files.write_parquet(target.with_suffix(".parquet"), _filtered(table, keep))
        lengths = pc.binary_length(texts_of(table[self.columns.text])).to_numpy()
        return Written(self.names(table), int(lengths.sum()), int(lengths[keep].sum()))

    def survey(self) -> Survey:
        """What a look at the ids and the KEEPER columns finds; all rows have a text."""
        columns = self._there(self.columns.id, *ADVICE)
        if not columns:
            return Survey(self.file, self.stop - self.start)
        table = self.table(columns)
        names = None if self.columns.id is None else self.names(table)
        return Survey(self.file, table.num_rows, readings=readings(table), names=names)

    def _there(self, *wanted: str | None) -> list[str]:
        return [name for name in open_parquet(self.file.path).schema_arrow.names if name in wanted]


def texts_of(column: pa.ChunkedArray) -> pa.Array:
    """The texts of a column, however they are packed; null counts as empty."""
    chunks = column.cast(pa.large_string()).chunks
    return pc.fill_null(pa.concat_arrays(chunks), "") if chunks else pa.array([], pa.large_string())


def check_columns(schema: pa.Schema, columns: Columns, where: Path) -> None:
    """Raises InputError for a column that is not there or that cannot be what it is meant to be."""
    named = {"text": columns.text, "id": columns.id, "language": columns.language}
    for option, name in named.items():
        if name is None:
            continue
        if name not in schema.names:
            has = ", ".join(schema.names)
            raise InputError(
                f"{where} has no column {name!r}, which other files have; it has {has}: give files that are alike, "
                f"or name another column with --{option}"
            )
        kind = schema.field(name).type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        if option == "text" and not (is_text(plain) or pa.types.is_null(plain)):
            raise InputError(f"{where}: column {name!r} is {kind}, not text; name the text with --text")
        if pa.types.is_nested(plain) or pa.types.is_binary(plain) or isinstance(plain, pa.BaseExtensionType):
            raise InputError(
                f"{where}: column {name!r} is {kind}, neither word nor number; name another with --{option}"
            )


def cut_parquet(file: InputFile, columns: Columns, piece_bytes: int) -> Iterator[ParquetPiece]:
    """Pieces of at most about `piece_bytes` uncompressed: small row groups together, a large one in equal parts.

    Only a row group that is a piece too large by itself is cut: each of its parts decodes the rows before it again.
    A file without rows is no piece: it may lack the columns.
    """
    metadata = open_parquet(file.path).metadata
    together: list[int] = []
    first_row = rows = size = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if together and size + group.total_byte_size > piece_bytes:
            yield ParquetPiece(file, tuple(together), first_row, 0, rows, columns)
            together, first_row, rows, size = [], first_row + rows, 0, 0
        together.append(number)
        rows += group.num_rows
        size += group.total_byte_size
        if size > piece_bytes:
            step = max(1, -(-rows * piece_bytes // size))
            for start in range(0, rows, step):
                yield ParquetPiece(file, (number,), first_row, start, min(start + step, rows), columns)
            together, first_row, rows, size = [], first_row + rows, 0, 0
    if rows:
        yield ParquetPiece(file, tuple(together), first_row, 0, rows, columns)


def _filtered(table: pa.Table, keep: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows to keep; runs of them, in any type that Arrow can hold but not filter (views of strings)."""
    with contextlib.suppress(pa.ArrowNotImplementedError):
        return table.filter(pa.array(keep))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]).astype(np.int8))).tolist()
    runs = [table.slice(start, stop - start) for start, stop in zip(edges[::2], edges[1::2])]
    return pa.concat_tables(runs) if runs else table.slice(0, 0)
