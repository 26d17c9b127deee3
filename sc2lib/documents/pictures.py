"""Pictures of documents: sentinels as coloured labels, the text that follows each below it."""

from collections.abc import Iterable, Sequence
from typing import Any

from sc2lib.documents.records import Segment
from sc2lib.figures import BLUE, GREEN, GREY, ORANGE, RED, SLATE, VIOLET

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
}


def shortened(text: str, lines: int, columns: int) -> list[str]:
    """At most `lines` lines of at most `columns` characters; what is left out is counted."""
    found = [line.expandtabs(4) for line in text.strip("\n").split("\n")] if text.strip() else []
    kept = [line if len(line) <= columns else line[: columns - 1] + "…" for line in found[:lines]]
    if len(found) > lines:
        kept.append(f"⋮ {len(found) - lines} more lines")
    return kept


def layout(segments: Iterable[Segment], lines: int, columns: int) -> list[tuple[str, str | None]]:
    """The rows to draw: (text, sentinel) for a label, (text, None) for a line of text."""
    rows: list[tuple[str, str | None]] = []
    for token, text in segments:
        if token is not None:
            rows.append((token, token))
        rows += [(line, None) for line in shortened(text, lines, columns)]
    return rows


def draw(
    ax: Any, segments: Sequence[Segment], lines: int = 6, columns: int = 60, title: str = "", height: int | None = None
) -> int:
    """Draw segments from the top of an axes; returns the number of rows. Give `height` rows to align two axes."""
    rows = layout(segments, lines, columns)
    height = height or len(rows)
    ax.set(xlim=(0, columns), ylim=(height, -1), title=title)
    ax.axis("off")
    for place, (text, token) in enumerate(rows):
        style: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": 7, "va": "center", "parse_math": False}
        if token is not None:
            colour = COLOURS.get(token, SLATE)
            box = {"boxstyle": "round,pad=0.15", "facecolor": colour, "edgecolor": "none", "alpha": 0.16}
            ax.text(0, place, text, color=colour, weight="bold", bbox=box, **style)
        else:
            ax.text(1, place, text, color=GREY, **style)
    return len(rows)
