"""Building the book: complete or not at all, nothing done twice, warnings are errors."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest

from sc2lib.book import assembly, builder
from sc2lib.book.assembly import assemble, repository_url
from sc2lib.book.builder import build
from sc2lib.errors import InputError, StageError, UnsupportedError
from sc2lib.workflow.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def clone(source: Path, executed: Path, tmp_path: Path) -> Path:
    """A clone of one chapter, with a run of it."""
    shutil.copy(ROOT / "_config.yml", tmp_path)
    shutil.copytree(ROOT / "book" / "_static", tmp_path / "book" / "_static")
    shutil.copy(ROOT / "book" / "references.bib", tmp_path / "book")
    (tmp_path / "sc2lib").mkdir()
    (tmp_path / "sc2lib" / "shown.py").write_text("answer = 42\n", encoding="utf-8")
    index = "# A book\n\n{cite}`merkle1987`\n\n```{include} _generated/pipeline.md\n```\n\n"
    index += (
        "```{include} _generated/run.md\n```\n\n```{include} _generated/chapters.md\n```\n\n```{bibliography}\n```\n"
    )
    (tmp_path / "book" / "index.md").write_text(index, encoding="utf-8")
    toc = {
        "format": "jb-book",
        "root": "book/index",
        "parts": [{"caption": "The archive", "chapters": [{"file": "notebooks/01_archive"}]}],
    }
    (tmp_path / "_toc.yml").write_text(json.dumps(toc), encoding="utf-8")
    manifest = Manifest(
        stage="01_archive",
        profile="laptop",
        key="",
        code="",
        params={},
        inputs={},
        outputs={},
        measured={"wall_seconds": 12.0, "peak_memory_bytes": 10**9, "cores": 2},
    )
    manifest.save(tmp_path / "runs" / "laptop" / "01_archive")
    run = {"schema": manifest.schema, "profile": "laptop", "overrides": {}}
    (tmp_path / "runs" / "laptop" / "run.json").write_text(json.dumps(run), encoding="utf-8")
    return tmp_path


def test_a_book_is_built_once_and_a_warning_leaves_it_alone(clone: Path) -> None:
    run, said = clone / "runs" / "laptop", []
    first = build(clone, run, said.append)
    assert first == run / "book" / "html" / "index.html" and first.is_file()
    page = (run / "book/html/notebooks/01_archive.html").read_text(encoding="utf-8")
    assert "Fig. 1" in page and "This run was given" in page and "injected" not in page
    assert "12 s on 2 cores" in page and str(clone) not in page
    assert (run / "book/html/_static/mathjax/tex-mml-chtml.js").is_file() and "cdn" not in page
    download = nbformat.read(run / "book/html/_sources/notebooks/01_archive.ipynb", as_version=4)
    assert "image/svg+xml" in download.cells[-1].outputs[0].data
    landing = (run / "book/html/book/index.html").read_text(encoding="utf-8")
    assert 'href="../notebooks/01_archive.html"' in landing and "sc2-pipeline" in landing
    entrance = first.read_text(encoding="utf-8")
    assert 'url=book/index.html"' in entrance and 'rel="icon" href="_static/logo.svg"' in entrance
    assert (run / "book/html/_static/logo.svg").is_file()

    stamp = first.stat().st_mtime_ns
    assert build(clone, run, said.append) == first and said[-1] == "the book is up to date"

    path = clone / "book" / "index.md"
    path.write_text(path.read_text(encoding="utf-8") + "\nSee {doc}`nowhere`.\n", encoding="utf-8")
    with pytest.raises(InputError, match="unknown document: 'nowhere'"):
        build(clone, run, said.append)
    assert first.stat().st_mtime_ns == stamp, "the book that was there stays"
    assert not list((run / "book").glob(".tmp-*"))


def test_shown_code_ends_with_code(clone: Path) -> None:
    (clone / "sc2lib" / "shown.py").write_text(
        "# docs: start-x\na = 1\n\n\n# docs: end-x\n\n\nb = 2\n", encoding="utf-8"
    )
    tree, _ = assemble(clone, clone / "runs" / "laptop")
    assert tree["sc2lib/shown.py"] == b"# docs: start-x\na = 1\n# docs: end-x\n\n\nb = 2\n"


def test_a_chapter_that_has_not_run_names_its_command(clone: Path) -> None:
    (clone / "runs/laptop/notebooks/01_archive.ipynb").unlink()
    with pytest.raises(StageError, match=r"01_archive has no executed copy.*run: sc2 run --profile laptop"):
        assemble(clone, clone / "runs" / "laptop")
    with pytest.raises(StageError, match="01_archive has not run"):
        assemble(clone, clone / "runs" / "none")


def test_buttons_follow_the_remote_of_the_clone(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, _ = assemble(clone, clone / "runs" / "laptop")
    assert b"launch_buttons" not in tree["_config.yml"] and b"use_repository_button: false" in tree["_config.yml"]
    monkeypatch.setattr(assembly, "_git", lambda root, *arguments: "git@github.com:someone/fork.git")
    tree, _ = assemble(clone, clone / "runs" / "laptop")
    assert b"url: https://github.com/someone/fork\n" in tree["_config.yml"] and b"colab_url" in tree["_config.yml"]


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("git@github.com:someone/fork.git\n", "https://github.com/someone/fork"),
        ("ssh://git@gitlab.example/a/b.git", "https://gitlab.example/a/b"),
        ("https://user:secret@github.com/a/b.git", "https://github.com/a/b"),
        ("https://github.com/a/b", "https://github.com/a/b"),
        ("/srv/git/book.git", ""),
        ("", ""),
    ],
)
def test_repository_url(remote: str, address: str) -> None:
    assert repository_url(remote) == address


def test_jupyter_book_2_is_refused(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder.metadata, "version", lambda name: "2.1.7")
    with pytest.raises(UnsupportedError, match=r"jupyter-book<2"):
        build(clone, clone / "runs" / "laptop")
