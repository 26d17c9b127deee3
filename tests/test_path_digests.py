import os

from sc2lib import path_digests
from sc2lib.path_digests import path_digest


def test_a_file_and_a_folder_have_a_digest_and_nothing_has_none(tmp_path):
    assert path_digest(tmp_path) is path_digest(tmp_path / "none") is None
    (tmp_path / "a").write_text("x")
    assert len(path_digest(tmp_path)) == len(path_digest(tmp_path / "a")) == 64


def test_small_files_count_by_content_and_large_ones_by_size_and_time(tmp_path, monkeypatch):
    monkeypatch.setattr(path_digests, "READ_UP_TO", 4)
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_text("abcd")
    large.write_text("abcdefgh")
    before = path_digest(small), path_digest(large)
    for path in (small, large):
        os.utime(path, (1, 1))
    assert path_digest(small) == before[0]
    assert path_digest(large) != before[1]


def test_names_below_a_folder_count_and_hidden_files_do_not(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_text("x")
    before = path_digest(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "b").write_text("y")
    assert path_digest(tmp_path) == before
    (tmp_path / "deep" / "a").rename(tmp_path / "a")
    assert path_digest(tmp_path) != before
