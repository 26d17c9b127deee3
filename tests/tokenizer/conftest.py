"""Real text for the tokenizer's tests: modules of the standard library, read from this installation."""

import sysconfig
from pathlib import Path

import pytest

from sc2lib.tokenizer import training
from sc2lib.tokenizer.encoding import Tokenizer

MODULES = ("argparse", "ast", "difflib", "inspect", "textwrap", "typing", "statistics", "calendar")


@pytest.fixture(scope="session")
def texts() -> list[str]:
    folder = Path(sysconfig.get_path("stdlib"))
    return [(folder / f"{name}.py").read_text(encoding="utf-8") for name in MODULES]


@pytest.fixture(scope="session")
def tokenizer(texts: list[str]) -> Tokenizer:
    return Tokenizer(training.train(texts, 1024))
