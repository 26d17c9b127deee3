"""Pictures of documents: every sentinel is drawn, text is cut where it says."""

from sc2lib.documents import pictures
from sc2lib.documents.notebooks import Cell


def test_long_text_is_cut_and_counted():
    assert pictures.shortened("a\n\nbbbbbb\nc\nd\n", lines=2, columns=4) == ["a", "bbb…", "[2 more lines]"]
    assert pictures.shortened("\n", 3, 10) == []


def test_rows_are_labels_and_lines():
    rows = pictures.layout([("<jupyter_start>", ""), (None, "x"), ("<jupyter_code>", "y\nz")], 5, 20)
    assert rows == [
        ("<jupyter_start>", "<jupyter_start>"),
        ("x", None),
        ("<jupyter_code>",) * 2,
        ("y", None),
        ("z", None),
    ]


def test_drawing_places_every_row_and_reads_no_mathematics():
    figure = pictures.draw({"A": [("<file_sep>", "cost = $5 and $6\n<unknown>")], "B": [("code cell", "")]})
    left, right = figure.axes
    assert [text.get_text() for text in left.texts] == ["<file_sep>", "cost = $5 and $6", "<unknown>"]
    assert [text.get_text() for text in right.texts] == ["code cell"]
    assert not any(text.get_parse_math() for text in left.texts)
    assert left.get_ylim() == right.get_ylim() == (3, -1)
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("A", "B")


def test_a_notebook_stands_beside_its_document():
    cells = [Cell("markdown", "# Title"), Cell("code", "x = 1"), Cell("code", "y = 2")]
    segments = [{"token": "<jupyter_text>", "text": "# Title"}, {"token": "<jupyter_code>", "text": "x = 1"}]
    left, right = pictures.cells_and_segments(cells, segments, first=1).axes
    assert [text.get_text() for text in left.texts] == ["Markdown cell", "# Title", "code cell", "x = 1"]
    assert [text.get_text() for text in right.texts] == ["<jupyter_text>", "# Title"]


def test_lengths_are_counted_by_language():
    rows = [{"length_bytes": n, "files": [{"language": name}]} for n, name in ((150, "A"), (9000, "B"), (9000, "A"))]
    (ax,) = pictures.documentation_sizes(rows).axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["A (2)", "B (1)"]
    assert max(bar.get_y() + bar.get_height() for bar in ax.patches) == 2
    assert not pictures.documentation_sizes([]).axes[0].patches
