"""Real notebooks and package descriptions of this installation."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def installed_notebooks() -> dict[str, str]:
    """Notebooks that papermill ships for its own tests, and the template of jupyter-book, by name."""
    found = {}
    for name in ("papermill", "jupyter-book"):
        for file in importlib.metadata.files(name) or ():
            if str(file).endswith(".ipynb"):
                found[Path(str(file)).name] = Path(str(file.locate())).read_text(encoding="utf-8")
    return found


@pytest.fixture(scope="session")
def metadata_file() -> Callable[[str], str]:
    """The METADATA file of an installed distribution."""

    def read(name: str) -> str:
        text = importlib.metadata.distribution(name).read_text("METADATA")
        assert text is not None
        return text

    return read
