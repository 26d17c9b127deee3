"""An index of an earlier crawl, asked by a later run of the book: read only, and only with the same options."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib import cli
from sc2lib.dedup.engine import deduplicate
from sc2lib.dedup.index import crawls_of
from sc2lib.dedup.near_duplicates import pair_to_show
from sc2lib.dedup.options import DedupOptions
from sc2lib.errors import InputError, ParameterError
from tests.dedup.corpus import pieces_of, serial, texts


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    pq.write_table(pa.table({"content": list(texts()[::2])}), folder / "one.parquet")
    call = ["dedup", folder / "one.parquet", "--out", folder / "out", "--index", folder / "idx", "--workers", "1"]
    assert cli.main([str(word) for word in call]) == 0
    return folder / "idx"


def test_no_index_is_no_earlier_crawl():
    assert crawls_of(None, DedupOptions()) == []


def test_files_of_an_earlier_crawl_stay_and_what_resembles_them_leaves(tmp_path, index):
    before = sorted(path.stat().st_mtime_ns for path in index.rglob("*"))
    again = pieces_of(texts()[::2])
    unheard = pieces_of([" ".join(f"unheard{number}" for number in range(60))])
    result = deduplicate([*again, *unheard], tmp_path, DedupOptions(), serial, crawls_of(str(index), DedupOptions()))
    assert result.removals.num_rows == len(texts()[::2])
    assert all(name.startswith("one.parquet#") for name in result.removals["cluster_id"].to_pylist())
    assert min(result.removals["jaccard"].to_pylist()) >= 0.7
    assert sorted(path.stat().st_mtime_ns for path in index.rglob("*")) == before


def test_an_index_that_is_missing_or_of_other_options_is_refused(tmp_path, index):
    with pytest.raises(InputError, match="sc2 dedup"):
        crawls_of(tmp_path / "none", DedupOptions())
    assert not (tmp_path / "none").exists()
    with pytest.raises(ParameterError, match="scope all"):
        crawls_of(index, DedupOptions(scope="language"))
    with pytest.raises(ParameterError, match="verified"):
        crawls_of(index, DedupOptions(mode="paper"))


def test_an_index_whose_words_were_cut_otherwise_is_refused(tmp_path, index):
    known = json.loads((index / "index.json").read_text())
    version = known.pop("words_version")
    for older in (known, known | {"words_version": version - 1}):
        (tmp_path / "index.json").write_text(json.dumps(older))
        with pytest.raises(ParameterError, match="was made with words_version"):
            crawls_of(tmp_path, DedupOptions())


def test_a_keeper_of_an_earlier_crawl_is_no_pair_to_show():
    row = {"blob_id": "b", "repo_name": "r", "path": "/p", "language": "Python", "length_bytes": 9}
    clusters = pa.table({"blob_id": ["b"], "cluster_id": ["one.parquet#0"], "jaccard": [0.8]})
    assert pair_to_show(pa.Table.from_pylist([row]), clusters) is None
