"""Parquet in pieces: a large row group is read in parts, and any column that Arrow can hold comes out as it went in."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.dedup.input_files import Columns, find_inputs
from sc2lib.dedup.parquet_rows import check_columns, cut_parquet
from sc2lib.errors import InputError

TABLE = pa.table(
    {
        "text": pa.array([f"text {number} " * 9 for number in range(40)]),
        "view": pa.array([f"v{number}" for number in range(40)], pa.string_view()),
        "kind": pa.array(["a", "b", None, "a"] * 10).dictionary_encode(),
        "meta": pa.array([{"k": [number]} for number in range(40)]),
    }
)


def pieces(path, piece_bytes, text="text"):
    return list(cut_parquet(find_inputs([path], path / "nowhere")[0], Columns(text), piece_bytes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


@given(st.integers(1, 50), st.integers(1, 3000))
def test_cut_anywhere_the_rows_are_the_same(folder, group, piece_bytes):
    path = folder / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=group)
    found = pieces(path, piece_bytes)
    assert [text for piece in found for text in piece.read().texts.to_pylist()] == TABLE["text"].to_pylist()
    assert [place for piece in found for place in piece.places().to_pylist()] == [f"a.parquet#{n}" for n in range(40)]


def test_a_large_row_group_is_read_in_parts(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.parquet")
    size = pq.read_metadata(tmp_path / "a.parquet").row_group(0).total_byte_size
    found = pieces(tmp_path / "a.parquet", size // 4)
    assert len(found) >= 4
    assert max(piece.table().num_rows for piece in found) <= 10


def test_small_row_groups_are_read_together_and_each_once(tmp_path):
    pq.write_table(TABLE, tmp_path / "a.parquet", row_group_size=4)
    sizes = [pq.read_metadata(tmp_path / "a.parquet").row_group(number).total_byte_size for number in range(10)]
    found = pieces(tmp_path / "a.parquet", int(2.5 * max(sizes)))
    assert [number for piece in found for number in piece.row_groups] == list(range(10))
    assert max(len(piece.row_groups) for piece in found) >= 2


@pytest.mark.parametrize("column", ["text", "view", "kind"])
def test_rows_that_stay_are_as_they_were(tmp_path, column):
    pq.write_table(TABLE, tmp_path / "a.parquet")
    gone = np.array([0, 7, 39])
    (piece,) = pieces(tmp_path / "a.parquet", 1 << 20, column)
    written = piece.write_kept(gone, tmp_path / "kept")
    kept = pq.read_table(tmp_path / "kept.parquet")
    assert kept.schema.equals(TABLE.schema)
    assert kept.to_pylist() == [row for number, row in enumerate(TABLE.to_pylist()) if number not in gone]
    lengths = [len(text or "") for text in TABLE[column].to_pylist()]
    assert (written.bytes, written.bytes - written.bytes_kept) == (sum(lengths), sum(lengths[row] for row in gone))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (Columns("words"), "a.parquet has no column 'words', which other files have"),
        (Columns("text", "number"), "no column 'number'"),
        (Columns("meta"), "is struct<k: list<element: int64>>, not text; name the text with --text"),
        (Columns("text", "meta"), "neither word nor number; name another with --id"),
    ],
)
def test_a_column_that_cannot_serve_is_refused(tmp_path, columns, words):
    with pytest.raises(InputError) as caught:
        check_columns(TABLE.schema, columns, tmp_path / "a.parquet")
    assert words in str(caught.value).replace("item:", "element:")
