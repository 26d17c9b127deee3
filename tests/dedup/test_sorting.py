"""A sort in parts gives the order of one sort, equal rows in the order of their sources."""

import random

import pyarrow as pa
import pytest

from sc2lib.dedup import sorting
from sc2lib.dedup.arrays import write_table
from sc2lib.dedup.sorting import read_between, read_parts, sort_parts
from sc2lib.dedup.steps import steps_of
from tests.dedup.corpus import serial

SCHEMA = pa.schema([("key", pa.string()), ("number", pa.int64()), ("origin", pa.string())])
ORDER = [("key", "ascending"), ("number", "ascending")]
step = steps_of(serial)


def sources_of(folder, rows, count, keys):
    """Sorted tables of random rows, some of them empty; returns their folders and all rows, source after source."""
    rng = random.Random(rows + count)
    tables = []
    for source in range(count):
        mine = rows // count if source % 3 else 0
        columns = [
            [rng.choice(keys) for _ in range(mine)],
            [rng.randrange(9) for _ in range(mine)],
            [f"{source}-{number}" for number in range(mine)],
        ]
        table = pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA)], schema=SCHEMA).sort_by(ORDER)
        (folder / str(source)).mkdir(parents=True)
        write_table(folder / str(source) / "rows.arrow", table)
        tables.append(table)
    return [folder / str(source) for source in range(count)], pa.concat_tables([SCHEMA.empty_table(), *tables])


@pytest.mark.parametrize("fan", [2, 128])
@pytest.mark.parametrize(
    ("rows", "count", "keys"),
    [
        (0, 0, "a"),
        (0, 3, "a"),
        (900, 7, "abcdefgh"),
        (900, 20, ["é", "z", "\U0001f600", "\uffff", "", "aa", "a"]),  # the order of bytes, not of UTF-16
        (900, 5, "aaaaaaaaaaab"),  # one key has most of the rows
        (40, 39, "abc"),  # sources smaller than the distance between two samples
    ],
)
def test_parts_are_the_order_of_the_whole(tmp_path, monkeypatch, rows, count, keys, fan):
    monkeypatch.setattr("sc2lib.dedup.exchange.FAN", fan)
    sources, everything = sources_of(tmp_path / "in", rows, count, keys)
    expected = everything.sort_by(ORDER)
    for size in (10, 100, 10**6):
        monkeypatch.setattr(sorting, "PART_ROWS", size)
        work = tmp_path / str(size)
        sort_parts(step, work, "rows", sources, SCHEMA, ["key", "number"])
        parts = list(read_parts(work, "rows"))
        assert pa.concat_tables(parts).equals(expected)
        assert len(parts) == max(1, -(-everything.num_rows // size))


@pytest.mark.parametrize("count", [3, 30, 2000])
def test_parts_are_of_about_the_same_size(tmp_path, monkeypatch, count):
    """However many rows lie between two that are looked at, and however many a source has."""
    monkeypatch.setattr(sorting, "PART_ROWS", 500)
    sources, _ = sources_of(tmp_path / "in", 20_000, count, [f"{number:04}" for number in range(10_000)])
    sort_parts(step, tmp_path, "rows", sources, SCHEMA, ["key", "number"])
    sizes = [part.num_rows for part in read_parts(tmp_path, "rows")]
    assert len(sizes) > 20 and max(sizes) < 1.7 * 500


def test_what_lies_between_is_found_in_any_part(tmp_path, monkeypatch):
    monkeypatch.setattr(sorting, "PART_ROWS", 20)
    sources, everything = sources_of(tmp_path / "in", 300, 7, "bcdfg")
    sort_parts(step, tmp_path, "rows", sources, SCHEMA, ["key", "number"])
    expected = everything.sort_by(ORDER).to_pylist()
    for first, last in ("aa", "ab", "bc", "bz", "cd", "ce", "ee", "gz", "hz"):
        found = read_between(tmp_path, "rows", first, last).to_pylist()
        assert found == [row for row in expected if first <= row["key"] < last]


def test_a_part_that_is_there_is_not_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sorting, "PART_ROWS", 20)
    sources, _ = sources_of(tmp_path / "in", 300, 7, "bcdfg")
    for _ in range(2):
        sort_parts(step, tmp_path, "rows", sources, SCHEMA, ["key", "number"])
        monkeypatch.setattr(sorting, "sort_part", None)
    (tmp_path / "rows" / "part-00003.arrow").unlink()
    with pytest.raises(TypeError):
        sort_parts(step, tmp_path, "rows", sources, SCHEMA, ["key", "number"])
