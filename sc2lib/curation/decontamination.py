"""Decontamination: files that hold a passage of a benchmark leave the training data.

As in the paper, a file holds a passage if the passage is a substring once whitespace is removed from both and letter
case is ignored (reference sheet, section 3.5). One pass of an Aho-Corasick automaton looks for all passages at once,
so the cost is that of reading the text, however many benchmarks there are.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ahocorasick
import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.curation.benchmark_passages import Passage, human_eval_passages, passages_in_folder
from sc2lib.curation.columns import contents_of
from sc2lib.errors import InputError
from sc2lib.tables import removed

MATCHES = pa.schema(
    [
        ("blob_id", pa.string()),
        ("benchmark", pa.string()),
        ("task_id", pa.string()),
        ("part", pa.string()),
        ("start", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Match:
    """A passage found in a text, and the character of the text where it starts."""

    passage: Passage
    start: int


# docs: start-normalise
def normalise(text: str) -> str:
    """The text in lower case, without whitespace of any kind."""
    return "".join(text.lower().split())


# docs: end-normalise


class PassageFinder:
    """Finds many passages in texts at once."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = tuple(passages)
        by_text: dict[str, list[int]] = {}
        for number, passage in enumerate(passages):
            by_text.setdefault(normalise(passage.text), []).append(number)
        self._automaton = ahocorasick.Automaton()
        for text, numbers in by_text.items():
            if not text:
                raise InputError(f"the {passages[numbers[0]].part} of {passages[numbers[0]].task_id} is empty")
            self._automaton.add_word(text, (len(text), tuple(numbers)))
        self._automaton.make_automaton()

    # docs: start-find
    def find(self, text: str) -> list[Match]:
        """The passages a text holds, each where it first occurs, in the order of the passages."""
        first: dict[int, int] = {}
        for end, (length, numbers) in self._automaton.iter(normalise(text)):
            for number in numbers:
                first.setdefault(number, end - length + 1)
        if not first:
            return []
        original = _original_positions(text)
        return [Match(self.passages[number], original[first[number]]) for number in sorted(first)]

    # docs: end-find


def naive_find(text: str, passages: Sequence[Passage]) -> list[Passage]:
    """The definition: one substring test per passage. For tests."""
    normalised = normalise(text)
    return [passage for passage in passages if normalise(passage.text) in normalised]


def share_by_length(
    texts: Sequence[str], passages: Sequence[Passage], part: str, lengths: Sequence[int]
) -> list[float]:
    """For each length, the mean share of texts that hold the beginning of a passage, cut to so many characters.

    The mean is over the passages of that part which are so long; 0 without one. Whitespace does not count.
    """
    wanted = [normalise(passage.text) for passage in passages if passage.part == part]
    cuts = Counter(text[:length] for length in lengths for text in wanted if len(text) >= length)
    if not cuts or not texts:
        return [0.0] * len(lengths)
    automaton = ahocorasick.Automaton()
    for cut in cuts:
        automaton.add_word(cut, cut)
    automaton.make_automaton()
    found: Counter[int] = Counter()
    for text in texts:
        for cut in {cut for _, cut in automaton.iter(normalise(text))}:
            found[len(cut)] += cuts[cut]
    long_enough = [sum(len(text) >= length for text in wanted) for length in lengths]
    return [found[length] / max(count, 1) / len(texts) for length, count in zip(lengths, long_enough)]


def decontaminate(
    contents: pa.Table, files: pa.Table, *, benchmark_folder: str | None = None
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """MATCHES in the shard's files, FILES without a match, and REMOVED with the first passages as the detail.

    HumanEval is always looked for; `benchmark_folder` adds what `passages_in_folder` finds.
    """
    finder = default_finder(benchmark_folder)
    rows: list[tuple[str, str, str, str, int]] = []
    details: list[str] = []
    clean: list[bool] = []
    for blob_id, text in zip(files["blob_id"].to_pylist(), contents_of(files, contents)):
        found = finder.find(text)
        clean.append(not found)
        if found:
            names = [f"{match.passage.task_id} {match.passage.part}" for match in found]
            details.append(", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""))
        for match in found:
            passage = match.passage
            rows.append((blob_id, passage.benchmark, passage.task_id, passage.part, match.start))
    columns = zip(*rows) if rows else ([] for _ in MATCHES)
    matches = pa.table([pa.array(column, field.type) for column, field in zip(columns, MATCHES)], schema=MATCHES)
    stays = pa.array(clean, pa.bool_())
    gone = removed(files.filter(pc.invert(stays)), "benchmark", pa.array(details, pa.string()))
    return matches, files.filter(stays), gone


@cache
def default_finder(benchmark_folder: str | None = None) -> PassageFinder:
    """The finder of HumanEval's passages and of those in a folder."""
    more = passages_in_folder(Path(benchmark_folder)) if benchmark_folder else []
    return PassageFinder([*human_eval_passages(), *more])


def _original_positions(text: str) -> list[int]:
    """For every character of `normalise(text)`, the character of the text it comes from."""
    return [index for index, character in enumerate(text) for _ in character.lower() if not character.isspace()]
