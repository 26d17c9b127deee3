"""A project of three small notebooks, so that the workflow is tested without the book's own stages."""

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from sc2lib.workflow.run_directory import RunDirectory

CHECKOUT = Path(__file__).resolve().parents[2]

NUMBERS = [
    """import pyarrow as pa
shards = stage.params.shards
stage.write_table("files", [pa.table({"n": list(range(k, 40, shards))}) for k in range(shards)])""",
    "stage.finish(metrics={'count': 40})",
]
SQUARES = [
    """from tests.workflow import steps
stage.map(steps.square, stage.shards("01_numbers", "files"), outputs=["squares"], seconds=0.05)""",
    "path = stage.produce('text/numbers.txt', steps.count, 0, stage.params.vocabulary_size)",
    "stage.finish(metrics={'sum': sum(stage.read('squares')['n'].to_pylist())}, measured={'speed': 1.0})",
]
PARITY = [
    """from tests.workflow import steps
stage.map(steps.refuse_odd, stage.shards("02_squares", "squares"), outputs=["files", "removed"])""",
    "stage.finish(metrics={'kept': stage.read('files').num_rows})",
]


def write_notebook(folder: Path, stage: str, reads: list[str], knobs: dict[str, object], cells: list[str]) -> Path:
    """Write a notebook of the book's shape: parameters, open, then `cells`."""
    parameters = "profile = 'smoke'\nrun_dir = None\n" + "".join(
        f"{name} = {value!r}\n" for name, value in knobs.items()
    )
    opening = f"from sc2lib.workflow import Stage\nstage = Stage.open({stage!r}, **Stage.parameters(globals()))\nstage"
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# {stage}"), nbformat.v4.new_code_cell(parameters)]
    notebook.cells[1].metadata["tags"] = ["parameters"]
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in [opening, *cells]]
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
        "sc2": {"reads": reads},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root of a project with stages 01_numbers, 02_squares, 03_parity."""
    root = tmp_path / "project"
    write_notebook(root / "notebooks", "01_numbers", [], {}, NUMBERS)
    write_notebook(root / "notebooks", "02_squares", ["01_numbers"], {"vocabulary_size": None}, SQUARES)
    write_notebook(root / "notebooks", "03_parity", ["02_squares"], {}, PARITY)
    monkeypatch.setenv("SC2_ROOT", str(root))
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.delenv("SC2_RUNS", raising=False)
    return root


@pytest.fixture
def run(project: Path) -> RunDirectory:
    """The smoke run of the project."""
    return RunDirectory.of("smoke")


@pytest.fixture
def outputs() -> Callable[[RunDirectory], dict[str, bytes]]:
    """Reads every result file of a run (no manifests, scratch or notebooks)."""

    def read(run: RunDirectory) -> dict[str, bytes]:
        return {
            path.relative_to(run.path).as_posix(): path.read_bytes()
            for path in sorted(run.path.glob("[0-9][0-9]_*/**/*"))
            if path.is_file() and path.name not in ("manifest.json", "stage.json") and "scratch" not in path.parts
        }

    return read
