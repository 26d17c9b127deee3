"""The shuffle by repository and its result: nothing lost, nothing twice, the same whatever the partition."""

import pyarrow as pa
import pytest

from sc2lib.corpus import assembly
from sc2lib.documents.records import Document, table
from sc2lib.documents.repositories import HeldOut
from sc2lib.tables import CONTENTS, DOCUMENTS, FILES

FORMAT = {"held_out": HeldOut(frozenset(["pypi/b"])), "seed": 1, "metadata_rate": 0.5, "max_document_bytes": None}


@pytest.fixture
def archive(files):
    rows, contents = [], []
    for name in ("pypi/a", "pypi/b", "pypi/c"):
        for index, file in enumerate(files):
            blob_id = f"{name[-1]}{index}".ljust(40, "0")
            language = "JSON" if index == 0 else "Python"
            path = f"/{name[-1]}{file.path}"
            rows.append({"blob_id": blob_id, "path": path, "language": language, "repo_name": name})
            contents.append({"blob_id": blob_id, "content": f"# {name}\n{file.content}"})
    rows.append({"blob_id": "d" * 40, "path": "/n.ipynb", "language": "Jupyter Notebook", "repo_name": "pypi/a"})
    contents.append({"blob_id": "d" * 40, "content": "{}"})
    return pa.Table.from_pylist(rows, schema=FILES), pa.Table.from_pylist(contents, schema=CONTENTS)


def run(archive, shards, buckets, rates=None):
    files, contents = archive
    parts = [
        assembly.distribute(files.slice(start, shards), contents, rates or {}, 1, buckets)
        for start in range(0, files.num_rows, shards)
    ]
    documents = [assembly.assemble(*(part[bucket] for part in parts), **FORMAT)[0] for bucket in range(buckets)]
    return pa.concat_tables(documents), pa.concat_tables([part[-1] for part in parts])


def test_every_code_file_is_in_one_document_of_its_repository(archive):
    documents, removed = run(archive, 5, 3)
    assert removed.num_rows == 0
    traced = sorted((row["repo_name"], file["blob_id"]) for row in documents.to_pylist() for file in row["files"])
    files = [row for row in archive[0].to_pylist() if row["language"] != "Jupyter Notebook"]
    assert traced == sorted((row["repo_name"], row["blob_id"]) for row in files)
    assert {row["repo_name"]: row["split"] for row in documents.to_pylist()} == {
        "pypi/a": "train",
        "pypi/b": "validation",
        "pypi/c": "train",
    }


@pytest.mark.parametrize(("shards", "buckets"), [(1, 1), (4, 2), (100, 7)])
def test_shards_and_buckets_change_nothing_but_the_grouping(archive, shards, buckets):
    expected, found = run(archive, 5, 3)[0], run(archive, shards, buckets)[0]
    assert expected.sort_by("document_id") == found.sort_by("document_id")


def test_down_sampled_files_leave_a_reason(archive):
    documents, removed = run(archive, 5, 3, rates={"JSON": 0.0})
    assert removed["reason"].to_pylist() == ["down_sampled"] * 3
    assert set(removed["language"].to_pylist()) == {"JSON"}
    assert "JSON" not in {file["language"] for row in documents.to_pylist() for file in row["files"]}


def test_documents_of_the_stage_before_are_passed_on(archive):
    ready = table([Document("documentation", "pypi/z", "train", [(None, "words")])])
    parts = assembly.distribute(*archive, {}, 1, 1)
    documents, mixture = assembly.assemble(parts[0], ready, **FORMAT)
    assert documents.schema == DOCUMENTS
    assert sorted(documents["source"].to_pylist()) == ["code", "code", "code", "documentation"]
    assert set(mixture["source"].to_pylist()) == {"code"}  # the passed-on document names no file


def test_held_out_files_of_a_single_repository_make_a_document_of_their_own(archive):
    files, contents = archive
    files = files.filter(pa.compute.equal(files["repo_name"], "pypi/a"))
    held_out = HeldOut.choose(files, 0.3, seed=1)
    (part, *_) = assembly.distribute(files, contents, {}, 1, 1)
    documents, _ = assembly.assemble(part, **FORMAT | {"held_out": held_out})
    by_split = {row["split"]: {file["blob_id"] for file in row["files"]} for row in documents.to_pylist()}
    code = {row["blob_id"] for row in files.to_pylist() if row["language"] != "Jupyter Notebook"}
    assert by_split["validation"] == held_out.blobs & code
    assert by_split["train"] == code - held_out.blobs


def test_members_are_the_files_of_one_repository(archive):
    (bucket, _) = assembly.distribute(*archive, {}, 1, 1)
    found = assembly.members(bucket, "pypi/b")
    assert len(found) == bucket.num_rows // 3
    assert {file.blob_id[0] for file in found} == {"b"}
    assert all(file.content.startswith("# pypi/b") for file in found)
    assert assembly.members(bucket, "pypi/none") == []
