from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib import tables


def files_table() -> pa.Table:
    columns = {name: pa.nulls(2, tables.FILES.field(name).type) for name in tables.FILES.names}
    columns |= {"blob_id": pa.array(["aa", "bb"]), "path": pa.array(["/a.py", "/b.py"])}
    return pa.table(columns, schema=tables.FILES)


def test_removed_rows_carry_the_reason():
    table = tables.removed(files_table(), "binary")
    assert table.schema == tables.REMOVED
    assert table["reason"].to_pylist() == ["binary", "binary"]
    assert table["detail"].to_pylist() == [None, None]
    each = tables.removed(files_table(), pa.array(["x", "y"]), pa.array(["1", "2"]))
    assert each.select(["path", "reason", "detail"]).to_pylist()[1] == {"path": "/b.py", "reason": "y", "detail": "2"}


@given(st.binary(min_size=20, max_size=20), st.integers(1, 256))
def test_every_blob_has_a_shard(blob, shards):
    assert 0 <= tables.shard_of(blob.hex(), shards) < shards


@pytest.mark.parametrize("shards", [1, 2, 16, 256])
def test_the_prefixes_are_spread_evenly(shards):
    counts = Counter(tables.shard_of(f"{prefix:02x}", shards) for prefix in range(256))
    assert set(counts.values()) == {256 // shards}
