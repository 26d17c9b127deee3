"""The shape of the chapters: short cells that fit the page, enough prose, one parameters cell.

A published page shows about 100 columns of code before it scrolls. The limits are those of the style of the book:
a chapter is read, and what does not teach belongs to the library. The parameters cell is a list and may be long.
"""

import ast
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COLUMNS, CELL_LINES, MEDIAN_LINES, CODE_LINES, CELLS = 100, 30, 10, 250, 60
WORDS = range(1_500, 3_501)


def departures(path: Path) -> list[str]:
    """What a notebook does that the limits forbid, in words."""
    cells = nbformat.read(path, as_version=4).cells
    code = {cell.id: cell.source.splitlines() for cell in cells if cell.cell_type == "code"}
    words = sum(len(re.findall(r"\S+", cell.source)) for cell in cells if cell.cell_type == "markdown")
    lines = [len(found) for found in code.values()]
    found = [
        f"cell {name}: a line of {len(line)} columns"
        for name, source in code.items()
        for line in source
        if len(line) > COLUMNS
    ]
    long = [name for name, source in code.items() if len(source) > CELL_LINES and name != "parameters"]
    found += [f"cell {name}: {len(code[name])} lines" for name in long]
    if median(lines) > MEDIAN_LINES:
        found.append(f"code cells have a median of {median(lines):g} lines")
    if sum(lines) > CODE_LINES:
        found.append(f"{sum(lines)} lines of code")
    if len(cells) > CELLS:
        found.append(f"{len(cells)} cells")
    if words not in WORDS:
        found.append(f"{words} words of prose")
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_keeps_the_limits_of_the_book(path: Path) -> None:
    found = departures(path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path.stem < "07"], ids=lambda path: path.stem)
def test_no_chapter_over_files_holds_all_of_a_row(path: Path) -> None:
    """Of a table with a row for every file, a chapter reads the columns it names; the texts stay on disk."""
    cells = nbformat.read(path, as_version=4).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    reads = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    reads = [node for node in reads if ast.unparse(node.func) == "stage.read"]
    named = [(ast.unparse(node.args[-1]).strip("'"), [word.arg for word in node.keywords]) for node in reads]
    assert not [name for name, _ in named if name.endswith("contents")]
    assert not [name for name, words in named if name in ("files", "scratch/candidates") and "columns" not in words]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_chapter_is_committed_as_written(path: Path) -> None:
    """No outputs, names for cells (not random ones), one parameters cell, and one cell that finishes the stage."""
    content = nbformat.read(path, as_version=4)
    nbformat.validate(content)
    code = [cell for cell in content.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert not [cell.id for cell in content.cells if re.fullmatch(r"[0-9a-f]{8}", cell.id)]
    assert [cell for cell in code if "parameters" in cell.metadata.get("tags", [])] == code[:1]
    assert [cell for cell in code if "stage.finish(" in cell.source] == code[-1:]
    assert content.cells[0].source.startswith(f"# {path.stem[:2]} · ")
