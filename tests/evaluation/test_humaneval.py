from sc2lib.evaluation.humaneval import STOP_STRINGS, load_problems
from sc2lib.model.generation import Continuation
from sc2lib.model.stop_strings import StopStrings


def test_there_are_164_problems_and_every_prompt_ends_with_a_newline():
    problems = load_problems()
    assert len(problems) == 164
    assert problems[0].task_id == "HumanEval/0" and problems[-1].task_id == "HumanEval/163"
    assert all(problem.prompt.endswith("\n") for problem in problems)


def test_a_few_problems_are_spread_evenly():
    assert [problem.task_id for problem in load_problems(4)] == [
        "HumanEval/0",
        "HumanEval/41",
        "HumanEval/82",
        "HumanEval/123",
    ]
    assert len(load_problems(1000)) == 164


def ended(tokenizer, text):
    """The text up to the first stop string, as after a generation."""
    tokens = tokenizer.encode(text)
    stop = StopStrings(STOP_STRINGS, tokenizer)
    for count in range(1, len(tokens) + 1):
        if stop(tokens[:count]):
            return stop.cut(Continuation(tokens[:count], "stop", [])).text
    return stop.cut(Continuation(tokens, "length", [])).text


def test_a_completion_ends_before_the_next_top_level_statement(tokenizer):
    body = "    return 1\n\n    # inner\n    if x:\n        print(x)\n"
    assert ended(tokenizer, body) == body
    assert ended(tokenizer, body + "\n\ndef other():\n    pass") == body + "\n"
    assert ended(tokenizer, body + "\nprint(f())") == body
    assert ended(tokenizer, "    return 1<file_sep>rest") == "    return 1"


def test_no_canonical_solution_is_cut(tokenizer):
    solutions = {problem.task_id: problem.canonical_solution for problem in load_problems()}
    assert [name for name, solution in solutions.items() if ended(tokenizer, solution) != solution] == []
