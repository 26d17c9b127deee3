import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.curation.texts import read_texts
from sc2lib.errors import InputError
from sc2lib.tables import CONTENTS


def test_texts_are_read_in_the_order_asked_for(tmp_path):
    paths = []
    for number, names in enumerate((["a", "c"], ["d", "e"])):
        paths.append(tmp_path / f"{number}.parquet")
        pq.write_table(
            pa.table({"blob_id": names, "content": [name * 2 for name in names]}, schema=CONTENTS), paths[-1]
        )
    assert read_texts(paths, pa.array(["e", "a", "d"])).to_pylist() == ["ee", "aa", "dd"]
    with pytest.raises(InputError, match="blob b"):
        read_texts(paths, pa.array(["a", "b"]))
