"""A first look over all rows, before hours of work begin: broken lines, ids that repeat, values that cannot be read.

It parses JSON Lines once more, 200 MB a second and core; of Parquet it reads the ids and the columns that decide.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sc2lib import files
from sc2lib.dedup.ids import HELD, Called, hashes_of, refuse_repeated, save_hashes
from sc2lib.dedup.input_files import Columns, InputFile
from sc2lib.dedup.keeper_values import Reading
from sc2lib.dedup.shingles import Hashes
from sc2lib.dedup.steps import Mapper, steps_of
from sc2lib.errors import InputError


@dataclass(frozen=True)
class Written:
    """The name of every row of a piece, and the bytes of text before and after."""

    names: pa.ChunkedArray
    bytes: int
    bytes_kept: int


@dataclass(frozen=True)
class Survey:
    """What one piece holds: rows, how many of them have no text at all, lines left out, and the names of its rows.

    The names stay with the worker, who hashes them: 8 bytes for each, or the folder with as many.
    """

    file: InputFile
    rows: int
    without_text: int = 0
    bad_lines: int = 0
    first_bad: str = ""
    readings: dict[str, Reading] = field(default_factory=dict)
    names: pa.ChunkedArray | None = None
    ids: Hashes | Path | None = None


class Surveyed(Called, Protocol):
    """A piece that can be looked over, and whose rows have names."""

    def survey(self) -> Survey:
        """A look over all rows."""
        ...


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


def survey(pieces: Sequence[Surveyed], columns: Columns, work: Path, mapper: Mapper) -> Findings:
    """Look over all pieces; `work` is for what lies on disk meanwhile.

    Raises InputError for a file in which no row has a text, and for ids that repeat.
    """
    files.remove(work)
    most = HELD // max(1, len(pieces))
    tasks = [(piece, work / "ids" / f"{number:05d}", most) for number, piece in enumerate(pieces)]
    surveys = mapper(survey_piece, tasks, "survey")
    found = _added_up(surveys, columns)
    if columns.id is not None:
        sizes, ids = [one.rows for one in surveys], [one.ids for one in surveys if one.ids is not None]
        refuse_repeated(steps_of(mapper), work, pieces, sizes, ids, columns.id)
    files.remove(work)
    return found


def survey_piece(task: tuple[Surveyed, Path, int]) -> Survey:
    """The survey of a piece, in a worker; task: (piece, folder for the hashes of its ids, how many need none)."""
    piece, folder, most = task
    found = piece.survey()
    if found.names is None:
        return found
    hashes = hashes_of(found.names)
    if len(hashes) <= most:
        return replace(found, names=None, ids=hashes)
    save_hashes(folder, hashes)
    return replace(found, names=None, ids=folder)


def _added_up(surveys: Sequence[Survey], columns: Columns) -> Findings:
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
    first = next((one.first_bad for one in surveys if one.first_bad), "")
    return Findings(sum(rows.values()), sum(one.bad_lines for one in surveys), first, total)
