"""Pieces of a JSON Lines file: whole lines, and what is wrong with a line by its number, never by its content.

A value may be a secret, so that no message quotes one.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sc2lib import files
from sc2lib.dedup.input_files import Columns, InputFile
from sc2lib.dedup.keeper_values import ADVICE, keeper_table, readings
from sc2lib.dedup.packed_lines import ERRORS, damaged, open_lines, read_some
from sc2lib.dedup.pieces import Documents
from sc2lib.dedup.survey import Survey, Written
from sc2lib.errors import InputError

LINES_TO_LOOK_AT = 100  # their keys are the columns to choose from
UNREADABLE = "\ufffd"  # stands for a value of a KEEPER column that can be no word
REMEDY = "correct it, or leave such lines out with --on-bad-line skip"


class BadLineError(Exception):
    """What is wrong with a line."""


@dataclass(frozen=True)
class Rows:
    """The lines of a piece that are rows, with their values as words; `bad` says what is wrong with the others."""

    lines: list[bytes]
    places: list[str]
    values: dict[str, list[str | None]]
    bad: list[str]

    def table(self) -> pa.Table:
        """The values, all of them strings."""
        return pa.table({name: pa.array(column, pa.large_string()) for name, column in self.values.items()})


@dataclass(frozen=True)
class LinesPiece:
    """Whole lines, by their place in bytes of a plain file: the input itself, or what it was unpacked to."""

    file: InputFile
    plain: Path
    start: int
    stop: int
    first_line: int
    columns: Columns
    skip_bad: bool = False

    def rows(self) -> Rows:
        """All rows. Raises InputError for the first bad line, unless bad lines are skipped."""
        with self.plain.open("rb") as stream:
            stream.seek(self.start)
            lines = stream.read(self.stop - self.start).split(b"\n")
        found = Rows([], [], {name: [] for name in self._wanted()}, [])
        for number, line in enumerate(lines, self.first_line):
            if not line.strip():
                continue
            try:
                record = parsed(line)
                values = {name: word(name, record.get(name), self.columns) for name in found.values}
            except BadLineError as error:
                found.bad.append(f"{self.file.path}, line {number + 1}, {error}")
                if not self.skip_bad:
                    raise InputError(f"{found.bad[0]}; {REMEDY}") from error
                continue
            found.lines.append(line)
            found.places.append(f"{self.file.name}#{number}")
            for name, value in values.items():
                found.values[name].append(value)
        return found

    def _wanted(self) -> list[str]:
        named = (self.columns.text, self.columns.id, self.columns.language, *ADVICE)
        return list(dict.fromkeys(name for name in named if name is not None))

    def names(self, rows: Rows) -> list[str]:
        """The id of every row; its place where there is none."""
        if self.columns.id is None:
            return rows.places
        return [place if name is None else name for name, place in zip(rows.values[self.columns.id], rows.places)]

    def called(self) -> tuple[list[str], list[str]]:
        """Places and ids."""
        rows = self.rows()
        return rows.places, self.names(rows)

    def read(self) -> Documents:
        """Texts and what decides between near-duplicates."""
        rows = self.rows()
        texts = pa.array([text or "" for text in rows.values[self.columns.text]], pa.large_string())
        languages = rows.values.get(self.columns.language or "", [None] * len(texts))
        names = pa.chunked_array([pa.array(self.names(rows), pa.string())])

        def order(some: pa.Array | None) -> pa.Table:
            return keeper_table(rows.table().select(list(ADVICE)), names, texts, some)

        return Documents(texts, pa.chunked_array([pa.array(languages, pa.string())]), order)

    def survey(self) -> Survey:
        """A look over all lines."""
        rows = self.rows()
        table = rows.table()
        known = {name: reading for name, reading in readings(table).items() if reading.values}
        names = None if self.columns.id is None else pa.chunked_array([pa.array(self.names(rows), pa.string())])
        without = table[self.columns.text].null_count
        return Survey(self.file, len(rows.lines), without, len(rows.bad), "".join(rows.bad[:1]), known, names)

    def write_kept(self, removed: npt.NDArray[np.int64], target: Path) -> Written:
        """Write the lines that stay, byte for byte."""
        rows = self.rows()
        keep = np.ones(len(rows.lines), bool)
        keep[removed] = False
        with files.atomic(target.with_suffix(".jsonl")) as temporary:
            temporary.write_bytes(b"".join(line + b"\n" for line, stays in zip(rows.lines, keep) if stays))
        lengths = np.array([len((text or "").encode()) for text in rows.values[self.columns.text]], np.int64)
        names = pa.chunked_array([pa.array(self.names(rows), pa.string())])
        return Written(names, int(lengths.sum()), int(lengths[keep].sum()))


def parsed(line: bytes) -> dict[str, Any]:
    """The object of a line. Raises BadLineError if it is none, or nested too deeply for Python."""
    try:
        record = json.loads(line)
    except UnicodeDecodeError as error:
        raise BadLineError(f"is not UTF-8 (byte {error.start + 1} of the line)") from error
    except json.JSONDecodeError as error:
        raise BadLineError(f"is not JSON ({error.msg.removesuffix(' at')} at character {error.pos + 1})") from error
    except ValueError as error:
        raise BadLineError("holds a number of more than 4,300 digits") from error
    except RecursionError as error:
        raise BadLineError("is nested too deeply") from error
    if not isinstance(record, dict):
        raise BadLineError("is no JSON object, {…}")
    return record


def word(name: str, value: Any, columns: Columns) -> str | None:
    """A value as a word, so that it is read alike whatever stands in other lines; null is None.

    Raises BadLineError for a text that is none, and for an id or a language that is neither word nor number.
    """
    strict = name in (columns.text, columns.id, columns.language)
    if value is None or value != value:  # NaN is how pandas writes a missing value
        return None
    if name == columns.text and not isinstance(value, str):
        raise BadLineError(f"has a {name!r} that is {_kind(value)}, not text")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            if strict:
                raise BadLineError(f"has half a character (a lone \\ud800 to \\udfff) in {name!r}") from error
            return UNREADABLE
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and not value.is_integer()):
        return str(value)
    if isinstance(value, float):
        return str(int(value))
    if strict:
        raise BadLineError(f"has a {name!r} that is {_kind(value)}, neither word nor number")
    return UNREADABLE


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a word")


def keys(file: InputFile, skip_bad: bool) -> list[str]:
    """The keys of the first lines, in order of appearance; none if there is no line."""
    found: dict[str, None] = {}
    try:
        with open_lines(file.path) as stream:
            full = ((number, line) for number, line in enumerate(stream, 1) if line.strip())
            lines = list(islice(full, LINES_TO_LOOK_AT))
    except ERRORS as error:
        raise damaged(file.path, error) from error
    for number, line in lines:
        try:
            found |= dict.fromkeys(parsed(line))
        except BadLineError as error:
            if not skip_bad:
                raise InputError(f"{file.path}, line {number}, {error}; {REMEDY}") from error
    return list(found)


def cut_lines(file: InputFile, columns: Columns, plain: Path, piece_bytes: int, skip_bad: bool) -> Iterator[LinesPiece]:
    """Pieces of about `piece_bytes`, whole lines; a packed file is first unpacked to `plain`."""
    if not file.is_packed:
        plain = file.path
    elif not plain.exists():
        with files.atomic(plain) as temporary, open_lines(file.path) as source, temporary.open("wb") as target:
            while data := read_some(source, file.path):
                target.write(data)
    start, first_line, size = 0, 0, plain.stat().st_size
    with plain.open("rb") as stream:
        while start < size:
            stream.seek(start)
            newlines = stream.read(piece_bytes).count(b"\n") + stream.readline().count(b"\n")
            yield LinesPiece(file, plain, start, stream.tell(), first_line, columns, skip_bad)
            start, first_line = stream.tell(), first_line + newlines
