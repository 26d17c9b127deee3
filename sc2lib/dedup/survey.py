"""A first look over all rows, before hours of work begin: broken lines, ids that repeat, values that cannot be read.

It parses JSON Lines once more, 200 MB a second and core; of Parquet it reads the ids and the columns that decide.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from sc2lib.dedup.input_files import Columns, InputFile
from sc2lib.dedup.keeper_values import Reading
from sc2lib.errors import InputError

IdHashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Written:
    """The name of every row of a piece, and the bytes of text before and after."""

    names: pa.ChunkedArray
    bytes: int
    bytes_kept: int


@dataclass(frozen=True)
class Survey:
    """What one piece holds: rows, how many of them have no text at all, lines left out, and 8 bytes for every id."""

    file: InputFile
    rows: int
    without_text: int = 0
    bad_lines: int = 0
    first_bad: str = ""
    readings: dict[str, Reading] = field(default_factory=dict)
    ids: IdHashes | None = None


class Surveyed(Protocol):
    """A piece that can be looked over, and whose rows have names."""

    def survey(self) -> Survey:
        """A look over all rows."""
        ...

    def called(self) -> tuple[list[str], list[str]]:
        """The place of every row (file and number) and its id."""
        ...


def survey_piece(piece: Surveyed) -> Survey:
    """The survey of a piece, in a worker."""
    return piece.survey()


def id_hashes(names: pa.ChunkedArray) -> IdHashes:
    """A 64-bit hash of every name."""
    return np.array([xxhash.xxh3_64_intdigest(name.encode()) for name in names.to_pylist()], np.uint64)


@dataclass(frozen=True)
class Findings:
    """What all pieces hold together."""

    rows: int
    bad_lines: int
    first_bad: str
    readings: dict[str, Reading]

    def record(self) -> dict[str, Any]:
        """For the report."""
        columns = {name: vars(reading) for name, reading in self.readings.items()}
        return {"bad_lines": self.bad_lines, "keeper_columns": columns}

    def sentences(self) -> list[str]:
        """For a person."""
        words = [
            name
            + (f" ({one.unreadable:,} of {one.values:,} values cannot be read and count as missing)")
            * bool(one.unreadable)
            for name, one in self.readings.items()
        ]
        said = [f"of two near-duplicates, one stays by: {', '.join([*words, 'a hash of the text'])}"]
        if self.bad_lines:
            said.append(f"{self.bad_lines:,} broken lines are left out; the first: {self.first_bad}")
        return said


def findings(pieces: Sequence[Surveyed], surveys: Sequence[Survey], columns: Columns) -> Findings:
    """Add up the surveys. Raises InputError for a file in which no row has a text, and for ids that repeat."""
    rows, without = Counter[InputFile](), Counter[InputFile]()
    total: dict[str, Reading] = {}
    for one in surveys:
        rows[one.file] += one.rows
        without[one.file] += one.without_text
        for name, reading in one.readings.items():
            total[name] = total.get(name, Reading(0, 0)) + reading
    for file in rows:
        if rows[file] and rows[file] == without[file]:
            raise InputError(
                f"{file.path}: no line has {columns.text!r}; name the text with --text, or leave the file out"
            )
    if columns.id is not None:
        _refuse_repeated(pieces, surveys, columns.id)
    first = next((one.first_bad for one in surveys if one.first_bad), "")
    return Findings(sum(rows.values()), sum(one.bad_lines for one in surveys), first, total)


def _refuse_repeated(pieces: Sequence[Surveyed], surveys: Sequence[Survey], column: str) -> None:
    """Hashes tell which rows to look at; only names that are really the same are refused."""
    hashes = np.concatenate([np.zeros(0, np.uint64), *(one.ids for one in surveys if one.ids is not None)])
    distinct, counts = np.unique(hashes, return_counts=True)
    if len(distinct) == len(hashes):
        return
    twice = distinct[counts > 1]
    seen: dict[str, str] = {}
    for piece, one in zip(pieces, surveys):
        suspects = np.flatnonzero(np.isin(one.ids, twice)).tolist() if one.ids is not None else []
        places, names = piece.called() if suspects else ([], [])
        for row in suspects:
            other = seen.setdefault(names[row], places[row])
            if other != places[row]:
                raise InputError(
                    f"the rows {other} and {places[row]} have the same {column!r}, {names[row]!r}; name a column "
                    "without repetition with --id, or call rows after file and number: --id ''"
                )
