"""Where the project lives, and what its notebooks say about themselves.

A notebook is the only definition of a stage: its file name is the stage's name, its metadata (``sc2.reads``)
lists the stages it reads, and the literals of its ``parameters`` cell are the knobs it uses.
"""

import ast
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import sc2lib
from sc2lib.errors import InputError

RUN_ARGUMENTS = ("profile", "run_dir")


def root() -> Path:
    """Folder that holds ``notebooks/`` and ``runs/``: ``SC2_ROOT``, the checkout, or the working directory."""
    if "SC2_ROOT" in os.environ:
        return Path(os.environ["SC2_ROOT"]).resolve()
    checkout = Path(sc2lib.__file__).resolve().parent.parent
    for folder in (checkout, *[Path.cwd(), *Path.cwd().parents]):
        if (folder / "notebooks").is_dir():
            return folder
    raise InputError(
        f"no folder 'notebooks' in {checkout} or above {Path.cwd()}; "
        "run inside a clone of the book, or set SC2_ROOT to one"
    )


@dataclass(frozen=True)
class Notebook:
    """What a stage's notebook declares."""

    path: Path
    reads: tuple[str, ...]
    parameters: dict[str, Any]
    code: str

    @property
    def stage(self) -> str:
        return self.path.stem

    @property
    def knobs(self) -> tuple[str, ...]:
        """Names of the parameters cell without ``profile`` and ``run_dir``."""
        return tuple(name for name in self.parameters if name not in RUN_ARGUMENTS)


def notebooks(folder: Path | None = None) -> dict[str, Notebook]:
    """All stages by name, in their order."""
    paths = sorted(((folder or root()) / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    return {path.stem: _read(path, path.stat().st_mtime_ns) for path in paths}


@lru_cache(maxsize=256)
def _read(path: Path, _modified: int) -> Notebook:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not a notebook ({error}); restore it with: git checkout {path}") from error
    parameters: dict[str, Any] = {}
    code = []
    for cell in content["cells"]:
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        if "parameters" in cell["metadata"].get("tags", []):
            parameters |= literals(source, path)
        else:
            code.append(source)
    reads = content["metadata"].get("sc2", {}).get("reads", [])
    return Notebook(path, tuple(reads), parameters, "\n".join(code))


def literals(source: str, where: object) -> dict[str, Any]:
    """Names and values of a cell of flat assignments ``name = literal``."""
    values: dict[str, Any] = {}
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            raise InputError(f"{where}: the parameters cell holds {ast.unparse(statement)!r}; only name = literal")
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    return values


def ancestors(stage: str, stages: dict[str, Notebook]) -> list[str]:
    """The stages that `stage` needs, directly or not, in the order in which to run them."""
    needed: set[str] = set()
    pending = list(stages[stage].reads)
    while pending:
        name = pending.pop()
        if name not in stages:
            raise InputError(f"notebooks/{stage}.ipynb reads {name!r}, which is no notebook of {root()}")
        if name not in needed:
            needed.add(name)
            pending.extend(stages[name].reads)
    return sorted(needed)
