"""A chapter: today's prose, the outputs of the code that ran, nothing of the machine it ran on."""

from pathlib import Path

import nbformat
import pytest

from sc2lib.book import chapters
from sc2lib.errors import ChainError, InputError, StageError


def edit(path: Path, name: str, old: str, new: str) -> None:
    content = nbformat.read(path, as_version=4)
    found = next(cell for cell in content.cells if cell.id == name)
    assert old in found.source
    found.source = found.source.replace(old, new)
    nbformat.write(content, path)


def test_prose_is_new_and_outputs_are_kept(source: Path, executed: Path) -> None:
    edit(source, "idea", "Numbers", "Better numbers")
    edit(source, "figure", "# a comment", "# another comment")
    joined = chapters.join(source, executed, "sc2 run", {})
    assert "Better numbers" in joined.cells[3].source
    assert joined.cells[-1].source.endswith("# another comment")
    assert [output.output_type for output in joined.cells[-1].outputs] == ["display_data", "display_data", "stream"]
    nbformat.validate(joined)


def test_the_injected_cell_stays_but_is_hidden(source: Path, executed: Path) -> None:
    joined = chapters.join(source, executed, "sc2 run", {})
    assert [cell.id for cell in joined.cells] == ["title", "parameters", "injected", "idea", "figure"]
    assert "remove-cell" in joined.cells[2].metadata["tags"]


def test_no_path_of_the_machine_is_published(source: Path, executed: Path, tmp_path: Path) -> None:
    places = {str(tmp_path / "runs/laptop"): "runs/laptop", str(tmp_path): "."}
    joined = chapters.join(source, executed, "sc2 run", places)
    assert str(tmp_path) not in nbformat.writes(joined)
    assert 'run_dir = "runs/laptop"' in joined.cells[2].source
    assert joined.cells[-1].outputs[2].text == "read ./data\n"


def test_other_code_is_refused_with_the_command(source: Path, executed: Path) -> None:
    edit(source, "figure", "show()", "show(1)")
    with pytest.raises(StageError, match=r"cell figure.*sc2 run --to 01"):
        chapters.join(source, executed, "sc2 run --to 01", {})


def test_a_chapter_that_has_not_run_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"01_archive has no executed copy.*sc2 run --to 01"):
        chapters.join(source, tmp_path / "none.ipynb", "sc2 run --to 01", {})


def test_a_failed_copy_is_refused(source: Path, executed: Path) -> None:
    ran = nbformat.read(executed, as_version=4)
    ran.cells[-1].outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])]
    nbformat.write(ran, executed)
    with pytest.raises(ChainError, match="cell figure, holds an error"):
        chapters.join(source, executed, "sc2 run", {})


def test_a_broken_notebook_is_named(source: Path, executed: Path) -> None:
    executed.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is not a notebook"):
        chapters.join(source, executed, "sc2 run", {})


def test_the_page_has_numbered_figures_and_a_note(source: Path, executed: Path) -> None:
    joined = chapters.join(source, executed, "sc2 run", {})
    page, pictures = chapters.for_the_page(joined, "Profile `laptop`")
    assert list(pictures) == ["fig-loss"] and pictures["fig-loss"].lstrip().startswith("<?xml")
    figure, text = page.cells[-1].outputs
    assert figure.data["text/markdown"].splitlines() == [
        "````{figure} _figures/fig-loss.svg",
        ":name: fig-loss",
        ":alt: Loss falls, x^2.",
        ":class: dark-light",
        "",
        "Loss *falls*, $x^2$.",
        "````",
    ]
    assert text.output_type == "stream"
    assert page.cells[0].source.startswith(
        "# 01 · An archive\n\n:::{div} sc2-run\nProfile `laptop`\n:::\n\nWhat we make"
    )
    assert '`profile = "laptop"`' in page.cells[2].source and page.cells[2].cell_type == "markdown"
    assert "image/svg+xml" in joined.cells[-1].outputs[0].data, "the notebook to download keeps the picture itself"


def test_title(source: Path) -> None:
    assert chapters.title(chapters.read(source)) == "01 · An archive"
