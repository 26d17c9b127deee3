"""Figures: one style for the whole book, drawn once and readable on a light and on a dark page.

The background is transparent, text and axes are mid-grey. The colours keep a contrast of at least 3 to 1
against the white page and the dark one, and stay apart for readers with any kind of colour blindness.
The same figure always gives the same SVG bytes: no date, no random ids.
"""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from sc2lib.errors import ParameterError

COLORS = ("#1c5af7", "#e57700", "#51a483", "#c9252f", "#aa74df", "#656789")
BLUE, ORANGE, GREEN, RED, VIOLET, SLATE = COLORS
GREY = "#7d7d7d"
COLORMAP = "cividis"

TEXT_WIDTH = 7.2  # inches: the width of the book's text column
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
RASTER_POINTS = 5_000  # a line or cloud of more points is stored as pixels, or the page would weigh megabytes

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": GREY,
    "axes.prop_cycle": cycler(color=COLORS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "grid.linewidth": 0.6,
    "image.cmap": COLORMAP,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "patch.edgecolor": "none",
    "savefig.dpi": 200,
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
}


def use_style() -> None:
    """Make the book's style the one Matplotlib uses in this process; `new` does so too."""
    mpl.rcParams.update(STYLE)


def new(
    width: float = 1.0, aspect: float = 0.6, rows: int = 1, columns: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """Make a figure with one axes, or an array of them as Matplotlib's `Figure.subplots` gives it.

    `width` is a fraction of the text column (0.2 to 1.5), `aspect` the height of one panel over its width.
    Other keywords (``sharex=True``) go to `Figure.subplots`.
    """
    if not 0.2 <= width <= 1.5 or aspect <= 0 or rows < 1 or columns < 1:
        raise ParameterError(
            f"A figure of width {width}, aspect {aspect} and {rows} x {columns} panels cannot be drawn: "
            "width is a fraction of the text column from 0.2 to 1.5, the others are positive."
        )
    inches = TEXT_WIDTH * width
    use_style()
    figure = Figure(figsize=(inches, inches * aspect * rows / columns), layout="constrained")
    return figure, figure.subplots(rows, columns, **subplots)


def svg(figure: Figure, name: str) -> str:
    """Render a figure as SVG text; the bytes depend on the figure, its name and Matplotlib's version only."""
    for artist in figure.findobj(lambda item: isinstance(item, Line2D | Collection)):
        if _points(artist) > RASTER_POINTS:
            artist.set_rasterized(True)
    buffer = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def show(figure: Figure, caption: str, name: str) -> None:
    """Display a figure with its caption below, in Jupyter and in the book.

    `name` is the label other pages refer to (``{numref}`fig-recall` ``): it starts with ``fig-``, unique in
    the book. `caption` is Markdown and says what to see. The book turns the pair into a numbered figure.
    """
    from IPython.display import Markdown, display

    if not name.startswith("fig-") or not caption.strip():
        raise ParameterError(f"Figure {name!r}: its name must start with 'fig-' and its caption must not be empty.")
    metadata = {"sc2_figure": {"name": name, "caption": caption.strip()}}
    picture = {"image/svg+xml": svg(figure, name), "text/plain": caption.strip()}
    display(picture, metadata=metadata, raw=True)
    display(Markdown(f"*{caption.strip()}*"), metadata={"sc2_caption": name})


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], align: str = "") -> Any:
    """A Markdown table to leave as the last value of a cell.

    `align` holds one of ``l``, ``r``, ``c`` per column; without it, a column in which every cell is a number,
    or text that starts with a digit, is right-aligned.
    """
    from IPython.display import Markdown

    lines = [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    for line in lines:
        if len(line) != len(header):
            raise ParameterError(f"A row of {len(line)} cells in a table of {len(header)} columns: {line}.")
    guessed = ("r" if lines and all(_numeric(line[k]) for line in lines) else "l" for k in range(len(header)))
    marks = [{"l": ":--", "r": "--:", "c": ":-:"}[mark] for mark in (align or guessed)]
    body = [list(header), marks, *([cell.replace("|", "\\|") for cell in line] for line in lines)]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in body))


def number(value: float | int | None, digits: int = 3) -> str:
    """A number for a reader: integers with thousands separators, others with `digits` significant digits."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    if 10**digits <= abs(value) < 1e15:
        return f"{value:,.0f}"
    text = f"{value:.{digits}g}"
    return power(value, digits) if "e" in text else text


def span(low: float, high: float, unit: str) -> str:
    """A range in three digits, or the one number that both of its ends are: 67.7 to 97.3 MWh."""
    shown = [f"{end:,.0f}" if end >= 100 else f"{end:.3g}" for end in (low, high)]
    return f"{' to '.join(dict.fromkeys(shown))} {unit}"


def power(value: float, digits: int = 3) -> str:
    """A number of any size as a power of ten: 5.94e22 becomes 5.94 × 10²²."""
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def count(value: float) -> str:
    """A large count in three digits and a suffix: 3,030,371,328 becomes 3.03B."""
    return _scaled(value, ("", "k", "M", "B", "T"), 1000, "")


def size(value: float) -> str:
    """A number of bytes in decimal units, as the paper counts them: 1,500,000 becomes 1.50 MB."""
    return _scaled(value, ("B", "kB", "MB", "GB", "TB", "PB"), 1000, " ")


def percent(fraction: float, digits: int = 1) -> str:
    """A fraction (0 to 1) as a percentage: 0.1234 becomes 12.3%."""
    return f"{100 * fraction:.{digits}f}%"


def duration(seconds: float) -> str:
    """A time span in its two largest units: 0.5 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ticks(axis: Axis, text: Callable[[float], str]) -> None:
    """Label the ticks of `ax.xaxis` or `ax.yaxis` with one of this module's functions, such as `size`.

    A tick is a round number, so zeros after the point go: 1.50 MB becomes 1.5 MB, and 2.00k becomes 2k.
    """

    def label(value: float, _: int) -> str:
        full = text(value)
        return re.sub(r"\.?0+(?=\D*$)", "", full) if "." in full else full

    axis.set_major_formatter(FuncFormatter(label))


def _scaled(value: float, units: Sequence[str], base: int, space: str) -> str:
    scaled, exponent = float(value), 0
    while abs(scaled) >= base * (1 - 0.0005) and exponent < len(units) - 1:
        scaled, exponent = scaled / base, exponent + 1
    if exponent == 0:
        return (
            f"{scaled:.0f}{space}{units[0]}".rstrip()
            if scaled.is_integer()
            else f"{scaled:.3g}{space}{units[0]}".rstrip()
        )
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f}{space}{units[exponent]}"


def _numeric(cell: str) -> bool:
    return cell.lstrip("-−–+")[:1].isdigit() or cell in ("", "–")


def _points(artist: Any) -> int:
    if isinstance(artist, Line2D):
        return len(artist.get_xydata())  # type: ignore[arg-type]
    paths = artist.get_paths()
    return max(len(artist.get_offsets()), sum(len(path.vertices) for path in paths) if paths else 0)
