"""A small trained tokenizer and real modules of the standard library."""

import sysconfig
from pathlib import Path

import pytest

from sc2lib.corpus.formatting import SourceFile
from sc2lib.tokenizer import training
from sc2lib.tokenizer.encoding import Tokenizer


@pytest.fixture(scope="session")
def files() -> list[SourceFile]:
    folder = Path(sysconfig.get_path("stdlib")) / "json"
    return [
        SourceFile(f"{index:02x}" * 20, f"/json/{path.name}", "Python", "permissive", path.read_text("utf-8"))
        for index, path in enumerate(sorted(folder.glob("*.py")))
    ]


@pytest.fixture(scope="session")
def tokenizer(files: list[SourceFile]) -> Tokenizer:
    return Tokenizer(training.train([file.content for file in files], 600))
