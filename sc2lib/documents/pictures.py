"""Pictures of documents: sentinels as coloured labels, the text that follows each below it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from sc2lib.documents.records import Segment
from sc2lib.figures import BLUE, GREEN, GREY, ORANGE, RED, SLATE, TEXT_WIDTH, VIOLET, new

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
ROW_INCHES = 0.145


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


def draw(panels: Mapping[str, Sequence[Segment]], lines: int = 6, columns: int = 60, width: float = 1.25) -> Figure:
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
    style: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": 7, "va": "center", "parse_math": False}
    if token is None:
        ax.text(1, place, text, color=GREY, **style)
        return
    colour = COLOURS.get(token, SLATE)
    box = {"boxstyle": "round,pad=0.15", "facecolor": colour, "edgecolor": "none", "alpha": 0.16}
    ax.text(0, place, text, color=colour, weight="bold", bbox=box, **style)
