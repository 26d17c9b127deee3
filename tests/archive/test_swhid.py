"""SWHIDs against published values, git itself, and swh.model on random objects."""

import io
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swh.model import model
from swh.model.git_objects import (
    directory_git_object,
    release_git_object,
    revision_git_object,
    snapshot_git_object,
)

from sc2lib.archive import swhid
from sc2lib.archive.swhid import Branch, Entry, Swhid
from sc2lib.errors import ParameterError

NAMES = st.binary(min_size=1, max_size=6).filter(lambda name: b"/" not in name and b"\0" not in name)
HASHES = st.binary(min_size=20, max_size=20).map(bytes.hex)
MODES = st.sampled_from([swhid.FILE, swhid.EXECUTABLE, swhid.SYMLINK, swhid.DIRECTORY, swhid.SUBMODULE])
TYPES = {swhid.DIRECTORY: "dir", swhid.SUBMODULE: "rev"}


def test_published_identifiers() -> None:
    """The empty objects, whose identifiers git and the Software Heritage documentation give."""
    assert swhid.content(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert swhid.directory([]) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    assert swhid.snapshot({}) == "1a8893e6a86f444e8be8e7bda6cb34fb1735a00e"


@given(st.binary(max_size=300))
def test_content_equals_swh_model(data: bytes) -> None:
    expected = model.Content.from_data(data)
    hashes = swhid.hash_content(io.BytesIO(data), len(data))
    assert swhid.content(data) == hashes.sha1_git == expected.sha1_git.hex()
    assert hashes.sha1 == expected.sha1.hex()
    assert (hashes.sha256, hashes.blake2s256) == (expected.sha256.hex(), expected.blake2s256.hex())


def test_stream_longer_than_a_block_equals_the_whole() -> None:
    data = bytes(range(256)) * (swhid.BLOCK // 100)
    assert swhid.hash_content(io.BytesIO(data), len(data)).sha1_git == swhid.content(data)


@pytest.mark.parametrize("announced", [3, 5])
def test_a_file_that_changes_while_it_is_read_is_refused(announced: int) -> None:
    with pytest.raises(ValueError, match="changed while it was read"):
        swhid.hash_content(io.BytesIO(b"four"), announced)


@given(st.lists(st.builds(Entry, NAMES, MODES, HASHES), max_size=12, unique_by=lambda entry: entry.name))
def test_directory_equals_swh_model(entries: list[Entry]) -> None:
    theirs = [
        model.DirectoryEntry(
            name=entry.name,
            type=TYPES.get(entry.mode, "file"),
            target=bytes.fromhex(entry.target),
            perms=entry.mode,
        )
        for entry in entries
    ]
    expected = model.Directory(entries=tuple(theirs))
    assert swhid.directory(entries) == expected.id.hex()
    raw = directory_git_object(expected)
    assert raw.endswith(swhid.directory_manifest(entries))


def test_a_directory_sorts_as_if_its_name_ended_with_a_slash() -> None:
    """The order that naive implementations get wrong: ``a-b``, then the directory ``a``, then ``a0``."""
    entries = [
        Entry(b"a", swhid.DIRECTORY, "0" * 40),
        Entry(b"a-b", swhid.FILE, "1" * 40),
        Entry(b"a0", swhid.FILE, "2" * 40),
    ]
    manifest = swhid.directory_manifest(entries)
    assert manifest.index(b"a-b\0") < manifest.index(b"a\0") < manifest.index(b"a0\0")


@pytest.mark.parametrize("name", [b"", b"a/b", b"a\0b"])
def test_impossible_names_are_refused(name: bytes) -> None:
    with pytest.raises(ParameterError, match="no directory can hold"):
        swhid.directory([Entry(name, swhid.FILE, "0" * 40)])


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(ParameterError, match="twice"):
        swhid.directory([Entry(b"a", swhid.FILE, "0" * 40), Entry(b"a", swhid.DIRECTORY, "1" * 40)])


def _date(seconds: int, minutes: int) -> model.TimestampWithTimezone:
    sign, absolute = "+" if minutes >= 0 else "-", abs(minutes)
    return model.TimestampWithTimezone(
        timestamp=model.Timestamp(seconds=seconds, microseconds=0),
        offset_bytes=f"{sign}{absolute // 60:02}{absolute % 60:02}".encode(),
    )


PEOPLE = st.binary(max_size=12).filter(lambda name: b"\0" not in name)
SECONDS, MINUTES = st.integers(-(2**35), 2**37), st.integers(-720, 840)


@given(HASHES, st.lists(HASHES, max_size=3), PEOPLE, SECONDS, MINUTES, st.none() | st.binary(max_size=40))
def test_revision_equals_swh_model(
    directory: str, parents: list[str], who: bytes, seconds: int, minutes: int, message: bytes | None
) -> None:
    date = _date(seconds, minutes)
    extra = ((b"gpgsig", b"-----BEGIN\nabc\n-----END"),)
    expected = model.Revision(
        directory=bytes.fromhex(directory),
        parents=tuple(bytes.fromhex(parent) for parent in parents),
        author=model.Person.from_fullname(who),
        committer=model.Person.from_fullname(who),
        date=date,
        committer_date=date,
        message=message,
        extra_headers=extra,
        type=model.RevisionType.GIT,
        synthetic=False,
    )
    line = who + b" %d " % seconds + date.offset_bytes
    ours = swhid.revision(directory, line, line, message, parents, extra)
    assert ours == expected.id.hex(), revision_git_object(expected)


@given(
    PEOPLE,
    HASHES,
    st.sampled_from(["content", "directory", "revision", "release", "snapshot"]),
    st.none() | st.binary(max_size=40),
    st.none() | PEOPLE,
)
def test_release_equals_swh_model(
    name: bytes, target: str, kind: str, message: bytes | None, author: bytes | None
) -> None:
    expected = model.Release(
        name=name,
        target=bytes.fromhex(target),
        target_type=model.ReleaseTargetType(kind),
        message=message,
        author=None if author is None else model.Person.from_fullname(author),
        date=None,
        synthetic=True,
    )
    assert swhid.release(name, target, kind, message, author) == expected.id.hex(), release_git_object(expected)


TARGETS = st.one_of(
    st.builds(Branch, st.sampled_from(list(swhid.KINDS.values())), HASHES),
    st.builds(Branch, st.just("alias"), st.binary(max_size=8)),
    st.just(Branch("dangling", "")),
)


@given(st.dictionaries(st.binary(max_size=8), TARGETS, max_size=6))
def test_snapshot_equals_swh_model(branches: dict[bytes, Branch]) -> None:
    theirs = {
        name: None
        if kind == "dangling"
        else model.SnapshotBranch(
            target=target if isinstance(target, bytes) else bytes.fromhex(target),
            target_type=model.SnapshotTargetType(kind),
        )
        for name, (kind, target) in branches.items()
    }
    raw = snapshot_git_object(model.Snapshot(branches=theirs, id=b"\0" * 20), ignore_unresolved=True)
    assert swhid.git_object(b"snapshot", raw.partition(b"\0")[2]) == swhid.snapshot(branches)


def test_content_equals_git_hash_object(tmp_path) -> None:
    data = "naïve\r\n\0".encode("latin-1")
    (tmp_path / "file").write_bytes(data)
    command = ["git", "hash-object", "--no-filters", str(tmp_path / "file")]
    assert swhid.content(data) == subprocess.check_output(command, text=True).strip()


@given(st.sampled_from(sorted(swhid.KINDS)), HASHES)
def test_a_swhid_survives_printing(kind: str, digest: str) -> None:
    assert Swhid.parse(str(Swhid(kind, digest))) == Swhid(kind, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "swh:1:cnt",
        "swh:2:cnt:" + "0" * 40,
        "swh:1:ori:" + "0" * 40,
        "swh:1:cnt:" + "A" * 40,
        "swh:1:cnt:" + "0" * 39,
        "swh:1:cnt:" + "0" * 40 + ";lines=1-2",
        "swh:1:cnt:" + "0" * 40 + "\n",
    ],
)
def test_what_is_no_core_swhid_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="not a core SWHID"):
        Swhid.parse(text)
