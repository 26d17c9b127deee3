"""Documentation: real package descriptions, and which files count as pages."""

import importlib.metadata

import pytest

from sc2lib.documents import documentation
from sc2lib.documents.documentation import Page


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/numpy-2.4.6.dist-info/METADATA", True),
        ("/x.egg-info/PKG-INFO", True),
        ("/PKG-INFO", True),
        ("/src/METADATA", False),
        ("/numpy-2.4.6.dist-info/RECORD", False),
    ],
)
def test_descriptions_are_found_by_name(path, expected):
    assert documentation.is_description(path) is expected


@pytest.mark.parametrize(
    ("path", "language", "expected"),
    [
        ("/docs/install.md", "Markdown", True),
        ("/project/Documentation/power/index.rst", "reStructuredText", True),
        ("/share/man/man1/ipython.1", "Roff", True),
        ("/docs/conf.py", "Python", False),
        ("/docs/data.txt", None, False),
        ("/README.md", "Markdown", False),
        ("/docs.md", "Markdown", False),
        ("/x.dist-info/licenses/docs/LICENSE.txt", "Text", False),
    ],
)
def test_pages_lie_in_a_documentation_folder(path, language, expected):
    assert documentation.is_page(path, language) is expected


@pytest.mark.parametrize(
    ("name", "language"), [("papermill", None), ("pytest", "reStructuredText"), ("tqdm", None), ("numpy", "Markdown")]
)
def test_real_descriptions_hold_no_header(metadata_file, name, language):
    metadata = metadata_file(name)
    found, text = documentation.description(metadata)
    assert language in (None, found)
    assert len(text) > 500
    assert "Metadata-Version:" not in text
    assert "Author-email:" not in text
    assert text.strip() in metadata


def test_old_metadata_keeps_the_description_in_a_header():
    old = "Metadata-Version: 1.1\nName: x\nDescription: Title\n        =====\n        \n        Text.\nPlatform: any\n"
    assert documentation.description(old) == ("reStructuredText", "Title\n=====\n\nText.")
    bars = "Metadata-Version: 1.2\nName: x\nDescription: Title\n       |Text.\n"
    assert documentation.description(bars)[1] == "Title\nText."


@pytest.mark.parametrize("body", ["", "\nUNKNOWN\n"])
def test_no_description_is_empty(body):
    assert documentation.description(f"Metadata-Version: 2.1\nName: x\n{body}")[1].strip() == ""


def test_markdown_loses_comments_and_badges():
    text = (
        "# T\n[![ci](https://x/b.svg)](https://x) ![pypi](y)\n<!-- hidden\n-->\n\n\n\nSee ![figure](f.png) here.  \r\n"
    )
    assert documentation.clean(text, "Markdown") == "# T\n\nSee ![figure](f.png) here."


def test_restructuredtext_loses_badges():
    text = "Title\n=====\n.. image:: https://x/b.svg\n   :target: https://x\n.. |a| image:: y\n\nText::\n\n  code\n"
    assert documentation.clean(text, "reStructuredText") == "Title\n=====\n\nText::\n\n  code"


def test_a_manual_page_becomes_its_words():
    text = '.\\" comment\n.TH LS 1\n.SH NAME\nls \\- \\fBlist\\fR "x"\n.SS "Exit status"\n.B \\-a\n'
    assert documentation.clean(text, "Roff") == 'LS 1\n# NAME\nls - list "x"\n## Exit status\n-a'


def test_a_real_manual_page():
    file = next(f for f in importlib.metadata.files("ipython") if str(f).endswith("ipython.1"))
    cleaned = documentation.clean(file.locate().read_text(), "Roff")
    assert "# NAME" in cleaned
    assert not any(line.startswith(".") for line in cleaned.split("\n"))


def test_a_document_puts_the_description_first_and_traces_each_page():
    pages = [
        Page("b" * 40, "/docs/a.md", "Markdown", "permissive", "page a"),
        Page("a" * 40, "/x.dist-info/METADATA", "Markdown", "no_license", "what it is"),
    ]
    document = documentation.document("pypi/x", pages, "train")
    assert document.segments == [(None, "what it is\n"), (None, "\n\npage a\n")]
    assert [(file.path, file.segment) for file in document.files] == [("/x.dist-info/METADATA", 0), ("/docs/a.md", 1)]
    assert document == documentation.document("pypi/x", pages[::-1], "train")
