"""The code version of a stage: a hash over its notebook's code and every library module that code can reach.

Comments, docstrings and prose do not count. `sc2lib.workflow` does not count either: it moves results, it does not
make them, and its file formats carry their own schema version.
"""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

from sc2lib.workflow.project import Notebook

PACKAGE = "sc2lib"
SOURCE = Path(__file__).resolve().parents[1]
IGNORED = (f"{PACKAGE}.workflow",)


def code_version(notebook: Notebook) -> str:
    """SHA-256 (hexadecimal) of what the stage's results can depend on in the code."""
    digest = hashlib.sha256(_normalise(notebook.code).encode())
    for module in reachable(notebook.code):
        path = _file(module)
        assert path is not None
        dump, data = _fingerprint(path, path.stat().st_mtime_ns)
        digest.update(f"{module}\n{dump}\n".encode())
        for name in data:
            digest.update((path.parent / name).read_bytes())
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
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        pending |= _imports_of(path, path.stat().st_mtime_ns, package)
    return sorted(found)


@lru_cache(maxsize=1024)
def _imports_of(path: Path, _modified: int, package: str) -> frozenset[str]:
    return frozenset(_imports(path.read_text(encoding="utf-8"), package))


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


@lru_cache(maxsize=1024)
def _fingerprint(path: Path, _modified: int) -> tuple[str, tuple[str, ...]]:
    """The normalised source of a module, and the data files beside it that it names."""
    source = path.read_text(encoding="utf-8")
    data = [entry.name for entry in path.parent.iterdir() if entry.is_file() and entry.suffix != ".py"]
    return _normalise(source), tuple(sorted(name for name in data if name in source))


def _normalise(source: str) -> str:
    tree = ast.parse(_without_magics(source))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = body[1:]
    return ast.dump(tree)
