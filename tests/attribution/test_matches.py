import inspect
import textwrap

import matplotlib
import numpy as np
import pyarrow as pa
import pytest

from sc2lib import figures
from sc2lib.attribution.index import INDEXED, Index, Source, Span, build_part
from sc2lib.attribution.matches import MATCHES, covered, described, find_matches, longest_matches
from sc2lib.attribution.picture import draw_spans, shared_runs
from sc2lib.attribution.winnowing import Guarantee

matplotlib.use("agg")


def span(start, end):
    return Span(start, end, 30, (Source("swh:1:cnt:0", "someone/project", "/a.py", "permissive", ("MIT",), 3, 9),))


def test_a_row_for_each_place(tmp_path):
    text = inspect.getsource(textwrap)
    row = {"content_id": "c", "path": "/m.py", "license_type": "permissive", "detected_licenses": ["MIT"], "text": text}
    rows = [row | {"blob_id": name, "repo_name": name} for name in ("one", "two")]
    build_part(tmp_path / "part-00000", pa.Table.from_pylist(rows, INDEXED), Guarantee(8, 24))
    query = inspect.getsource(textwrap.indent)
    table = find_matches(Index.open(tmp_path), [("nothing", "a b c"), ("indent", query)])
    assert table.schema.equals(MATCHES)
    assert table["query"].to_pylist() == ["indent", "indent"]
    assert table["repo_name"].to_pylist() == ["one", "two"]
    assert table["swhid"].to_pylist() == ["swh:1:cnt:c"] * 2
    assert query[table["start"][0].as_py() : table["end"][0].as_py()] == query.strip()


def test_overlapping_spans_are_covered_once():
    assert covered([span(0, 10), span(5, 20)], 40) == 0.5
    assert covered([span(30, 40), span(0, 10), span(2, 4)], 40) == 0.5
    assert covered([], 40) == covered([], 0) == 0.0


@pytest.mark.parametrize("spans", [[], [span(4, 17), span(17, 21)]])
def test_a_picture_marks_the_characters_of_each_span(spans):
    text = "a = 1\n\tfor x in y:\n    pass\n"
    figure = draw_spans(text, spans)
    (axes,) = figure.axes
    characters = [entry.get_text() for entry in axes.texts]
    assert "".join(characters) == "".join(text.split())
    shaded = sorted((round(bar.get_y()), bar.get_x(), bar.get_width()) for bar in axes.patches)
    assert shaded == ([(0, 4, 1), (1, 4, 10), (1, 14, 1), (2, 4, 0)][: len(spans) and 3])
    assert figures.svg(figure, "fig-test")


def test_the_longest_match_of_each_query_comes_first():
    shown = ("query", "tokens", "repo_name", "path")
    places = [
        ("a", 30, "r", "/1"),
        ("b", 50, "s", "/2"),
        ("b", 50, "r", "/3"),
        ("b", 24, "a", "/4"),
        ("c", 24, "r", "/5"),
    ]
    rest = {"licenses": [], "license_type": "no_license", "swhid": "swh:1:cnt:0", "first_line": 3, "last_line": 9}
    table = pa.Table.from_pylist([dict(zip(shown, place)) | rest for place in places], MATCHES)
    found = longest_matches(table, 2)
    assert [(row["query"], row["path"]) for row in found] == [("b", "/3"), ("a", "/1")]
    assert described(found[0]) == ("r /3<br>`swh:1:cnt:0`", "3–9", 50, "no_license")
    assert longest_matches(MATCHES.empty_table(), 2) == []


def test_shares_fall_with_the_length_of_the_run():
    axes = shared_runs({"copied": np.array([30, 30]), "own": np.array([0, 26, 0, 0])}, 24, 30).axes[0]
    copied, own = (line.get_ydata() for line in axes.lines)
    assert list(copied) == [100] * 7 and list(own) == [25, 25, 25, 0, 0, 0, 0]
