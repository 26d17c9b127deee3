"""Figures: readable on both themes, told apart by every reader, the same bytes each time."""

import itertools
import math
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib import figures
from sc2lib.errors import ParameterError

LIGHT, DARK = "#ffffff", "#14181e"
# Machado, Oliveira and Fernandes 2009: severity 1.0, linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(color: str) -> np.ndarray:
    encoded = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def contrast(color: str, page: str) -> float:
    low, high = sorted(float(linear(c) @ [0.2126, 0.7152, 0.0722]) for c in (color, page))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = matrix @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("color", [*figures.COLORS, figures.GREY])
@pytest.mark.parametrize("page", [LIGHT, DARK])
def test_every_colour_reads_on_both_pages(color: str, page: str) -> None:
    assert contrast(color, page) >= 3


@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart_for_every_kind_of_vision(vision: str) -> None:
    seen = [lab(VISION[vision] @ linear(color)) for color in figures.COLORS]
    assert min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2)) > 20


def picture(points: int = 10) -> str:
    fig, ax = figures.new(aspect=0.5)
    ax.plot(np.arange(points), np.arange(points) ** 2, label="square")
    ax.set_xlabel("tokens")
    ax.legend()
    return figures.svg(fig, "fig-test")


def test_the_same_figure_gives_the_same_bytes_whatever_the_global_style() -> None:
    first = picture()
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.facecolor": "red"}):
        assert picture() == first
    assert "<dc:date>" not in first


def test_the_background_is_transparent() -> None:
    root = ElementTree.fromstring(picture())
    patch = next(e for e in root.iter() if e.get("id") == "patch_1")
    assert all("fill: none" in path.get("style", "") for path in patch)


def test_large_clouds_are_stored_as_pixels() -> None:
    assert "<image" not in picture(points=100)
    large = picture(points=100_000)
    assert "<image" in large and len(large) < 400_000


def test_panels_and_widths() -> None:
    fig, axes = figures.new(width=0.5, aspect=1.0, rows=2, columns=1)
    assert axes.shape == (2,)
    width, height = fig.get_size_inches()
    assert width == pytest.approx(figures.TEXT_WIDTH / 2) and height == pytest.approx(2 * width)
    with pytest.raises(ParameterError, match="width is a fraction"):
        figures.new(width=7)


def test_show_carries_name_and_caption(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[object, dict]] = []
    monkeypatch.setattr(
        "IPython.display.display", lambda item, metadata=None, raw=False: shown.append((item, metadata))
    )
    fig, ax = figures.new()
    ax.plot([1, 2])
    figures.show(fig, "Loss falls. ", name="fig-loss")
    (picture_data, metadata), (caption, marker) = shown
    assert picture_data["image/svg+xml"].lstrip().startswith("<?xml")  # type: ignore[index]
    assert metadata == {"sc2_figure": {"name": "fig-loss", "caption": "Loss falls."}}
    assert caption.data == "*Loss falls.*" and marker == {"sc2_caption": "fig-loss"}  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match="fig-"):
        figures.show(fig, "caption", name="loss")


def test_table() -> None:
    shown = figures.table(["language", "files", "share"], [["C|C++", 1234, "12%"], ["Python", 5, "88%"]])
    assert shown.data.splitlines() == [
        "| language | files | share |",
        "| :-- | --: | --: |",
        "| C\\|C++ | 1,234 | 12% |",
        "| Python | 5 | 88% |",
    ]
    with pytest.raises(ParameterError, match="2 columns"):
        figures.table(["a", "b"], [["only one"]])


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (figures.number, 1234567, "1,234,567"),
        (figures.number, 0.123456, "0.123"),
        (figures.number, 12345.6, "12,346"),
        (figures.number, 9.568e-05, "9.57 × 10⁻⁵"),
        (figures.number, None, "–"),
        (figures.number, True, "yes"),
        (figures.power, 5.94e22, "5.94 × 10²²"),
        (figures.power, 0.00012345, "1.23 × 10⁻⁴"),
        (figures.count, 3_030_371_328, "3.03B"),
        (figures.count, 999, "999"),
        (figures.count, 999_999, "1.00M"),
        (figures.count, 12_345, "12.3k"),
        (figures.size, 1_500_000, "1.50 MB"),
        (figures.size, 0, "0 B"),
        (figures.percent, 0.1234, "12.3%"),
        (figures.duration, 0.5, "0.5 s"),
        (figures.duration, 59.6, "1 min 0 s"),
        (figures.duration, 200, "3 min 20 s"),
        (figures.duration, 7500, "2 h 5 min"),
    ],
)
def test_formats(function, value, text: str) -> None:
    assert function(value) == text


@given(st.floats(min_value=1, max_value=9e14))
def test_count_keeps_three_digits(value: float) -> None:
    text = figures.count(value)
    scale = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    read = float(text[:-1]) * scale[text[-1]] if text[-1] in scale else float(text)
    assert math.isclose(read, value, rel_tol=0.0051)


@pytest.mark.parametrize(
    ("text", "value", "label"),
    [
        (figures.size, 1_000_000, "1 MB"),
        (figures.size, 1_500_000, "1.5 MB"),
        (figures.size, 0, "0 B"),
        (figures.count, 20_000, "20k"),
        (figures.count, 100_000, "100k"),
        (figures.number, 1_000, "1,000"),
        (figures.percent, 0.5, "50%"),
    ],
)
def test_ticks_are_round(text, value: float, label: str) -> None:
    _, ax = figures.new()
    ax.plot([0, 2e6], [0, 1])
    figures.ticks(ax.xaxis, text)
    assert ax.xaxis.get_major_formatter()(value, 0) == label


def test_a_span_is_one_number_where_its_ends_are():
    assert figures.span(67.74, 97.3, "MWh") == "67.7 to 97.3 MWh"
    assert figures.span(1234.5, 1234.5, "t") == "1,234 t" and figures.span(3.39, 245.4, "t") == "3.39 to 245 t"
