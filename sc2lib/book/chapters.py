"""A chapter of the book: the prose of the notebook in the clone, the outputs of its executed copy.

Prose may change without a new run, so Markdown cells come from the clone. Code must be the code that ran: where the
two differ in more than layout and comments, the chapter is refused with the command that runs it again.
"""

import ast
import copy
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from sc2lib.errors import ChainError, InputError, StageError

FIGURES = "_figures"


def title(notebook: Any) -> str:
    """The text of the first heading."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := re.search(r"^# +(.+)$", cell.source, re.MULTILINE)):
            return match.group(1).strip()
    return ""


def read(path: Path) -> Any:
    """Read a notebook; InputError when it is none."""
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.reader.NotJSONError) as error:
        raise InputError(
            f"{path} is not a notebook ({error}); restore it from git, or run its chapter again"
        ) from error


def join(source: Path, executed: Path, command: str, places: Mapping[str, str]) -> Any:
    """The chapter as it may be published and downloaded: current prose, code with the outputs it gave.

    What went to stderr (warnings, progress bars) is not published. `command` is what the message of a StageError
    tells the reader to run. A copy that holds an error is refused.
    `places` maps folders of this machine to what stands for them in public: no page shows where it was made.
    """
    if not executed.exists():
        raise StageError(f"{source.stem} has no executed copy in {executed.parent}; run: {command}")
    book, ran = read(source), _hide(read(executed), places)
    if ran.metadata.get("papermill", {}).get("exception"):
        raise ChainError(f"{executed} holds a run that failed; run: {command}")
    outputs = {cell.id: cell for cell in ran.cells if cell.cell_type == "code"}
    injected = [cell for cell in outputs.values() if "injected-parameters" in _tags(cell)]
    cells = []
    for cell in book.cells:
        cells.append(cell)
        if cell.cell_type != "code":
            continue
        twin = outputs.get(cell.id)
        if twin is None or not _same_code(cell.source, twin.source):
            raise StageError(f"{executed} was made by other code than {source} (cell {cell.id}); run: {command}")
        if any(output.output_type == "error" for output in twin.outputs):
            raise ChainError(f"{executed}, cell {cell.id}, holds an error; run: {command}")
        cell.outputs = [output for output in twin.outputs if output.get("name") != "stderr"]
        cell.execution_count = twin.execution_count
        if "parameters" in _tags(cell):
            cells += injected
    for cell in injected:
        cell.metadata["tags"] = sorted({*_tags(cell), "remove-cell"})
    book.cells = cells
    return book


def for_the_page(notebook: Any, note: str) -> tuple[Any, dict[str, str]]:
    """The same chapter with numbered figures and a line below its title that says which run it shows.

    Returns the notebook and the SVG text of its figures by name, to be stored in a folder `FIGURES` beside it.
    """
    page = copy.deepcopy(notebook)
    pictures: dict[str, str] = {}
    for index, cell in enumerate(page.cells):
        if cell.cell_type == "code":
            cell.outputs = [_figure(output, pictures) for output in cell.outputs if not _is_caption(output)]
        if "injected-parameters" in _tags(cell):
            lines = [line for line in cell.source.split("\n") if "=" in line and not line.startswith("run_dir")]
            given = ", ".join(f"`{line}`" for line in lines)
            told = f":::{{div}} sc2-run\nThis run was given {given}.\n:::"
            page.cells[index] = nbformat.v4.new_markdown_cell(told, id=cell.id)
    for cell in page.cells:
        if cell.cell_type == "markdown" and (heading := re.search(r"^# .+$", cell.source, re.MULTILINE)):
            below = f"\n\n:::{{div}} sc2-run\n{note}\n:::"
            cell.source = cell.source[: heading.end()] + below + cell.source[heading.end() :]
            break
    return page, pictures


def _hide(notebook: Any, places: Mapping[str, str]) -> Any:
    text = nbformat.writes(notebook)
    for folder, public in places.items():
        text = text.replace(json.dumps(folder)[1:-1], public)
    return nbformat.reads(text, as_version=4)


def _figure(output: Any, pictures: dict[str, str]) -> Any:
    about = output.get("metadata", {}).get("sc2_figure")
    if about is None:
        return output
    name, caption = about["name"], about["caption"]
    pictures[name] = output.data["image/svg+xml"]
    directive = [
        f"````{{figure}} {FIGURES}/{name}.svg",
        f":name: {name}",
        f":alt: {_plain(caption)}",
        ":class: dark-light",
        "",
        caption,
        "````",
    ]
    return nbformat.v4.new_output("display_data", data={"text/markdown": "\n".join(directive)})


def _is_caption(output: Any) -> bool:
    return "sc2_caption" in output.get("metadata", {})


def _plain(caption: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[*`$]|\{[a-z:]+\}", "", caption)).strip()


def _tags(cell: Any) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _same_code(one: str, other: str) -> bool:
    if one.strip() == other.strip():
        return True
    try:
        return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
    except SyntaxError:  # a cell with a magic command: only equal text is equal
        return False
