"""The source ``directory``: odd names, links, what cannot be read, and folders that are no source."""

import os
import socket
from pathlib import Path

import pytest

from sc2lib.archive import chunks, disk, sources
from sc2lib.errors import InputError, ParameterError
from sc2lib.files import write_parquet


def write(path: Path, data: bytes = b"x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_names_with_newlines_and_broken_bytes_survive(tmp_path: Path, produce) -> None:
    names = [b"new\nline.py", b"\xff\xfe.py", "naïve ☃.py".encode(), b"back\\slash", b"-rf", b"tab\t"]
    for index, name in enumerate(names):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"%d\n" % index)
    run = produce("directory", tmp_path)
    assert run.paths() == {"/" + name.decode("utf-8", "backslashreplace") for name in names}
    assert "/\\xff\\xfe.py" in run.paths()
    assert run.contents.num_rows == len(names)


def test_links_are_recorded_and_never_followed(tmp_path: Path, produce) -> None:
    write(tmp_path / "real" / "a.py")
    (tmp_path / "real" / "loop").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "outside").symlink_to("/etc")
    run = produce("directory", tmp_path)
    assert run.paths() == {"/real/a.py"}
    assert run.reasons() == {"/real/loop": "symlink", "/self": "symlink", "/outside": "symlink"}


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, produce, monkeypatch) -> None:
    write(tmp_path / "good.py")
    write(tmp_path / "secret.py")
    os.mkfifo(tmp_path / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)
    listening.bind("socket")
    original = disk.add_file

    def refuse(graph, path: bytes):
        if path.endswith(b"secret.py"):
            raise PermissionError(13, "Permission denied")
        return original(graph, path)

    monkeypatch.setattr(disk, "add_file", refuse)
    run = produce("directory", tmp_path)
    listening.close()
    assert run.paths() == {"/good.py"}
    details = dict(zip(run.removed["path"].to_pylist(), run.removed["detail"].to_pylist()))
    assert details == {
        "/secret.py": "Permission denied",
        "/pipe": "not a regular file",
        "/socket": "not a regular file",
    }
    assert set(run.reasons().values()) == {"unreadable"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything; run the tests as another user")
def test_a_file_without_permission(tmp_path: Path, produce) -> None:
    write(tmp_path / "good.py")
    write(tmp_path / "secret.py").chmod(0)
    assert produce("directory", tmp_path).reasons() == {"/secret.py": "unreadable"}


def test_big_binary_and_broken_files_have_their_reasons(tmp_path: Path, produce) -> None:
    write(tmp_path / "text.py")
    write(tmp_path / "binary.bin", b"a\0b")
    write(tmp_path / "copy" / "text.py")
    write(tmp_path / "limit.txt", b"x" * 1000)
    write(tmp_path / "below.txt", b"x" * 999)
    with open(tmp_path / "huge.txt", "wb") as file:
        file.truncate(100 << 20)
    run = produce("directory", tmp_path, max_file_bytes=1000)
    assert run.paths() == {"/text.py", "/below.txt"}
    assert run.reasons() == {
        "/binary.bin": "binary",
        "/copy/text.py": "exact_duplicate",
        "/limit.txt": "too_large",
        "/huge.txt": "too_large",
    }


def test_many_tiny_files_are_one_row_each(tmp_path: Path, produce, monkeypatch) -> None:
    """Scaled down from a million: every file has one row, whichever chunk and shard it lies in."""
    monkeypatch.setattr(chunks, "CHUNK", 300)
    for folder in range(10):
        (tmp_path / str(folder)).mkdir()
        for number in range(200):
            (tmp_path / str(folder) / f"{number}.py").write_bytes(b"%d\n" % (number % 150 + folder))
    run = produce("directory", tmp_path, shards=8, groups=1)
    assert run.files.num_rows == 159
    assert set(run.removed["reason"].to_pylist()) == {"exact_duplicate"}
    assert run.files.num_rows + run.removed.num_rows == 2000


def test_a_file_that_changes_after_the_visit_is_not_passed_on(tmp_path: Path, produce, monkeypatch) -> None:
    write(tmp_path / "a.py")
    changing = write(tmp_path / "b.py", b"first\n")
    original = disk.read
    monkeypatch.setattr(
        disk, "read", lambda folder, path: original(folder, path).replace(b"first", b"other") or changing
    )
    run = produce("directory", tmp_path)
    assert run.paths() == {"/a.py"}
    assert run.removed["detail"].to_pylist() == ["the file changed after it was visited"]


def test_version_control_is_no_source_code(tmp_path: Path, produce) -> None:
    write(tmp_path / "a.py")
    write(tmp_path / ".git" / "config", b"[core]\n")
    write(tmp_path / "sub" / ".hg" / "store", b"1\n")
    assert produce("directory", tmp_path).paths() == {"/a.py"}


def test_folders_that_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    file = write(tmp_path / "file.py")
    for path, message in (
        (tmp_path / "missing", "does not exist"),
        (file, "is not a folder"),
        (tmp_path / "empty", "holds no file"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            sources.list_origins("directory", str(path))
        assert str(path) in str(caught.value)


def test_a_folder_without_text_is_refused_with_what_was_found(tmp_path: Path, produce) -> None:
    write(tmp_path / "a.bin", b"\0")
    run = produce("directory", tmp_path)
    with pytest.raises(InputError, match=r"no text in .*: 1 binary"):
        sources.require_text({"binary": 1}, run.files.num_rows, str(tmp_path))
    with pytest.raises(InputError, match=r"3 unreadable; .* visit again with --force"):
        sources.require_text({"unreadable": 3}, 0, str(tmp_path))
    sources.require_text({"binary": 1}, 1, str(tmp_path))


def test_settings_that_clash() -> None:
    for arguments, message in (
        (("environment", "/tmp"), "takes no source_path"),
        (("directory", None), "needs source_path"),
        (("gitlab", None), "no source"),
    ):
        with pytest.raises(ParameterError, match=message):
            sources.list_origins(*arguments)


def test_several_folders_of_one_name_stay_apart(tmp_path: Path, produce) -> None:
    write(tmp_path / "one" / "project" / "a.py", b"1\n")
    write(tmp_path / "two" / "project" / "a.py", b"2\n")
    run = produce("directory", os.pathsep.join(str(tmp_path / name / "project") for name in ("one", "two")))
    assert sorted(run.files["repo_name"].to_pylist()) == ["directory/project", "directory/project-2"]


def test_parts_made_from_other_origins_are_discarded(tmp_path: Path) -> None:
    """What a crash left behind counts only when the listing is still the same."""
    write(tmp_path / "one" / "a.py")
    listed = sources.list_origins("directory", str(tmp_path / "one"))
    stage = tmp_path / "stage"
    write_parquet(stage / "repository" / "part-00000.parquet", listed)
    write(stage / "files" / "part-00000.parquet")
    assert not sources.discard_outdated(stage, listed)
    assert (stage / "files").exists()
    assert sources.discard_outdated(stage, listed.slice(0, 0))
    assert not (stage / "files").exists()
