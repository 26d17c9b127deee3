from sc2lib.evaluation.humaneval import load_problems, stopped, truncate


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


def test_a_completion_ends_before_the_next_top_level_statement():
    body = "    return 1\n\n    # inner\n    if x:\n        print(x)\n"
    assert truncate(body) == body
    assert truncate(body + "\n\ndef other():\n    pass") == body + "\n"
    assert truncate(body + "\nprint(f())") == body
    assert truncate("    return 1<file_sep>rest") == "    return 1"
    assert stopped(body + "\nclass A") and not stopped(body)


def test_no_canonical_solution_is_cut():
    cut = [problem.task_id for problem in load_problems() if stopped(problem.canonical_solution)]
    assert cut == []
