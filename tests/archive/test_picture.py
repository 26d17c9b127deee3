"""The picture follows the tables: chains end at the file, shared objects are drawn once."""

from pathlib import Path

from sc2lib import figures
from sc2lib.archive import picture
from sc2lib.archive.swhid import content


def test_the_chain_to_a_file_and_the_shared_copy(tmp_path: Path, produce, repository) -> None:
    for name in ("one", "two"):
        repo = repository(f"repos/{name}")
        repo.write("pkg/shared.py", b"shared\n" * 10)
        repo.write(f"{name}.py", name.encode())
        repo.commit()
    run = produce("git", tmp_path / "repos")
    urls = dict(zip(*(run.repositories[name].to_pylist() for name in ("repo_name", "origin_url"))))
    copies = picture.shared_files(run.files, run.removed)
    assert copies == [("git/one", "/pkg/shared.py"), ("git/two", "/pkg/shared.py")]
    chains = [picture.chain(run.graph, urls[name], path) for name, path in copies]
    for edges in chains:
        kinds = [edge.target.kind for edge in edges]
        assert kinds == ["snapshot", "revision", "directory", "directory", "content"]
        assert edges[-1].target.identifier == content(b"shared\n" * 10)
        assert [edge.name for edge in edges[1:]] == ["refs/heads/main", "root directory", "pkg", "shared.py"]
    assert chains[0][-1] == chains[1][-1]
    assert chains[0][0] != chains[1][0]
    drawn = picture.draw(chains)
    boxes = [text for text in drawn.axes[0].texts if text.get_bbox_patch()]
    assert len(boxes) == 2 * 4 + 2
    assert "<svg" in figures.svg(drawn, "fig-test")


def test_nothing_is_shared(tmp_path: Path, produce) -> None:
    (tmp_path / "a.py").write_bytes(b"1")
    run = produce("directory", tmp_path)
    assert picture.shared_files(run.files, run.removed) == []
