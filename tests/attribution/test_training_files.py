import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.attribution.index import Index
from sc2lib.attribution.training_files import index_shard, training_files
from sc2lib.attribution.winnowing import Guarantee
from sc2lib.tables import DOCUMENTS, FILES

CODE = "def area(width, height):\n    return width * height\n\n\nprint(area(2, 3), area(4, 5))\n"
HELD_OUT = "def volume(a, b, c):\n    total = a * b * c\n    return total if total > 0 else None\n"


def git_id(text):
    data = text.encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def document(repository, split, text):
    blob = hashlib.sha1(text.encode()).hexdigest()
    return {
        "document_id": repository,
        "source": "code",
        "repo_name": repository,
        "split": split,
        "segments": [{"token": "<repo_name>", "text": repository}, {"token": "<file_sep>", "text": "m.py\n" + text}],
        "files": [{"blob_id": blob, "path": "/m.py", "language": "Python", "license_type": "permissive", "segment": 1}],
        "length_bytes": 0,
    }


@pytest.fixture
def shards(tmp_path):
    documents = pa.Table.from_pylist(
        [document("one", "train", CODE), document("two", "validation", HELD_OUT)], DOCUMENTS
    )
    pq.write_table(documents, tmp_path / "documents.parquet")
    rows = [
        {
            "blob_id": hashlib.sha1(text.encode()).hexdigest(),
            "content_id": git_id(text),
            "path": "/m.py",
            "detected_licenses": ["MIT"],
        }
        for text in (CODE, HELD_OUT)
    ]
    paths = []
    for number, row in enumerate(rows):
        paths.append(tmp_path / f"files{number}.parquet")
        pq.write_table(pa.Table.from_pylist([row], FILES), paths[-1])
    return tmp_path / "documents.parquet", paths


def test_only_the_training_split_is_listed_with_its_object_id(shards):
    documents, files = shards
    (row,) = training_files(pq.read_table(documents), files).to_pylist()
    assert (row["repo_name"], row["text"], row["content_id"]) == ("one", CODE, git_id(CODE))
    assert row["detected_licenses"] == ["MIT"]


def test_of_two_tables_the_first_counts_and_the_second_fills_gaps(shards, tmp_path):
    documents, files = shards
    older = pq.read_table(files[0]).set_column(
        FILES.names.index("detected_licenses"), "detected_licenses", [pa.array([["GPL-3.0"]])]
    )
    pq.write_table(older, tmp_path / "older.parquet")
    texts = pq.read_table(documents)
    assert training_files(texts, [*files, tmp_path / "older.parquet"])["detected_licenses"].to_pylist() == [["MIT"]]
    assert training_files(texts, [tmp_path / "older.parquet"])["detected_licenses"].to_pylist() == [["GPL-3.0"]]
    assert training_files(texts, files[1:])["content_id"].to_pylist() == [None]


def test_an_index_of_a_shard_finds_training_code_and_not_held_out_code(shards, tmp_path):
    documents, files = shards
    folder = tmp_path / "index" / "part-00000"
    assert index_shard((folder, documents, files, Guarantee(4, 12))) == 1
    index = Index.open(folder.parent)
    (span,) = index.lookup(CODE)
    assert span.sources[0].swhid == f"swh:1:cnt:{git_id(CODE)}"
    assert (span.sources[0].first_line, span.sources[0].last_line) == (1, 5)
    assert index.lookup(HELD_OUT) == []


def test_a_part_that_is_there_is_not_built_again(shards, tmp_path):
    documents, files = shards
    item = (tmp_path / "index" / "part-00000", documents, files, Guarantee(4, 12))
    index_shard(item)
    before = (item[0] / "hashes.npy").stat().st_mtime_ns
    assert index_shard(item) == 1
    assert (item[0] / "hashes.npy").stat().st_mtime_ns == before
