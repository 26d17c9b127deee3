"""Ids that repeat are found in parts: the same two rows as by looking at all names in order, however it is cut."""

import json
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
import xxhash
from hypothesis import example, given
from hypothesis import strategies as st

from sc2lib import cli
from sc2lib.dedup import exchange, ids
from sc2lib.dedup.input_files import Columns, InputFile
from sc2lib.dedup.survey import Survey, survey, survey_piece
from sc2lib.errors import InputError

FILE = InputFile(Path("a.parquet"), "a.parquet", 0, 0)
COLUMNS = Columns("text", "id")


def name_column(names):
    return pa.chunked_array([pa.array(names, pa.string())])


@dataclass(frozen=True)
class NamedPiece:
    """A piece that is nothing but names."""

    first: int
    names: tuple[str, ...]

    def called(self):
        return [f"a.parquet#{self.first + row}" for row in range(len(self.names))], list(self.names)

    def survey(self):
        return Survey(FILE, len(self.names), names=name_column(self.names))


def cut(names, ends):
    """Pieces that end at some rows, some of them empty."""
    ends = [0, *sorted(min(end, len(names)) for end in ends), len(names)]
    return [NamedPiece(start, tuple(names[start:stop])) for start, stop in pairwise(ends)]


def refusal(names):
    """The definition: the first row whose name an earlier row has, and the first that has it."""
    seen = {}
    for row, name in enumerate(names):
        if name in seen:
            return f"the rows a.parquet#{seen[name]} and a.parquet#{row} have the same 'id', {name!r}; "
        seen[name] = row
    return None


def in_order(function, items, label):
    return [function(item) for item in items]


def refused(pieces):
    with tempfile.TemporaryDirectory() as folder:
        try:
            survey(pieces, COLUMNS, Path(folder) / "survey", in_order)
        except InputError as error:
            return str(error)
    return None


NAMES = st.lists(st.integers(0, 60).map(str), max_size=40)
FEW = st.sampled_from([1, 2, 5, 1000])


@given(
    NAMES, st.lists(st.integers(0, 40), max_size=12), FEW, st.sampled_from([2, 3, 128]), st.sampled_from([0, 9, 999])
)
@example([str(row) for row in range(40)] + ["7"], list(range(41)), 1, 2, 0)  # 41 pieces, 41 parts, 6 rounds
@example(["1"] * 40, [5, 5, 30], 1, 2, 0)
@pytest.mark.parametrize("hashes", [2**64, 5, 1])  # as they are; some alike; all alike
def test_the_refusal_is_that_of_all_names_in_order(hashes, names, ends, part, fan, held):
    real = xxhash.xxh3_64_intdigest
    with (
        patch.object(ids, "PART_IDS", part),
        patch.object(ids, "BLOCK", part),
        patch.object(ids, "HELD", held),
        patch("sc2lib.dedup.survey.HELD", held),
        patch.object(exchange, "FAN", fan),
        patch.object(ids.xxhash, "xxh3_64_intdigest", lambda word: real(word) % hashes * (2**64 // hashes)),
    ):
        said, expected = refused(cut(names, ends)), refusal(names)
    assert (said is None) == (expected is None)
    assert expected is None or said.startswith(expected)


def test_no_hash_comes_back_of_a_piece_with_too_many(tmp_path):
    (piece,) = cut([str(row) for row in range(100)], [])[:1]
    few, many = (survey_piece((piece, tmp_path / str(most), most)) for most in (100, 99))
    assert len(few.ids) == 100 and not (tmp_path / "100").exists()
    assert many.ids == tmp_path / "99" and many.ids.is_dir()
    assert few.names is many.names is None


def test_an_id_that_all_rows_share_weighs_two_rows_of_a_piece():
    assert len(ids.hashes_of(name_column(["a", "b", *["c"] * 1000]))) == 4


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("held", [0, 10**6])
def test_the_command_names_the_same_rows_with_any_workers(tmp_path, capsys, monkeypatch, workers, held):
    monkeypatch.setattr("sc2lib.dedup.inputs.PIECE_BYTES", 200)
    monkeypatch.setattr("sc2lib.dedup.survey.HELD", held)
    monkeypatch.setattr(ids, "PART_IDS", 16)
    rows = [{"id": f"row {row % 60}", "text": "x" * 20} for row in range(90)]
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["dedup", str(source), "--out", str(tmp_path / "out"), "--workers", workers]) == 1
    assert "the rows a.jsonl#0 and a.jsonl#60 have the same 'id', 'row 0'; name a column" in capsys.readouterr().err
    source.write_text("".join(json.dumps(row) + "\n" for row in rows[:60]))
    assert cli.main(["dedup", str(source), "--out", str(tmp_path / "out"), "--workers", workers]) == 0
