"""The picture of the pipeline: every stage in its part of the book, with what a run made of it.

On the landing page the SVG stands in the page itself and takes the theme's colours from the style sheet; the copy in
the README carries its own style, which follows the reader's setting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLUMNS, WIDTH, HEIGHT = 6, 126, 94
GAP, ROW_GAP, TOP, MARGIN = 12, 34, 22, 4

STANDALONE = """<style>
.sc2-box { fill: #7d7d7d14; stroke: #7d7d7d88 } .sc2-part { fill: #7d7d7d } .sc2-line { stroke: #7d7d7d; fill: none }
.sc2-head { fill: #7d7d7d } .sc2-title { fill: #333333 } .sc2-value { fill: #1c5af7 }
@media (prefers-color-scheme: dark) { .sc2-title { fill: #dddddd } .sc2-value { fill: #7aa2ff } }
</style>"""


@dataclass(frozen=True)
class Box:
    """One stage: its number and name, its part of the book, a page, and up to two lines about a run."""

    number: str
    name: str
    part: str
    page: str = ""
    value: str = ""
    detail: str = ""


def draw(boxes: Sequence[Box], standalone: bool = False) -> str:
    """The pipeline as SVG text, six stages a row, read like text."""
    rows = -(-len(boxes) // COLUMNS)
    width = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * GAP
    height = TOP + rows * HEIGHT + (rows - 1) * ROW_GAP + MARGIN
    body = [_box(box, *_place(index)) for index, box in enumerate(boxes)]
    body += [_part(boxes, index) for index in range(len(boxes)) if _starts(boxes, index)]
    body += [_arrow(index) for index in range(1, len(boxes))]
    style = STANDALONE if standalone else ""
    return (
        f'<svg class="sc2-pipeline" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" role="img" '
        f'aria-label="The stages of the book, from the archive to the benchmarks">{style}'
        '<defs><marker id="sc2-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><path class="sc2-head" d="M0 0L8 4L0 8z"/></marker></defs>' + "".join(body) + "</svg>\n"
    )


def _place(index: int) -> tuple[int, int]:
    row, column = divmod(index, COLUMNS)
    return MARGIN + column * (WIDTH + GAP), TOP + row * (HEIGHT + ROW_GAP)


def _starts(boxes: Sequence[Box], index: int) -> bool:
    return index % COLUMNS == 0 or boxes[index].part != boxes[index - 1].part


def _box(box: Box, x: int, y: int) -> str:
    parts = [f'<rect class="sc2-box" x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="7"/>']
    for number, line in enumerate(_wrap(f"{box.number} {box.name}")):
        parts.append(_text("sc2-title", x + 7, y + 17 + 13 * number, 10.5, line, ' font-weight="600"'))
    if box.value:
        parts.append(_text("sc2-value", x + 7, y + HEIGHT - 22, 12, box.value, ' font-weight="700"'))
    if box.detail:
        parts.append(_text("sc2-part", x + 7, y + HEIGHT - 8, 9.5, box.detail))
    inner = "".join(parts)
    return f'<a href="{escape(box.page)}" aria-label="{escape(box.name)}">{inner}</a>' if box.page else inner


def _part(boxes: Sequence[Box], index: int) -> str:
    end = index
    while end + 1 < len(boxes) and not _starts(boxes, end + 1):
        end += 1
    x, y = _place(index)
    right = _place(end)[0] + WIDTH
    label = _text("sc2-part", x, y - 10, 10.5, boxes[index].part)
    return f'{label}<path class="sc2-line" d="M{x} {y - 5}H{right}" stroke-width="2"/>'


def _arrow(index: int) -> str:
    if index % COLUMNS == 0:
        return ""
    x, y = _place(index)
    path = f"M{x - GAP + 1} {y + HEIGHT // 2}H{x - 2}"
    return f'<path class="sc2-line" d="{path}" stroke-width="1.6" marker-end="url(#sc2-tip)"/>'


def _wrap(text: str, limit: int = 15) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > limit and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _text(kind: str, x: float, y: float, size: float, text: str, more: str = "") -> str:
    return f'<text class="{kind}" x="{x}" y="{y}" font-size="{size}"{more}>{escape(text)}</text>'
