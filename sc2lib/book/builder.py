"""Build the HTML book of a run, offline, with warnings as errors.

A source tree is put together in memory first. When it is the one the present book was made from, nothing is done.
Otherwise the book is built beside the present one and takes its place at the end.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import yaml

from sc2lib.book import chapters, landing, picture
from sc2lib.errors import InputError, StageError, UnsupportedError
from sc2lib.files import atomic
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow.project import notebooks
from sc2lib.workflow.run_directory import RunDirectory

Say = Callable[[str], None]
PACKAGES = ("jupyter-book", "sphinx", "myst-nb", "sphinx-book-theme", "sphinx-mathjax-offline")
LISTED = (".py", ".sql", ".yaml", ".yar", ".json")  # what prose may show with literalinclude
MATHJAX = re.compile(
    r"tex-mml-chtml\.js|output/chtml/fonts/.+|input/tex/extensions/.+|ui/.+|a11y/.+|sre/mathmaps/en\.json"
)


def build(root: Path, run_dir: Path, say: Say = lambda text: None, out: Path | None = None) -> Path:
    """Build the book of the clone in `root` from the run in `run_dir`; return its first page.

    The book lies in `out`, by default ``<run_dir>/book``, as ``html/``. Raises StageError when a chapter has not run,
    UnsupportedError when Jupyter Book is not installed, InputError when the sources give a warning.
    """
    out = out or run_dir / "book"
    versions = _versions()
    tree, downloads = assemble(root, run_dir)
    digest = _digest(tree, versions)
    html = out / "html"
    stamp = html / ".digest"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        say("the book is up to date")
        return html / "index.html"
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
            (pages / ".digest").write_text(digest, encoding="utf-8")
            pages.rename(finished)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return html / "index.html"


def assemble(root: Path, run_dir: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Everything the book is built from, by path, and the executed notebooks a reader can download."""
    run, parts = RunDirectory(run_dir), stages(root)
    tree: dict[str, bytes] = {"_toc.yml": (root / "_toc.yml").read_bytes(), "_config.yml": _config(root)}
    for folder, suffixes in (("book", ()), ("sc2lib", LISTED)):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and (not suffixes or path.suffix in suffixes) and "__pycache__" not in path.parts:
                content = path.read_bytes()
                # literalinclude would show the blank lines before an end marker
                tidy = re.sub(rb"\n\s*\n( *# docs: end)", rb"\n\1", content) if path.suffix == ".py" else content
                tree[path.relative_to(root).as_posix()] = tidy
    downloads: dict[str, bytes] = {}
    titles: dict[str, str] = {}
    found: dict[str, manifests.Manifest] = {}
    owner: dict[str, str] = {}
    places = {str(run_dir): f"runs/{run_dir.name}", str(root): "."}
    for stage in parts:
        source = root / "notebooks" / f"{stage}.ipynb"
        command = run.command(stage)
        manifest = manifests.load(run.stage(stage))
        if not source.exists():
            raise InputError(f"_toc.yml lists notebooks/{stage}, but {source} does not exist")
        if manifest is None:
            raise StageError(f"{stage} has not run in {run_dir}; run: {command}")
        joined = chapters.join(source, run.notebook(stage), command, places)
        page, figures = chapters.for_the_page(joined, landing.note(manifest))
        for name, text in figures.items():
            if owner.setdefault(name, stage) != stage:
                raise InputError(f"{stage} and {owner[name]} both have a figure named {name!r}; rename one")
            tree[f"notebooks/{chapters.FIGURES}/{name}.svg"] = text.encode()
        tree[f"notebooks/{stage}.ipynb"] = nbformat.writes(page).encode()
        downloads[f"notebooks/{stage}.ipynb"] = nbformat.writes(joined).encode()
        titles[stage], found[stage] = chapters.title(joined), manifest
    drawing = picture.draw(landing.boxes(parts, found, run_dir, "../notebooks/"))
    tree["book/_generated/pipeline.md"] = f'```{{raw}} html\n<div class="sc2-picture">{drawing}</div>\n```\n'.encode()
    tables = landing.parameter_tables(notebooks(root), titles)
    tree["book/_generated/parameters.md"] = tables.encode()
    tree["book/_generated/run.md"] = landing.run_table(found, _commit(root)).encode()
    tree["book/_generated/chapters.md"] = landing.chapter_table(parts, titles, found).encode()
    return tree, downloads


def stages(root: Path) -> dict[str, str]:
    """The stages in the order of the table of contents, each with its part of the book."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return {Path(page).name: part for page, part in _pages(toc) if page.startswith("notebooks/")}


def _pages(toc: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield toc["root"], ""
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            yield chapter["file"], part["caption"]


def _config(root: Path) -> bytes:
    """``_config.yml`` with the address of this clone's published remote; without one, without the buttons."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    if not config["repository"].get("url"):
        config["repository"]["url"] = repository_url(_git(root, "remote", "get-url", "origin"))
    if not config["repository"]["url"]:
        del config["repository"], config["launch_buttons"]
        for button in ("use_repository_button", "use_issues_button"):
            config["html"][button] = False
    return yaml.safe_dump(config, allow_unicode=True).encode()


def repository_url(remote: str) -> str:
    """The web address of a git remote, or an empty string for one that has none (a local path)."""
    remote = re.sub(r"^(?:ssh://)?git@([^:/]+)[:/]", r"https://\1/", remote.strip())
    remote = re.sub(r"^https://[^@/]+@", "https://", remote)
    return remote.removesuffix(".git") if remote.startswith("https://") else ""


def _commit(root: Path) -> str:
    commit = _git(root, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return f"sc2lib {metadata.version('sc2lib')}, not in a git clone"
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return f"commit `{commit}`" + (" with local changes" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        finished = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""


def _versions() -> str:
    try:
        versions = {name: metadata.version(name) for name in PACKAGES}
    except metadata.PackageNotFoundError as error:
        raise UnsupportedError(f"{error.name} is not installed; run: pip install -r requirements.lock") from error
    if not versions["jupyter-book"].startswith("1."):
        raise UnsupportedError(
            f"jupyter-book {versions['jupyter-book']} does not read _config.yml; run: pip install 'jupyter-book<2'"
        )
    return str(versions)


def _digest(tree: dict[str, bytes], versions: str) -> str:
    digest = hashlib.sha256(versions.encode())
    for name in sorted(tree):
        digest.update(name.encode() + b"\0" + hashlib.sha256(tree[name]).digest())
    return digest.hexdigest()


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


def _check(pages: Path, tree: dict[str, bytes]) -> None:
    wanted = [f"{page}.html" for page, _ in _pages(yaml.safe_load(tree["_toc.yml"]))]
    missing = [name for name in ("index.html", *wanted) if not (pages / name).is_file()]
    if missing:
        raise InputError(f"Jupyter Book ended well but wrote no {', '.join(missing)}; is its version still 1.x?")
