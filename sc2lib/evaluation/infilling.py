"""Fill-in-the-middle on held-out files: cut something out, let the model write it from both sides.

Two kinds of holes: a whole line, as in SantaCoder's benchmark and the paper's section 7.8, and a span between two
characters, as in training.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sc2lib.errors import InputError
from sc2lib.evaluation.completion import Completion, complete
from sc2lib.evaluation.text_metrics import exact_match, indel_similarity, levenshtein_similarity
from sc2lib.files import write_parquet
from sc2lib.model.infilling import infilling_prompt
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer

KINDS = ("single_line", "random_span")
LINE_CHARACTERS = (4, 120)  # of the hole, white space at its ends not counted
SPAN_CHARACTERS = (10, 100)


@dataclass(frozen=True)
class Task:
    """A file with a hole: ``prefix + middle + suffix`` is the file."""

    task_id: str
    blob_id: str
    language: str
    kind: str
    prefix: str
    middle: str
    suffix: str


INFILLING = pa.schema(
    [
        *((name, pa.string()) for name in ("task_id", "blob_id", "language", "kind", "middle", "generated")),
        *((name, pa.bool_()) for name in ("exact_match", "finished")),
        *((name, pa.float64()) for name in ("indel_similarity", "levenshtein_similarity", "baseline_similarity")),
    ]
)


def make_tasks(files: pa.Table, per_language: int, seed: int, languages: Sequence[str] | None = None) -> list[Task]:
    """Up to `per_language` tasks of each kind and language from DOCUMENT_FILES, one of a kind per file.

    Which files and where the holes are depends on the seed and each file's blob_id only. `languages` None takes all.
    Raises InputError when no file has room for a hole of one of the kinds.
    """
    columns = ("blob_id", "language", "text")
    rows = {row[0]: row for row in zip(*(files[name].to_pylist() for name in columns))}
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for row in rows.values():
        if row[1] is not None and (languages is None or row[1] in languages):
            groups.setdefault(row[1], []).append(row)
    tasks = []
    for language in sorted(groups):
        shuffled = sorted(groups[language], key=lambda row: (_generator(seed, row[0]).random(), row[0]))
        for kind in KINDS:
            found = (task for row in shuffled if (task := _task(row, kind, seed)) is not None)
            tasks += [task for task, _ in zip(found, range(per_language))]
    if missing := [kind for kind in KINDS if kind not in {task.kind for task in tasks}]:
        raise InputError(
            f"none of {len(rows):,} held-out files has room for a hole of the kind {' or '.join(missing)}; give a "
            "source with more files"
        )
    return tasks


def score(tasks: Sequence[Task], completions: Sequence[Completion]) -> pa.Table:
    """INFILLING rows: what was cut out, what was written instead, and how near it is.

    `baseline_similarity` is the Indel similarity of a model that repeats the line before the hole: a number to beat.
    """
    rows = []
    for task, completion in zip(tasks, completions, strict=True):
        text, middle = completion.text.strip(), task.middle.strip()
        known = {name: value for name, value in asdict(task).items() if name in INFILLING.names}
        rows.append(
            known
            | {
                "generated": completion.text,
                "finished": completion.finished,
                "exact_match": exact_match(text, middle),
                "indel_similarity": indel_similarity(text, middle),
                "levenshtein_similarity": levenshtein_similarity(text, middle),
                "baseline_similarity": indel_similarity(_line_before(task), middle),
            }
        )
    return pa.Table.from_pylist(rows, schema=INFILLING)


def write_infilling(
    path: Path, model: Starcoder2, tokenizer: Tokenizer, tasks: Sequence[Task], context: int, **options: Any
) -> None:
    """Fill the holes and write the INFILLING rows: one resumable part of a table. `options` go to `complete`."""
    prompts = [infilling_prompt(tokenizer, task.prefix, task.suffix, context) for task in tasks]
    completions = complete(model, tokenizer, prompts, **options)
    write_parquet(path, score(tasks, completions))


def excerpt(text: str, characters: int = 60) -> str:
    """The start of a text as one line of inline code for a Markdown table."""
    line = " ⏎ ".join(part.strip() for part in text.strip().splitlines())[:characters].replace("`", "′").strip()
    return f"`{line}`" if line else "(empty)"


def _generator(seed: int, blob_id: str, kind: str = "") -> np.random.Generator:
    return np.random.default_rng([seed, int(blob_id[:15], 16), *kind.encode()])


def _task(row: tuple[str, str, str], kind: str, seed: int) -> Task | None:
    blob_id, language, text = row
    random = _generator(seed, blob_id, kind)
    if kind == "single_line":
        lines, holes, start = text.split("\n"), [], 0
        for line in lines:
            length = len(line.strip())
            if LINE_CHARACTERS[0] <= length <= LINE_CHARACTERS[1] and any(map(str.isalnum, line)):
                holes.append((start, start + len(line)))
            start += len(line) + 1
        if len(holes) < 2:  # a file of one line has no context
            return None
        start, end = holes[random.integers(len(holes))]
    else:
        shortest, longest = SPAN_CHARACTERS
        if len(text) < 4 * shortest:
            return None
        length = int(random.integers(shortest, min(longest, len(text) // 2) + 1))
        start = int(random.integers(0, len(text) - length + 1))
        end = start + length
        if not text[start:end].strip():
            return None
    return Task(f"{blob_id}:{kind}:{start}", blob_id, language, kind, text[:start], text[start:end], text[end:])


def _line_before(task: Task) -> str:
    lines = [line for line in task.prefix.split("\n") if line.strip()]
    return lines[-1].strip() if lines else ""
