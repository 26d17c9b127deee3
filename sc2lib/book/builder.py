"""Build the HTML book of a run, offline, with warnings as errors.

When nothing changed since the present book was built, nothing is done. Otherwise the new book is built beside it and
takes its place at the end.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html import escape
from importlib import metadata
from pathlib import Path

import yaml

from sc2lib.book.assembly import assemble, entries, fingerprint
from sc2lib.errors import InputError, UnsupportedError
from sc2lib.files import atomic

Say = Callable[[str], None]
PACKAGES = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "sphinx-mathjax-offline")
MATHJAX = re.compile(
    r"tex-mml-chtml\.js|output/chtml/fonts/.+|input/tex/extensions/.+|ui/.+|a11y/.+|sre/mathmaps/en\.json"
)

ENTRANCE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="_static/{icon}">
<meta http-equiv="refresh" content="0; url={first}">
</head>
<body><a href="{first}">{title}</a></body>
</html>
"""


def build(root: Path, run_dir: Path, say: Say = lambda text: None, out: Path | None = None) -> Path:
    """Build the book of the clone in `root` from the run in `run_dir`; return its first page.

    The book lies in `out`, by default ``<run_dir>/book``, as ``html/``. Raises StageError when a chapter has not run,
    UnsupportedError when Jupyter Book is not installed, InputError when the sources give a warning.
    """
    out = out or run_dir / "book"
    digest = f"{_versions()} {fingerprint(root, run_dir)}"
    html = out / "html"
    stamp = html / ".digest"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        say("the book is up to date")
        return html / "index.html"
    tree, downloads = assemble(root, run_dir)
    with atomic(out / "source") as source:
        for name, content in tree.items():
            _write(source / name, content)
        _copy_mathjax(source / "book" / "_static" / "mathjax")
    with atomic(html) as finished:
        made = finished.with_name(finished.name + "-build")
        try:
            _run_jupyter_book(out / "source", made, out / "build.log", say)
            pages = made / "_build" / "html"
            for name, content in downloads.items():
                _write(pages / "_sources" / name, content)
            _check(pages, tree)
            (pages / "index.html").write_text(_entrance(tree), encoding="utf-8")
            (pages / ".digest").write_text(digest, encoding="utf-8")
            pages.rename(finished)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return html / "index.html"


def _versions() -> str:
    try:
        versions = {name: metadata.version(name) for name in PACKAGES}
    except metadata.PackageNotFoundError as error:
        raise UnsupportedError(f"{error.name} is not installed; run: make setup") from error
    if not versions["jupyter-book"].startswith("1."):
        raise UnsupportedError(
            f"jupyter-book {versions['jupyter-book']} does not read _config.yml; run: pip install 'jupyter-book<2'"
        )
    return str(versions)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _copy_mathjax(target: Path) -> None:
    """The part of MathJax a page can load, from its wheel, so that no reader needs the network for a formula."""
    distribution = metadata.distribution("sphinx-mathjax-offline")
    folder = Path(str(distribution.locate_file("sphinx-mathjax-offline/static/mathjax")))
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and MATHJAX.fullmatch(name):
            _write(target / name, path.read_bytes())


def _run_jupyter_book(source: Path, made: Path, log: Path, say: Say) -> None:
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(source)]
    command += ["--path-output", str(made), "-n", "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    problems = []
    with (
        log.open("w", encoding="utf-8") as record,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", env=environment
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            record.write(line)
            text = re.sub(r"\x1b\[[0-9;]*m", "", line).strip()
            if match := re.match(r"(reading sources|writing output)\.\.\. \[ *(\d+)%\]", text):
                if int(match.group(2)) % 25 == 0:
                    say(f"book: {match.group(1)} {match.group(2)}%")
            elif re.search(r"\b(WARNING|ERROR|CRITICAL)\b|[Ee]rror:", text):
                problems.append(text.replace(f"{source.resolve()}/", "").replace(f"{source}/", ""))
    if process.returncode or problems:
        listed = "\n".join(f"  {line}" for line in problems[:40]) or f"  see {log}"
        raise InputError(f"the book was not built; the whole record is {log}\n{listed}")


def _entrance(tree: dict[str, bytes]) -> str:
    """The page at the book's address: it names the icon, for which a browser would otherwise ask the server's root."""
    config = yaml.safe_load(tree["_config.yml"])
    first = f"{yaml.safe_load(tree['_toc.yml'])['root']}.html"
    icon = Path(config["html"]["favicon"]).name
    return ENTRANCE.format(title=escape(config["title"]), icon=icon, first=first)


def _check(pages: Path, tree: dict[str, bytes]) -> None:
    wanted = [f"{page}.html" for page, _ in entries(yaml.safe_load(tree["_toc.yml"]))]
    missing = [name for name in ("index.html", *wanted) if not (pages / name).is_file()]
    if missing:
        raise InputError(f"Jupyter Book ended well but wrote no {', '.join(missing)}; is its version still 1.x?")
