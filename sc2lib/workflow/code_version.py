"""The code version of a stage: a hash over its notebook's code and every library module that code can reach.

Comments, docstrings and prose do not count. `sc2lib.workflow` does not count either: it moves results, it does not
make them, and its file formats carry their own schema version.

Parsing all modules costs 2 s of CPU, and every kernel of a chain asks for it. So what was read out of a module is kept
beside its compiled form (``__pycache__/NAME.TAG.code``), valid for these bytes of the module and of this one only.
"""

import ast
import hashlib
import importlib.util
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from sc2lib.errors import RunDirectoryError
from sc2lib.files import write_text
from sc2lib.workflow.project import Notebook

PACKAGE = "sc2lib"
SOURCE = Path(__file__).resolve().parents[1]
IGNORED = (f"{PACKAGE}.workflow",)


@dataclass(frozen=True)
class Module:
    """What counts of a module: the hash of its normalised code, and the modules of the package that it imports."""

    code: str
    imports: tuple[str, ...]


def code_version(notebook: Notebook) -> str:
    """SHA-256 (hexadecimal) of what the stage's results can depend on in the code."""
    return version_of(notebook.code)


def version_of(source: str) -> str:
    """The same of any source: its own code, and that of every module of the package that it reaches."""
    digest = hashlib.sha256(_normalise(source).encode())
    for module in reachable(source):
        path = _file(module)
        assert path is not None
        digest.update(f"{module}\n{_module(path, module).code}\n".encode())
        for data in _data(path):
            digest.update(data.read_bytes())
    return digest.hexdigest()


def reachable(source: str) -> list[str]:
    """Modules of the package that `source` imports, directly or through other modules, sorted."""
    found: set[str] = set()
    pending = _imports(source, PACKAGE)
    while pending:
        module = pending.pop()
        path = _file(module)
        if path is None or module in found or module.startswith(IGNORED):
            continue
        found.add(module)
        pending |= set(_module(path, module).imports)
    return sorted(found)


def _module(path: Path, name: str) -> Module:
    return _read(path, path.stat().st_mtime_ns, name)


@lru_cache(maxsize=1024)
def _read(path: Path, _modified: int, name: str) -> Module:
    source = path.read_bytes()
    seen = hashlib.sha256(Path(__file__).read_bytes() + f"\n{name}\n".encode() + source).hexdigest()
    kept = Path(importlib.util.cache_from_source(str(path))).with_suffix(".code")
    with suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(kept.read_text(encoding="utf-8"))
        if entry["seen"] == seen:
            return Module(entry["code"], tuple(entry["imports"]))
    text = source.decode("utf-8")
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    module = Module(hashlib.sha256(_normalise(text).encode()).hexdigest(), tuple(sorted(_imports(text, package))))
    with suppress(OSError, RunDirectoryError):  # an installation that nobody may write to is read again each time
        write_text(kept, json.dumps({"seen": seen} | asdict(module)))
    return module


@lru_cache(maxsize=1024)
def _data_names(path: Path, _modified: int, _folder_modified: int) -> tuple[str, ...]:
    source = path.read_text(encoding="utf-8")
    names = [entry.name for entry in path.parent.iterdir() if entry.is_file() and entry.suffix != ".py"]
    return tuple(sorted(name for name in names if name in source))


def _data(path: Path) -> list[Path]:
    """The data files beside a module that it names."""
    found = _data_names(path, path.stat().st_mtime_ns, path.parent.stat().st_mtime_ns)
    return [path.parent / name for name in found]


def _imports(source: str, package: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(_without_magics(source))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")
            base = ".".join(parents[: len(parents) + 1 - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}.")}


def _without_magics(source: str) -> str:
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))


def _file(module: str) -> Path | None:
    base = SOURCE.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _normalise(source: str) -> str:
    tree = ast.parse(_without_magics(source))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:]
    return ast.dump(tree)
