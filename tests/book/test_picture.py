"""The picture of the pipeline: one box a stage, nothing outside its frame."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from sc2lib.book import landing, picture
from sc2lib.book.assembly import stages

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def test_every_stage_has_a_box_that_fits() -> None:
    boxes = landing.boxes(stages(ROOT), {}, pages="notebooks/")
    root = ElementTree.fromstring(picture.draw(boxes))
    _, _, width, height = map(float, root.get("viewBox", "").split())
    frames = list(root.iter(f"{SVG}rect"))
    assert len(frames) == len(boxes) == 18
    for frame in frames:
        x, y, w, h = (float(frame.get(name, "nan")) for name in ("x", "y", "width", "height"))
        assert min(x, y) >= 0 and x + w <= width and y + h <= height
    links = [link.get("href") for link in root.iter(f"{SVG}a")]
    assert links == [f"notebooks/{stage}.html" for stage in stages(ROOT)]


def test_long_names_wrap_and_stay_above_the_numbers() -> None:
    for box in landing.boxes(stages(ROOT), {}):
        lines = picture._wrap(f"{box.number} {box.name}")
        assert len(lines) <= 3 and max(map(len, lines)) <= 16, lines


def test_text_is_escaped() -> None:
    drawn = picture.draw([picture.Box("01", "a<b", "R&D", value="<1 MB")])
    assert "a&lt;b" in drawn and "R&amp;D" in drawn
    ElementTree.fromstring(drawn)


def test_the_readme_shows_the_present_chapters() -> None:
    """Made by: python -m sc2lib.book"""
    drawn = (ROOT / "book" / "_static" / "pipeline.svg").read_text(encoding="utf-8")
    assert drawn == picture.draw(landing.boxes(stages(ROOT), {}), standalone=True)
    assert len(drawn) < 100_000 and not re.search(r"https?://(?!www\.w3\.org)", drawn)
