"""Pictures of documents: sentinels as coloured labels, the text that follows each below it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sc2lib.documents.notebooks import Cell
from sc2lib.documents.records import Segment
from sc2lib.figures import BLUE, GREEN, GREY, ORANGE, RED, SLATE, TEXT_WIDTH, VIOLET, new, size, ticks

COLOURS = {
    "<repo_name>": VIOLET,
    "<file_sep>": BLUE,
    "<jupyter_start>": SLATE,
    "<jupyter_text>": BLUE,
    "<jupyter_code>": ORANGE,
    "<jupyter_output>": GREEN,
    "<empty_output>": GREY,
    "<jupyter_script>": ORANGE,
    "<fim_prefix>": ORANGE,
    "<fim_suffix>": GREEN,
    "<fim_middle>": RED,
    "<fim_pad>": GREY,
    "<|endoftext|>": SLATE,
    "Markdown cell": BLUE,
    "code cell": ORANGE,
}
ROW_INCHES = 0.172


def shortened(text: str, lines: int, columns: int) -> list[str]:
    """At most `lines` lines, without empty ones, of at most `columns` characters; lines left out are counted."""
    found = [line.expandtabs(4) for line in text.split("\n") if line.strip()]
    kept = [line if len(line) <= columns else line[: columns - 1] + "…" for line in found[:lines]]
    more = len(found) - lines
    if more > 0:
        kept.append(f"[{more} more line{'s' if more > 1 else ''}]")
    return kept


def layout(segments: Iterable[Segment], lines: int, columns: int) -> list[tuple[str, str | None]]:
    """The rows to draw: (text, sentinel) for a label, (text, None) for a line of text."""
    rows: list[tuple[str, str | None]] = []
    for token, text in segments:
        if token is not None:
            rows.append((token, token))
        rows += [(line, None) for line in shortened(text, lines, columns)]
    return rows


def draw(panels: Mapping[str, Sequence[Segment]], lines: int = 6, columns: int = 54, width: float = 1.25) -> Figure:
    """Segments side by side, one panel for each title; `lines` and `columns` as in `shortened`."""
    rows = {title: layout(segments, lines, columns) for title, segments in panels.items()}
    height = max(map(len, rows.values()))
    inches = TEXT_WIDTH * width / len(panels)
    fig, axes = new(width, (height + 3) * ROW_INCHES / inches, columns=len(panels), squeeze=False)
    for ax, (title, drawn) in zip(axes[0], rows.items(), strict=True):
        ax.set(xlim=(0, columns), ylim=(height, -1), title=title)
        ax.axis("off")
        for place, (text, token) in enumerate(drawn):
            _row(ax, place, text, token)
    return fig


def _row(ax: Any, place: int, text: str, token: str | None) -> None:
    style: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": 8.5, "va": "center", "parse_math": False}
    if token is None:
        ax.text(1, place, text, color=GREY, **style)
        return
    colour = COLOURS.get(token, SLATE)
    box = {"boxstyle": "round,pad=0.15", "facecolor": colour, "edgecolor": "none", "alpha": 0.16}
    ax.text(0, place, text, color=colour, weight="bold", bbox=box, **style)


def cells_and_segments(cells: Sequence[Cell], segments: Sequence[Mapping[str, Any]], first: int = 12) -> Figure:
    """The first cells of a notebook beside the first segments of its structured document (rows of `segments`)."""
    names = {"markdown": "Markdown cell", "code": "code cell"}
    before: list[Segment] = [(names[cell.kind], cell.source) for cell in cells[: first + 1]]
    after: list[Segment] = [(part["token"], part["text"]) for part in segments[:first]]
    return draw({"cells of the file": before, "segments of the document": after}, lines=3, columns=54)


def documentation_sizes(documents: Sequence[Mapping[str, Any]]) -> Figure:
    """Histogram of the lengths of documentation (rows of a DOCUMENTS table), by the language of the first page."""
    sizes: dict[str, list[int]] = {}
    for row in documents:
        sizes.setdefault(row["files"][0]["language"], []).append(row["length_bytes"])
    fig, ax = new(aspect=0.42)
    if sizes:
        labels = [f"{language} ({len(found)})" for language, found in sizes.items()]
        bins = np.geomspace(100, 1.01 * max(map(max, sizes.values())), 16)
        ax.hist(list(sizes.values()), bins=bins, stacked=True, label=labels)
        ax.legend(title="first page written in")
    ax.set(xscale="log", xlabel="length of a project's documentation", ylabel="projects")
    ax.yaxis.get_major_locator().set_params(integer=True)
    ticks(ax.xaxis, size)
    return fig
