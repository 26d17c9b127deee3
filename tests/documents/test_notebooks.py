"""Notebooks: against jupytext and nbformat on real files, and the paper's rules one by one."""

import json

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.documents import notebooks
from sc2lib.documents.notebooks import Cell, Notebook, NotebookError


def make(*cells, language="python"):
    return Notebook(language, tuple(cells))


def text(source):
    return Cell("markdown", source)


def code(source, output=""):
    return Cell("code", source, output)


def test_real_notebooks_parse_as_nbformat_reads_them(installed_notebooks):
    compared = 0
    for content in installed_notebooks.values():
        expected = nbformat.reads(content, as_version=4)
        sources = [cell.source for cell in expected.cells if cell.source.strip() and cell.cell_type != "raw"]
        if not sources:
            continue
        assert [cell.source for cell in notebooks.parse(content).cells] == sources
        compared += 1
    assert compared >= 15


def test_real_scripts_read_back_by_jupytext_hold_the_same_cells(installed_notebooks):
    jupytext = pytest.importorskip("jupytext")
    content = installed_notebooks["notebooks.ipynb"]
    ((_, script),) = notebooks.script(notebooks.parse(content))
    cells = [cell for cell in jupytext.reads(script, "py:light").cells if cell.source.strip()]
    kinds = {cell.cell_type for cell in cells}
    assert kinds == {"markdown", "code"}
    joined = {kind: " ".join(c.source for c in cells if c.cell_type == kind).split() for kind in kinds}
    parsed = notebooks.parse(content).cells
    for kind in kinds:
        assert joined[kind] == " ".join(cell.source for cell in parsed if cell.kind == kind).split()


def compiles(source):
    try:
        compile(source, "notebook", "exec")
    except SyntaxError:
        return False
    return True


def test_a_real_script_compiles_exactly_when_its_cells_do(installed_notebooks):
    outcomes = []
    for content in installed_notebooks.values():
        try:
            notebook = notebooks.parse(content)
            ((_, script),) = notebooks.script(notebook)
        except NotebookError:
            continue
        codes = [cell.source for cell in notebook.cells if cell.kind == "code" and cell.source[:1] not in "%!"]
        outcomes.append(compiles(script))
        assert outcomes[-1] == all(map(compiles, codes))
    assert sum(outcomes) >= 15


def test_structured_merges_neighbours_and_keeps_the_last_output():
    found = notebooks.structured(
        make(text("# A"), text("b"), code("x = 1", "dropped"), code("x", "1"), text("c"), code("y = 2"))
    )
    assert found == [
        ("<jupyter_start>", ""),
        ("<jupyter_text>", "# A\n\nb"),
        ("<jupyter_code>", "x = 1\n\nx"),
        ("<jupyter_output>", "1"),
        ("<jupyter_text>", "c"),
        ("<jupyter_code>", "y = 2"),
        ("<jupyter_output>", ""),
        ("<empty_output>", ""),
    ]


def test_structured_drops_code_before_the_first_and_markdown_after_the_last():
    found = notebooks.structured(make(code("import os"), text("a"), code("b"), text("the end")))
    assert [segment for segment in found if segment[1]] == [("<jupyter_text>", "a"), ("<jupyter_code>", "b")]


@given(st.lists(st.sampled_from(["markdown", "code"]), min_size=1, max_size=12), st.booleans())
def test_structured_is_triplets_for_every_order_of_cells(kinds, printed):
    cells = [Cell(kind, f"{kind} {index}", "out" if printed else "") for index, kind in enumerate(kinds)]
    try:
        segments = notebooks.structured(make(*cells))
    except NotebookError as error:
        assert error.reason == "no_triplet"
        assert "markdown,code" not in ",".join(kinds)
        return
    tokens = [token for token, _ in segments]
    triplet = ["<jupyter_text>", "<jupyter_code>", "<jupyter_output>"] + ([] if printed else ["<empty_output>"])
    assert tokens[0] == "<jupyter_start>"
    assert tokens[1:] == triplet * ((len(tokens) - 1) // len(triplet))
    start = kinds.index("markdown")
    last = len(kinds) - kinds[::-1].index("code")
    kept = "\n\n".join(text for _, text in segments if text and text != "out")
    assert kept == "\n\n".join(cell.source for cell in cells[start:last])


@pytest.mark.parametrize(
    ("notebook", "form", "reason"),
    [
        (make(text("a"), code("b"), language="r"), notebooks.structured, "not_python"),
        (make(text("a"), code("b"), language=None), notebooks.structured, "not_python"),
        (make(text("a")), notebooks.structured, "no_triplet"),
        (make(code("a"), text("b")), notebooks.structured, "no_triplet"),
        (make(text("a")), notebooks.script, "notebook_without_code"),
        (make(code("a"), language=None), notebooks.script, "unknown_language"),
        (make(code("a"), language="brainfuck"), notebooks.script, "unknown_language"),
    ],
)
def test_what_has_no_form_says_why(notebook, form, reason):
    with pytest.raises(NotebookError) as caught:
        form(notebook)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not json", "invalid_notebook"),
        ("[]", "invalid_notebook"),
        ("{}", "invalid_notebook"),
        ('{"cells": [{"source": "x"}]}', "invalid_notebook"),
        ('{"cells": 3}', "invalid_notebook"),
        ('{"cells": [{"cell_type": "code", "source": 7}]}', "invalid_notebook"),
        ("[" * 100_000, "invalid_notebook"),
        ('{"cells": []}', "empty_notebook"),
        ('{"cells": [{"cell_type": "code", "source": " \\n"}]}', "empty_notebook"),
    ],
)
def test_a_broken_notebook_says_why(content, reason):
    with pytest.raises(NotebookError) as caught:
        notebooks.parse(content)
    assert caught.value.reason == reason


def test_format_3_has_worksheets_inputs_and_headings():
    content = {
        "metadata": {"language": "python"},
        "nbformat": 3,
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "source": ["Title"]},
                    {"cell_type": "code", "input": ["x = 1\n", "x"], "outputs": [{"text": ["1"]}]},
                ]
            }
        ],
    }
    parsed = notebooks.parse(json.dumps(content))
    assert parsed == make(text("## Title"), code("x = 1\nx", "1"))


@pytest.mark.parametrize(
    ("metadata", "language"),
    [
        ({"language_info": {"name": "Python"}}, "python"),
        ({"kernelspec": {"language": "julia", "name": "julia-1.9"}}, "julia"),
        ({"kernelspec": {"name": "conda-env-py310"}}, "python"),
        ({"language_info": {"name": "ipython"}}, "python"),
        ({"kernelspec": {"name": "ir"}}, None),
        ({}, None),
    ],
)
def test_language_comes_from_the_metadata(metadata, language):
    content = {"metadata": metadata, "cells": [{"cell_type": "code", "source": "1", "outputs": []}]}
    assert notebooks.parse(json.dumps(content)).language == language


def test_output_is_the_text_of_the_first_output_at_most_1000_characters():
    def parsed(*outputs):
        content = {"metadata": {}, "cells": [{"cell_type": "code", "source": "1", "outputs": list(outputs)}]}
        return notebooks.parse(json.dumps(content)).cells[0].output

    assert parsed({"output_type": "stream", "text": ["a\n", "b"]}, {"output_type": "stream", "text": "c"}) == "a\nb"
    assert parsed({"output_type": "execute_result", "data": {"text/plain": ["3"], "text/html": "x"}}) == "3"
    assert parsed({"output_type": "display_data", "data": {"image/png": "AAAA"}}) == ""
    assert parsed({"text": "x" * 1000}) == "x" * 1000
    assert parsed({"text": "x" * 1001}) == "x" * 1000 + "[...]"


def test_magics_and_markdown_become_comments():
    notebook = make(text("Say\n\nwhy"), code("%matplotlib inline\n!ls\nx = 5 % 3"), code("%%bash\nls"))
    assert notebooks.script(notebook) == [
        ("<jupyter_script>", "# Say\n#\n# why\n\n# %matplotlib inline\n# !ls\nx = 5 % 3\n\n# %%bash\n# ls\n")
    ]


def test_a_sentinel_in_a_cell_stays_text():
    found = notebooks.structured(make(text("<jupyter_code>"), code("print('<|endoftext|>')")))
    assert [token for token, _ in found].count("<jupyter_code>") == 1
    assert found[1] == ("<jupyter_text>", "<jupyter_code>")
