from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib import files as atomic_files
from sc2lib import tables
from sc2lib.columns import contents_of, fullest, read_contents, replace_columns, require_files, take_contents
from sc2lib.curation.gallery import first_lines
from sc2lib.errors import InputError

CONTENTS = pa.Table.from_pylist(
    [{"blob_id": "b2", "content": "zwei"}, {"blob_id": "b1", "content": "one\n\n\ttwo\x07\n" + "x" * 50}],
    tables.CONTENTS,
)
FILES = pa.Table.from_pylist([{"blob_id": "b1", "path": "/a"}, {"blob_id": "b2", "path": "/b"}], tables.FILES)


def test_contents_come_in_the_order_of_the_files() -> None:
    assert [text[:4] for text in contents_of(FILES, CONTENTS)] == ["one\n", "zwei"]
    assert take_contents(FILES["blob_id"].slice(1), CONTENTS).to_pylist() == ["zwei"]


def test_a_missing_content_is_named() -> None:
    with pytest.raises(InputError, match="b2"):
        contents_of(FILES, CONTENTS.slice(1))


def test_replaced_columns_keep_their_place_and_type() -> None:
    table = replace_columns(FILES, language=pa.array(["C", None]))
    assert table.schema == tables.FILES
    assert table["language"].to_pylist() == ["C", None]


def test_a_step_that_removed_everything_says_why() -> None:
    gone = tables.removed(FILES, "non_permissive")
    require_files(FILES, gone)
    with pytest.raises(InputError, match="non_permissive: 2"):
        require_files(FILES.slice(0, 0), gone)


def test_excerpts_can_be_printed(tmp_path: Path) -> None:
    shards = [tmp_path / f"part-{index:05d}.parquet" for index in range(2)]
    for index, shard in enumerate(shards):
        atomic_files.write_parquet(shard, CONTENTS.slice(index, 1))
    assert sorted(read_contents(shards, ["b1", "b2"])["blob_id"].to_pylist()) == ["b1", "b2"]
    assert first_lines(shards, ["b1"], lines=3, width=10) == {"b1": ["one", "    two·", "xxxxxxxx …"]}


def test_the_fullest_shards_are_those_with_most_rows_and_of_equals_the_first(tmp_path: Path) -> None:
    shards = [tmp_path / f"part-{number}.parquet" for number in range(5)]
    for shard, rows in zip(shards, (0, 2, 0, 3, 2), strict=True):
        pq.write_table(pa.table({"row": list(range(rows))}), shard)
    assert fullest(shards) == [3]
    assert fullest(shards, 2) == [1, 3]
    assert fullest(shards, 9) == [0, 1, 2, 3, 4]
