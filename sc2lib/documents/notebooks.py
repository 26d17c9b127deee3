"""Jupyter notebooks as documents: a script, and a structured text of Markdown, code and output.

Paper sheet, sections 2.3 and 5.5. Both forms come from the same file, as in the paper. What cannot be converted
raises NotebookError with the reason, and the stage keeps it as a removed row.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sc2lib.documents.records import Segment
from sc2lib.errors import InputError

OUTPUT_CHARACTERS = 1000
COMMENTS = {
    "python": "# ", "r": "# ", "julia": "# ", "bash": "# ", "ruby": "# ", "perl": "# ", "octave": "% ", "matlab": "% ",
    "scala": "// ", "c++": "// ", "c++11": "// ", "c++14": "// ", "c++17": "// ", "javascript": "// ",
    "typescript": "// ", "java": "// ", "kotlin": "// ", "go": "// ", "rust": "// ", "c#": "// ", "f#": "// ",
    "clojure": ";; ", "scheme": ";; ", "haskell": "-- ", "lua": "-- ", "sql": "-- ",
}  # fmt: skip


class NotebookError(InputError):
    """A notebook that gives no document; `reason` is a short word for the table of removed files."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Cell:
    """A cell: kind is "markdown" or "code"; output is the text of its first output, "" when there is none."""

    kind: str
    source: str
    output: str = ""


@dataclass(frozen=True)
class Notebook:
    """The cells with content, in order, and the language of the code in lower case (None when not declared)."""

    language: str | None
    cells: tuple[Cell, ...]


def parse(text: str) -> Notebook:
    """Read a notebook of format 3 or 4. Raises NotebookError: invalid_notebook or empty_notebook."""
    try:
        data = json.loads(text)
        sheets = data.get("worksheets", [data])
        cells = [cell for sheet in sheets for raw in sheet["cells"] if (cell := _cell(raw)).source.strip()]
        language = _language(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotebookError("invalid_notebook", f"{type(error).__name__}: {error}"[:200]) from error
    if not cells:
        raise NotebookError("empty_notebook")
    return Notebook(language, tuple(cells))


def _text(value: Any) -> str:
    """nbformat stores text as one string or as a list of lines."""
    return value if isinstance(value, str) else "".join(value or ())


def _cell(raw: dict[str, Any]) -> Cell:
    kind = raw["cell_type"]
    if kind == "code":
        return Cell("code", _text(raw.get("source", raw.get("input", ""))), _output(raw.get("outputs") or []))
    if kind == "heading":  # format 3
        return Cell("markdown", "#" * int(raw.get("level", 1)) + " " + _text(raw["source"]))
    return Cell("markdown", _text(raw["source"]) if kind == "markdown" else "")


def _output(outputs: Sequence[dict[str, Any]]) -> str:
    """Text of the first output: what was printed, or the plain form of a value; at most 1,000 characters."""
    if not outputs:
        return ""
    first = outputs[0]
    text = _text(first.get("text") or first.get("data", {}).get("text/plain", ""))
    return text if len(text) <= OUTPUT_CHARACTERS else text[:OUTPUT_CHARACTERS] + "[...]"


def _language(data: dict[str, Any]) -> str | None:
    metadata = data.get("metadata") or {}
    kernel = metadata.get("kernelspec") or {}
    name = (metadata.get("language_info") or {}).get("name") or kernel.get("language") or metadata.get("language")
    if not name and "py" in str(kernel.get("name", "")).lower():
        name = "python"
    return {"ipython": "python", "python3": "python"}.get(name.lower(), name.lower()) if name else None


def script(notebook: Notebook) -> list[Segment]:
    """The notebook as one script: Markdown and magics become comments, outputs are dropped.

    Raises NotebookError: unknown_language (the paper asks a classifier there) or notebook_without_code.
    """
    if notebook.language is None or notebook.language not in COMMENTS:
        raise NotebookError("unknown_language", notebook.language or "not declared")
    if not any(cell.kind == "code" for cell in notebook.cells):
        raise NotebookError("notebook_without_code")
    comment = COMMENTS[notebook.language]
    blocks = [
        _commented(cell.source, comment) if cell.kind == "markdown" else _code(cell.source, comment)
        for cell in notebook.cells
    ]
    return [("<jupyter_script>", "\n\n".join(blocks) + "\n")]


def _commented(text: str, comment: str) -> str:
    return "\n".join((comment + line).rstrip() for line in text.split("\n"))


def _code(source: str, comment: str) -> str:
    """Code with IPython's line magics and shell lines commented out; a cell magic comments out the whole cell."""
    if source.lstrip().startswith("%%"):
        return _commented(source, comment)
    lines = source.split("\n")
    return "\n".join(comment + line if line.lstrip().startswith(("%", "!")) else line for line in lines)


# docs: start-structured
def structured(notebook: Notebook) -> list[Segment]:
    """The notebook as triplets of Markdown, code and output; only Python notebooks that hold both.

    Neighbouring cells of one kind are merged; of merged code cells the last output counts. Code before the first
    Markdown and Markdown after the last code belong to no triplet and are dropped.
    Raises NotebookError: not_python or no_triplet.
    """
    if notebook.language != "python":
        raise NotebookError("not_python", notebook.language or "not declared")
    groups = [(kind, list(cells)) for kind, cells in groupby(notebook.cells, key=lambda cell: cell.kind)]
    if groups[0][0] == "code":
        groups = groups[1:]
    segments: list[Segment] = [("<jupyter_start>", "")]
    for (_, texts), (_, code) in zip(groups[::2], groups[1::2], strict=False):
        segments.append(("<jupyter_text>", "\n\n".join(cell.source for cell in texts)))
        segments.append(("<jupyter_code>", "\n\n".join(cell.source for cell in code)))
        output = code[-1].output
        segments.append(("<jupyter_output>", output))
        if not output.strip():
            segments[-1:] = [("<jupyter_output>", ""), ("<empty_output>", "")]
    if len(segments) == 1:
        raise NotebookError("no_triplet", "no Markdown followed by code")
    return segments


# docs: end-structured
