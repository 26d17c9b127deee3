"""Small real notebooks, the built book that SC2_BOOK names, and the run it was built from."""

import os
from pathlib import Path

import nbformat
import pytest

from sc2lib import figures

ADDRESS = "SC2_BOOK"
HOW = f"set {ADDRESS} to a built book, for example {ADDRESS}=runs/smoke/book/html after: sc2 book --profile smoke"


@pytest.fixture(scope="session")
def book() -> Path:
    if ADDRESS not in os.environ:
        pytest.skip(HOW)
    folder = Path(os.environ[ADDRESS]).resolve()
    assert (folder / "index.html").is_file(), f"{ADDRESS}={folder} holds no built book"
    return folder


@pytest.fixture(scope="session")
def finished() -> Path:
    """The folder of a finished run of the profile smoke."""
    if "SC2_RUN" in os.environ:
        return Path(os.environ["SC2_RUN"]).resolve()
    if ADDRESS not in os.environ:
        pytest.skip("set SC2_RUN to a finished run of the profile smoke, or SC2_BOOK to its book")
    return Path(os.environ[ADDRESS]).resolve().parents[1]


def cell(kind: str, name: str, source: str, *tags: str) -> nbformat.NotebookNode:
    """A cell with an id that says what it is."""
    made = nbformat.v4.new_markdown_cell(source) if kind == "markdown" else nbformat.v4.new_code_cell(source)
    made.id = name
    if tags:
        made.metadata["tags"] = list(tags)
    return made


def notebook(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, "sc2": {"reads": []}}
    return nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)


def svg() -> str:
    """A small figure, as the notebooks make them."""
    fig, ax = figures.new(width=0.5)
    ax.plot([1, 2, 4])
    return figures.svg(fig, "fig-loss")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A chapter as it lies in the clone: no outputs."""
    path = tmp_path / "notebooks" / "01_archive.ipynb"
    path.parent.mkdir()
    cells = (
        cell("markdown", "title", "# 01 · An archive\n\nWhat we make: $a^2$."),
        cell("code", "parameters", 'profile = "smoke"\nrun_dir = None', "parameters"),
        cell("markdown", "idea", "## The idea\n\nNumbers, as {numref}`fig-loss` shows."),
        cell("code", "figure", "show()  # a comment"),
    )
    nbformat.write(notebook(*cells), path)
    return path


@pytest.fixture
def executed(source: Path, tmp_path: Path) -> Path:
    """Its executed copy, as papermill leaves it."""
    ran = nbformat.read(source, as_version=4)
    injected = cell(
        "code",
        "injected",
        f'# Parameters\nprofile = "laptop"\nrun_dir = "{tmp_path / "runs/laptop"}"\n',
        "injected-parameters",
    )
    ran.cells.insert(2, injected)
    about = {"sc2_figure": {"name": "fig-loss", "caption": "Loss *falls*, $x^2$."}}
    ran.cells[-1].outputs = [
        nbformat.v4.new_output("display_data", data={"image/svg+xml": svg()}, metadata=about),
        nbformat.v4.new_output("display_data", data={"text/markdown": "*Loss*"}, metadata={"sc2_caption": "fig-loss"}),
        nbformat.v4.new_output("stream", name="stderr", text="a warning\n"),
        nbformat.v4.new_output("stream", name="stdout", text=f"read {tmp_path}/data\n"),
    ]
    ran.cells[-1].execution_count = 3
    path = tmp_path / "runs" / "laptop" / "notebooks" / "01_archive.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(ran, path)
    return path
