"""Chapters 01 to 09 on a folder of three files: most shards are empty, and every cell must still have something to do.

The cells run one after the other in this process, which saves nine kernels. What the later chapters do with too little
is tested with the functions that refuse it.
"""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest

from sc2lib.workflow.project import notebooks, root

KNOBS: dict[str, Any] = {
    "profile": "laptop",  # sixteen shards
    "source": "directory",
    "vocabulary_size": 384,
    "validation_fraction": 0.5,
}


def run_cells(notebook: Path, **parameters: Any) -> None:
    """Execute the code cells of a notebook in one namespace, its parameters replaced by those of the same name."""
    namespace: dict[str, Any] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, f"{notebook.stem}, cell {cell.id}", "exec"), namespace)
        if "parameters" in cell.metadata.get("tags", []):
            namespace |= {name: value for name, value in parameters.items() if name in namespace}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("errors.py", "columns.py", "files.py"):
        shutil.copy(root() / "sc2lib" / name, folder)
    return folder


@pytest.mark.filterwarnings("error::RuntimeWarning")  # NumPy's, of the mean of nothing
def test_the_data_chapters_run_on_three_files(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SC2_RUNNER", "1")  # no progress bars
    monkeypatch.setattr("IPython.display.display", lambda *shown, **how: None)
    run = tmp_path / "run"
    for stage, notebook in notebooks().items():
        if stage < "10":
            run_cells(notebook.path, **KNOBS, source_path=str(source), run_dir=str(run))
            assert (run / stage / "manifest.json").exists()
