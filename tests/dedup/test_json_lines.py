"""JSON Lines in pieces: cut anywhere they are the same rows, and a bad line is named without a word of its content."""

import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.dedup.input_files import Columns, find_inputs
from sc2lib.dedup.json_lines import cut_lines, keys
from sc2lib.dedup.packed_lines import open_lines
from sc2lib.errors import InputError

COLUMNS = Columns("text", "id")
GOOD = b'{"text": "one"}'
BAD = {
    b'{"text": "hunter2\n': "is not JSON (Unterminated string starting at character 10)",
    b'{"text": "hunter2 \xe9"}\n': "is not UTF-8",
    b'["hunter2"]\n': "is no JSON object",
    b'{"text": 2}\n': "has a 'text' that is a number, not text",
    b'{"text": "hunter2 \\ud800"}\n': "has half a character",
    b'{"text": "hunter2", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n": "is nested too deeply",
    b'{"text": "hunter2", "id": ["hunter2"]}\n': "has a 'id' that is a list, neither word nor number",
    b'{"text": "hunter2", "n": ' + b"9" * 5000 + b"}\n": "holds a number of more than 4,300 digits",
}


def pieces(path: Path, piece_bytes=1 << 20, skip_bad=False):
    (file,) = find_inputs([path], path / "nowhere")
    return list(cut_lines(file, COLUMNS, path.with_suffix(".plain"), piece_bytes, skip_bad))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lines")


@given(st.lists(st.sampled_from([GOOD, GOOD + b"\r", b"", b"  "]), max_size=9), st.booleans(), st.integers(1, 60))
def test_cut_anywhere_the_rows_are_the_same(folder, lines, newline, piece_bytes):
    path = folder / "a.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n" * newline)
    rows = [piece.rows() for piece in pieces(path, piece_bytes)]
    expected = [number for number, line in enumerate(lines) if line.strip()]
    assert [place for part in rows for place in part.places] == [f"a.jsonl#{number}" for number in expected]
    assert [line for part in rows for line in part.lines] == [lines[number] for number in expected]


@pytest.mark.parametrize(("line", "words"), BAD.items())
@pytest.mark.parametrize("piece_bytes", [1, 1 << 20])
def test_a_bad_line_is_named_and_not_quoted(tmp_path, line, words, piece_bytes):
    path = tmp_path / "a.jsonl"
    path.write_bytes(GOOD + b"\n\n" + line + GOOD)
    with pytest.raises(InputError) as caught:
        for piece in pieces(path, piece_bytes):
            piece.rows()
    assert f"a.jsonl, line 3, {words}" in str(caught.value) and "hunter2" not in str(caught.value)
    surveys = [piece.survey() for piece in pieces(path, piece_bytes, skip_bad=True)]
    assert (sum(one.rows for one in surveys), sum(one.bad_lines for one in surveys)) == (2, 1)


def test_an_id_of_any_size_is_an_id(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"text": "a", "id": 2**70, "star_events_count": 2**70}, {"text": "b", "id": 3.0}, {"text": "c", "id": "x"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"text": None}]))
    (piece,) = pieces(path)
    assert piece.called()[1] == [str(2**70), "3", "x", "a.jsonl#3"]
    assert piece.read().order()["star_events_count"].null_count == 4


def test_the_keys_of_a_hundred_lines_count(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [{"id": 1}] * 99 + [{"text": "x"}, {"late": 1}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert keys(find_inputs([path], tmp_path / "out")[0], False) == ["id", "text"]


def test_all_frames_of_a_packed_file_are_read_and_none_may_be_cut_short(tmp_path):
    frame = zstandard.compress(b"".join(b'{"n": %d}\n' % number for number in range(50_000)))
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(frame + frame)
    with open_lines(path) as stream:
        assert len(list(stream)) == 100_000
    for length in (5, len(frame) - 4, len(frame) + 9):
        path.write_bytes((frame + frame)[:length])
        with pytest.raises(InputError, match=r"a.jsonl.zst cannot be read to its end"):
            pieces(path)
