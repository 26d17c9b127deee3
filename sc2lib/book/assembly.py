"""The source of the book: the pages of the clone, and the chapters as they ran."""

import hashlib
import re
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
import yaml

from sc2lib.book import chapters, landing, picture
from sc2lib.errors import InputError, StageError
from sc2lib.files import sha256
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow.project import notebooks
from sc2lib.workflow.run_directory import RunDirectory

LISTED = (".py", ".sql", ".yaml", ".yar", ".json")  # what prose may show with literalinclude


def assemble(root: Path, run_dir: Path) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Everything the book is built from, by path, and the executed notebooks a reader can download."""
    run, parts = RunDirectory(run_dir), stages(root)
    tree: dict[str, bytes] = {"_toc.yml": (root / "_toc.yml").read_bytes(), "_config.yml": config(root)}
    for path in files(root):
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
    tree["book/_generated/run.md"] = landing.run_table(found, commit(root)).encode()
    tree["book/_generated/chapters.md"] = landing.chapter_table(parts, titles, found).encode()
    return tree, downloads


def files(root: Path) -> Iterator[Path]:
    """The pages of the book, and the code they may show."""
    for folder, suffixes in (("book", ()), ("sc2lib", LISTED)):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and (not suffixes or path.suffix in suffixes) and "__pycache__" not in path.parts:
                yield path


def fingerprint(root: Path, run_dir: Path) -> str:
    """SHA-256 of everything `assemble` reads; tables count through the checksums in their manifests."""
    read = [root / "_toc.yml", *files(root), *sorted((root / "notebooks").glob("*.ipynb"))]
    read += [*sorted((run_dir / "notebooks").glob("*.ipynb")), *sorted(run_dir.glob("*/manifest.json"))]
    digest = hashlib.sha256(config(root) + commit(root).encode())
    for path in read:
        digest.update(path.name.encode() + b"\0" + sha256(path).encode())
    return digest.hexdigest()


def stages(root: Path) -> dict[str, str]:
    """The stages in the order of the table of contents, each with its part of the book."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return {Path(page).name: part for page, part in entries(toc) if page.startswith("notebooks/")}


def entries(toc: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield toc["root"], ""
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            yield chapter["file"], part["caption"]


def config(root: Path) -> bytes:
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


def commit(root: Path) -> str:
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
