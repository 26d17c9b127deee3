"""Which files and columns are meant: all files are looked at before one is chosen, and a row has one name."""

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.dedup.input_files import Columns, find_inputs
from sc2lib.dedup.inputs import PIECE_BYTES, choose_columns, cut, header
from sc2lib.dedup.survey import survey
from sc2lib.errors import InputError, ParameterError


def lines(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def parquet(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def columns_of(*paths, **named):
    return choose_columns([header(file) for file in find_inputs(paths, paths[0] / "nowhere")], **named)


def surveyed(path, columns):
    found = find_inputs([path], path / "nowhere")
    pieces = [piece for file in found for piece in cut((file, columns, path / "x", PIECE_BYTES, False))]
    return pieces, survey(
        pieces, columns, path.parent / "survey", lambda function, items, label: list(map(function, items))
    )


def test_rows_are_called_after_the_path_below_what_was_given(tmp_path):
    one = lines(tmp_path / "in" / "a" / "part-0.jsonl", {"text": "x"})
    two = tmp_path / "in" / "b" / "part-0.jsonl.gz"
    two.parent.mkdir()
    two.write_bytes(gzip.compress(one.read_bytes()))
    for given, names in [
        ([tmp_path / "in"], ["a/part-0.jsonl", "b/part-0.jsonl.gz"]),
        ([tmp_path / "in" / "b", one], ["b/part-0.jsonl.gz", "a/part-0.jsonl"]),
        ([one, one.parent, tmp_path / "in" / ".." / "in" / "a"], ["part-0.jsonl"]),  # given thrice, read once
    ]:
        found = find_inputs(given, tmp_path / "out")
        assert [file.name for file in found] == names
    odd = tmp_path / "odd" / os.fsdecode(b"caf\xe9.jsonl")
    odd.parent.mkdir()
    odd.write_bytes(one.read_bytes())
    assert find_inputs([odd], tmp_path / "out")[0].name == "caf\\xe9.jsonl"
    columns = Columns("text")
    (packed,) = cut((find_inputs([two], tmp_path / "out")[0], columns, tmp_path / "unpacked", PIECE_BYTES, False))
    assert packed.called()[0] == ["part-0.jsonl.gz#0"]  # never after what it was unpacked to


def test_the_columns_of_all_files_are_looked_at(tmp_path):
    empty = lines(tmp_path / "a.jsonl")
    late = lines(tmp_path / "b.jsonl", {"n": 1}, {"text": "x", "content": "y"})
    other = lines(tmp_path / "c.jsonl", {"text": "x", "hexsha": "y"})
    assert columns_of(empty, late) == Columns("content")
    assert columns_of(empty, late, other) == Columns("text", "hexsha")  # content is not in all of them
    assert columns_of(other, id="") == Columns("text")
    assert columns_of(parquet(tmp_path / "d.parquet", text=pa.array([], pa.string()))) == Columns("text")
    with pytest.raises(InputError, match="no row in any of the files"):
        columns_of(empty)
    with pytest.raises(ParameterError, match=r"no column 'txt'; 2 files have n, text, content, hexsha"):
        columns_of(late, other, text="txt")


def test_a_parquet_file_that_lacks_a_column_is_named(tmp_path):
    one = parquet(tmp_path / "a.parquet", text=["x"], id=["1"])
    two = parquet(tmp_path / "b.parquet", text=["y"])
    with pytest.raises(InputError, match=r"b\.parquet has no column 'id', which other files have"):
        columns_of(one, two)
    assert columns_of(one, two, id="") == Columns("text")


def test_a_file_of_lines_without_a_text_is_named(tmp_path):
    lines(tmp_path / "a.jsonl", {"text": "x"}, {"n": 1})
    surveyed(tmp_path, Columns("text"))
    lines(tmp_path / "b.jsonl", {"n": 1}, {"text": None})
    with pytest.raises(InputError, match=r"b\.jsonl: no line has 'text'"):
        surveyed(tmp_path, Columns("text"))


def test_ids_that_repeat_are_refused_wherever_they_stand(tmp_path):
    lines(tmp_path / "a.jsonl", {"text": "x", "id": 1}, {"text": "y", "id": 2}, {"text": "z"})
    assert surveyed(tmp_path, Columns("text", "id"))[1].rows == 3
    parquet(tmp_path / "b.parquet", text=["u", "v"], id=[7, 2])
    with pytest.raises(InputError, match=r"a\.jsonl#1 and b\.parquet#1 have the same 'id', '2'.*--id ''"):
        surveyed(tmp_path, Columns("text", "id"))
    assert surveyed(tmp_path, Columns("text"))[1].rows == 5


def test_two_ids_of_one_hash_are_two_ids(tmp_path, monkeypatch):
    monkeypatch.setattr("sc2lib.dedup.ids.xxhash.xxh3_64_intdigest", lambda name: 7)
    lines(tmp_path / "a.jsonl", {"text": "x", "id": 1}, {"text": "y", "id": 2})
    assert surveyed(tmp_path, Columns("text", "id"))[1].rows == 2


def test_a_file_without_rows_may_lack_the_columns(tmp_path):
    parquet(tmp_path / "a.parquet", text=["x", "y"], id=["1", "2"])
    parquet(tmp_path / "b.parquet", repo_name=pa.array([], pa.string()))
    assert surveyed(tmp_path, columns_of(tmp_path))[1].rows == 2


def test_what_decides_is_said_with_what_could_not_be_read(tmp_path):
    lines(tmp_path / "a.jsonl", {"text": "x", "star_events_count": "n/a"}, {"text": "y", "star_events_count": 3})
    found = surveyed(tmp_path, Columns("text"))[1]
    assert found.sentences() == [
        "of two near-duplicates, one stays by: star_events_count (1 of 2 values cannot be read and count as missing), "
        "a hash of the text"
    ]
    assert found.record() == {
        "bad_lines": 0,
        "keeper_columns": {"star_events_count": {"values": 2, "unreadable": 1}},
    }
