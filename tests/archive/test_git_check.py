"""The check against git finds what is right and what is wrong."""

from sc2lib import queries
from sc2lib.archive import git_check, swhid
from sc2lib.archive.schema import DIRECTORY_ENTRY


def test_directories_agree_and_a_wrong_one_is_seen(produce, monkeypatch) -> None:
    run = produce("environment", include="pypi/papermill")
    entries = run.graph["directory_entry"]
    pairs = git_check.directories(entries)
    assert len(pairs) == len(set(entries["directory_id"].to_pylist())) > 5
    assert all(ours == theirs for ours, theirs in pairs)
    monkeypatch.setattr(queries, "ROW_GROUP", 3)
    assert git_check.directories(entries) == pairs, "a directory may be longer than a batch"
    damaged = entries.slice(1)
    assert sum(ours != theirs for ours, theirs in git_check.directories(damaged)) == 1
    assert damaged.schema == DIRECTORY_ENTRY


def test_contents_agree() -> None:
    texts = [b"", b"a\r\n", "ü".encode()]
    assert git_check.contents(texts) == [swhid.content(text) for text in texts]
