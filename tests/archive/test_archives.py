"""Archives read without unpacking: honest ones whole, hostile ones refused by name."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.archive import archives, swhid
from sc2lib.errors import InputError


def info(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry, data


def tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for entry, data in entries:
            archive.addfile(entry, io.BytesIO(data))
    return path


def read(path: Path) -> dict[bytes, bytes]:
    return {member.path: member.open().read() for member in archives.members(path)}


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", ""])
def test_files_links_and_modes(tmp_path: Path, compression: str) -> None:
    path = tar(
        tmp_path / "a.tar",
        info("demo-1/", type=tarfile.DIRTYPE),
        info("demo-1/./run.sh", b"#!/bin/sh\n", mode=0o755),
        info("demo-1/src//caf\udce9.c", b"int x;\n"),
        info("demo-1/src/link", type=tarfile.SYMTYPE, linkname="../run.sh"),
        mode=f"w:{compression}",
    )
    found = {member.path: (member.mode, member.open().read()) for member in archives.members(path)}
    assert found == {
        b"run.sh": (swhid.EXECUTABLE, b"#!/bin/sh\n"),
        b"src/caf\xe9.c": (swhid.FILE, b"int x;\n"),
        b"src/link": (swhid.SYMLINK, b"../run.sh"),
    }


def test_without_one_folder_around_all_paths_stay(tmp_path: Path) -> None:
    assert set(read(tar(tmp_path / "a", info("d/a"), info("b")))) == {b"d/a", b"b"}
    assert set(read(tar(tmp_path / "b", info("d/a"), info("e/b")))) == {b"d/a", b"e/b"}


def test_a_zip_reads_like_a_tar(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("demo-1/a.py", "x = 1\n")
        script = zipfile.ZipInfo("demo-1/run")
        script.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(script, "#!/bin/sh\n")
        link = zipfile.ZipInfo("demo-1/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "a.py")
    found = {m.path: (m.mode, m.open().read()) for m in archives.members(path)}
    assert found == {
        b"a.py": (swhid.FILE, b"x = 1\n"),
        b"run": (swhid.EXECUTABLE, b"#!/bin/sh\n"),
        b"link": (swhid.SYMLINK, b"a.py"),
    }


HOSTILE = {
    "climbs": ([info("demo/../../etc/passwd", b"x")], "climbs out"),
    "nul": ([info("demo/a", b"x", pax_headers={"path": "demo/a\0b"})], "is no name of a file"),
    "absolute": ([info("/etc/passwd", b"x")], "climbs out"),
    "folder climbs": ([info("../up", type=tarfile.DIRTYPE), info("a", b"x")], "climbs out"),
    "link out": ([info("demo/a", type=tarfile.SYMTYPE, linkname="../../b")], "leads out"),
    "absolute link": ([info("demo/a", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "leads out"),
    "hard link": ([info("a", b"x"), info("b", type=tarfile.LNKTYPE, linkname="a")], "hard link"),
    "device": ([info("null", type=tarfile.CHRTYPE)], "device"),
    "pipe": ([info("pipe", type=tarfile.FIFOTYPE)], "device"),
    "twice": ([info("d/a", b"1"), info("d/./a", b"2")], "twice"),
    "file and folder": ([info("d/a", b"1"), info("d/a/b", b"2")], "a file and a folder"),
    "folder and file": ([info("d/a/b", b"1"), info("d/a", b"2")], "twice"),
    "bomb": ([info("zeros", bytes(8 << 20))], "archive bomb"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused_by_name(tmp_path: Path, name: str) -> None:
    entries, message = HOSTILE[name]
    path = tar(tmp_path / "evil-1.0.tar.gz", *entries)
    with pytest.raises(InputError, match=message) as caught:
        list(archives.members(path))
    assert str(path) in str(caught.value) and "take this distribution out of the list" in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["evil-1.0.tar.gz"]


def test_a_header_that_lies_about_its_size_is_no_way_around_the_limit(tmp_path: Path) -> None:
    """A pax header of many megabytes is read into memory by the parser: the stream below it ends first."""
    entry = info("a", b"x")[0]
    entry.pax_headers = {"comment": "0" * (8 << 20)}
    with pytest.raises(InputError, match="archive bomb"):
        read(tar(tmp_path / "pax.tar.gz", (entry, b"x")))


def test_a_zip_bomb_and_a_zip_that_climbs(tmp_path: Path) -> None:
    for name, data, message in (("a", bytes(8 << 20), "archive bomb"), ("d/../../a", b"x", "climbs out")):
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        with pytest.raises(InputError, match=message):
            read(path)


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _flip(data: bytes) -> bytes:
    return data[:200] + bytes([data[200] ^ 255]) + data[201:]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda data: b"no archive at all" * 9])
def test_damaged_archives_say_so(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tar(tmp_path / "a.tar.gz", *(info(f"d/{k}", os.urandom(5000)) for k in range(8)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="damaged or no archive"):
        read(path)


def test_a_tar_without_compression_that_is_cut_between_two_members(tmp_path: Path) -> None:
    """A checksum tells of a cut archive; a plain tar has none, but the mark of its end is missing."""
    path = tar(tmp_path / "a.tar", *(info(f"d/{k}", b"x" * 512) for k in range(8)), mode="w")
    assert len(read(path)) == 8
    path.write_bytes(path.read_bytes()[: 8 * 1024 + 512])  # padding may be missing, the mark may not
    assert len(read(path)) == 8
    for members in (8, 3):
        path.write_bytes(path.read_bytes()[: members * 1024])
        with pytest.raises(InputError, match=r"a\.tar is damaged .*cut off between two members"):
            read(path)


NAMES = st.lists(st.sampled_from([b"a", b"b", b"..", b".", b"", b"c\xff"]), min_size=1, max_size=5).map(b"/".join)


@settings(max_examples=60)
@given(names=st.lists(NAMES, min_size=1, max_size=6))
def test_no_path_ever_climbs(tmp_path_factory: pytest.TempPathFactory, names: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("any") / "a.tar"
    entries = [info(name.decode("utf-8", "surrogateescape"), name) for name in names]
    try:
        found = read(tar(path, *entries, mode="w"))
    except InputError:
        return
    assert len(found) == len(names)
    for name in found:
        assert name and not name.startswith(b"/") and b".." not in name.split(b"/")
