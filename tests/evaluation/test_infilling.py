import ast
import inspect

import pyarrow as pa
import pytest

from sc2lib.errors import InputError
from sc2lib.evaluation.completion import Completion
from sc2lib.evaluation.document_files import DOCUMENT_FILES
from sc2lib.evaluation.infilling import KINDS, excerpt, make_tasks, score


@pytest.fixture(scope="module")
def files():
    sources = {"Python": [ast, inspect, pa], "C": [pytest]}
    rows = [
        {"blob_id": f"{index:040x}", "language": language, "text": inspect.getsource(module)}
        for language, modules in sources.items()
        for index, module in enumerate(modules, 1 if language == "Python" else 9)
    ]
    return pa.Table.from_pylist(rows, DOCUMENT_FILES)


def test_the_three_parts_are_the_file(files):
    texts = dict(zip(files["blob_id"].to_pylist(), files["text"].to_pylist()))
    for task in make_tasks(files, 5, seed=1):
        assert task.prefix + task.middle + task.suffix == texts[task.blob_id]
        assert task.middle.strip()


def test_tasks_are_limited_by_language_and_kind_and_repeat_for_a_seed(files):
    tasks = make_tasks(files, 2, seed=1)
    counts = {(language, kind): 0 for language in ("C", "Python") for kind in KINDS}
    for task in tasks:
        counts[task.language, task.kind] += 1
    assert counts == {
        ("C", "single_line"): 1,
        ("C", "random_span"): 1,
        ("Python", "single_line"): 2,
        ("Python", "random_span"): 2,
    }
    assert tasks == make_tasks(files, 2, seed=1) == make_tasks(files.take([3, 2, 1, 0]), 2, seed=1)
    assert tasks != make_tasks(files, 2, seed=2)
    assert {task.language for task in make_tasks(files, 2, seed=1, languages=["C"])} == {"C"}


def test_files_without_room_for_a_hole_are_named():
    rows = [{"blob_id": name * 40, "language": "C", "text": "int a;"} for name in "ab"]
    with pytest.raises(InputError, match="none of 2 held-out files has room for a hole of the kind single_line or"):
        make_tasks(pa.Table.from_pylist(rows, DOCUMENT_FILES), 5, seed=1)


def test_a_single_line_is_one_whole_line(files):
    for task in make_tasks(files, 5, seed=3):
        if task.kind == "single_line":
            assert "\n" not in task.middle
            assert task.prefix.endswith("\n") or not task.prefix
            assert task.suffix.startswith("\n") or not task.suffix


def test_scores_are_those_of_the_stripped_texts(files):
    task = next(task for task in make_tasks(files, 1, seed=5) if task.kind == "single_line")
    table = score([task, task], [Completion(task.middle + "\n", 3, True, 0), Completion("", 1, False, 0)])
    assert table["exact_match"].to_pylist() == [True, False]
    assert table["indel_similarity"].to_pylist() == [1.0, 0.0]
    assert 0 <= table["baseline_similarity"][0].as_py() < 1


def test_an_excerpt_is_one_line_of_code_that_fits_a_table():
    assert excerpt("  if x:\n        `y`\n") == "`if x: ⏎ ′y′`"
    assert excerpt(" \n") == "(empty)"
    assert len(excerpt("x" * 500)) == 62
