"""Qualified SWHIDs, parsed again by swh.model."""

from swh.model.swhids import QualifiedSWHID

from sc2lib.archive.provenance import provenance


def file(**changes: object) -> dict:
    row = {"content_id": "1" * 40, "directory_id": "2" * 40, "snapshot_id": "3" * 40, "revision_id": None}
    return row | {"path": "/a.py"} | changes


def test_swh_model_reads_what_we_write() -> None:
    read = QualifiedSWHID.from_string(str(provenance(file(path="/a;b%.py"), "https://pypi.org/project/rich/", (3, 9))))
    assert read.object_id.hex() == "1" * 40
    assert read.origin == "https://pypi.org/project/rich/"
    assert str(read.visit) == "swh:1:snp:" + "3" * 40
    assert str(read.anchor) == "swh:1:dir:" + "2" * 40
    assert (read.path, read.lines) == (b"/a;b%.py", (3, 9))


def test_a_revision_is_the_better_anchor() -> None:
    assert ";anchor=swh:1:rev:" + "4" * 40 in str(provenance(file(revision_id="4" * 40), "file:///x"))
