"""Decontamination: files that hold a passage of a benchmark leave the training data.

As in the paper, a file holds a passage if the passage is a substring once whitespace is removed from both and letter
case is ignored (bigcode-project/bigcode-dataset). One pass of an Aho-Corasick automaton looks for all passages at once,
so the cost is that of reading the text, however many benchmarks there are. Parts of passages are found as shared
n-grams (`sc2lib.curation.overlaps`).

Texts are searched as they were before redaction: a passage with an address in it is no longer itself once the address
is a tag. Of a notebook the cells are searched, which are what a training document is made of.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ahocorasick
import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.columns import contents_of
from sc2lib.curation.benchmark_passages import Passage, human_eval_passages, long_enough, passages_in_folder
from sc2lib.curation.overlaps import OVERLAPS, Overlap, OverlapFinder
from sc2lib.curation.texts import read_texts
from sc2lib.errors import InputError
from sc2lib.path_digests import path_digest
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


NOTEBOOK_LANGUAGE = "Jupyter Notebook"
ASCII_LOWER = bytes(range(128)).lower() + bytes(range(128, 256))
ASCII_WHITESPACE = bytes(code for code in range(128) if chr(code).isspace())


# docs: start-normalise
def normalise(text: str) -> str:
    """The text in lower case, without whitespace of any kind."""
    if text.isascii():  # the same, four times as fast
        return text.encode().translate(ASCII_LOWER, ASCII_WHITESPACE).decode()
    return "".join(text.lower().split())


# docs: end-normalise


# docs: start-searched
def searched(text: str, language: str | None) -> str:
    """What is searched of a file: its text; of a notebook its strings, a cell's source in one piece.

    In the file each line of a cell is a string of its own with its quotes escaped, so no passage of two lines is there.
    A notebook that is no JSON gives no document and is searched as it is.
    """
    if language != NOTEBOOK_LANGUAGE:
        return text
    try:
        return "\n".join(_strings(json.loads(text)))
    except (ValueError, RecursionError):
        return text


def _strings(value: Any) -> Iterator[str]:
    """Every string in JSON, in order; a list of nothing but strings, which is how sources are stored, as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield "".join(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


# docs: end-searched


def searched_texts(contents: Sequence[Path], files: pa.Table) -> dict[str, str]:
    """By blob, what was `searched` of these files; `contents` are the shards of the texts before redaction."""
    texts = read_texts(contents, files["blob_id"].combine_chunks()).to_pylist()
    rows = zip(files["blob_id"].to_pylist(), texts, files["language"].to_pylist(), strict=True)
    return {blob_id: searched(text, language) for blob_id, text, language in rows}


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
    contents: pa.Table,
    files: pa.Table,
    *,
    benchmark_folder: str | None = None,
    overlap_words: int | None = 10,
    overlap_share: float | None = None,
) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
    """MATCHES and OVERLAPS of the shard's files, FILES that stay, and REMOVED with what they hold as the detail.

    `contents` are the texts before redaction; places are characters of what is `searched` of them. HumanEval is always
    looked for; `benchmark_folder` adds what `passages_in_folder` finds. A file that holds a whole passage leaves.
    Shared runs of `overlap_words` words are reported; with `overlap_share`, a file that has at least that share of the
    runs of some passage leaves as well. `overlap_words` null looks for none.
    """
    finder = default_finder(benchmark_folder)
    blob_ids, languages = files["blob_id"].to_pylist(), files["language"].to_pylist()
    texts = list(map(searched, contents_of(files, contents), languages))
    matches = [finder.find(text) for text in texts]
    overlaps: list[list[Overlap]] = [[] for _ in texts]
    if overlap_words is not None:
        overlap_finder = default_overlap_finder(benchmark_folder, overlap_words)
        for number in overlap_finder.candidates(pa.array(texts, pa.large_string())):
            overlaps[number] = overlap_finder.find(texts[number])
    reasons, details = [], []
    for found, shared in zip(matches, overlaps):
        close = [overlap for overlap in shared if overlap_share is not None and overlap.share >= overlap_share]
        reasons.append("benchmark" if found else "benchmark_overlap" if close else None)
        named = dict.fromkeys(f"{place.passage.task_id} {place.passage.part}" for place in (found or close))
        details.append(", ".join(list(named)[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else ""))
    stays = pa.array([reason is None for reason in reasons], pa.bool_())
    leaves = pc.invert(stays)
    gone = removed(
        files.filter(leaves),
        pa.array(reasons, pa.string()).filter(leaves),
        pa.array(details, pa.string()).filter(leaves),
    )
    return _matches_table(blob_ids, matches), _overlaps_table(blob_ids, overlaps), files.filter(stays), gone


def _matches_table(blob_ids: Sequence[str], matches: Sequence[Sequence[Match]]) -> pa.Table:
    rows = [
        (blob_id, match.passage.benchmark, match.passage.task_id, match.passage.part, match.start)
        for blob_id, found in zip(blob_ids, matches)
        for match in found
    ]
    return _table(rows, MATCHES)


def _overlaps_table(blob_ids: Sequence[str], overlaps: Sequence[Sequence[Overlap]]) -> pa.Table:
    rows = [
        (blob_id, known.benchmark, known.task_id, known.part, place.start, place.end, place.words, place.share)
        for blob_id, found in zip(blob_ids, overlaps)
        for place in found
        for known in (place.passage,)
    ]
    return _table(rows, OVERLAPS)


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = zip(*rows) if rows else ([] for _ in schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema)], schema=schema)


def default_passages(benchmark_folder: str | None = None) -> tuple[Passage, ...]:
    """HumanEval's passages and those in a folder that are `long_enough`."""
    return _passages(benchmark_folder, _digest(benchmark_folder))[0]


def skipped_passages(benchmark_folder: str | None = None) -> tuple[Passage, ...]:
    """The passages in a folder that are empty, or too short to say anything, and are not looked for."""
    return _passages(benchmark_folder, _digest(benchmark_folder))[1]


def default_finder(benchmark_folder: str | None = None) -> PassageFinder:
    """The finder of HumanEval's passages and of those in a folder, made once for the files that lie there."""
    return _finder(benchmark_folder, _digest(benchmark_folder))


def default_overlap_finder(benchmark_folder: str | None = None, n: int = 10) -> OverlapFinder:
    """The finder of the n-grams of the same passages."""
    return _overlap_finder(benchmark_folder, _digest(benchmark_folder), n)


def _digest(benchmark_folder: str | None) -> str | None:
    return path_digest(Path(benchmark_folder)) if benchmark_folder else None


@lru_cache(maxsize=4)
def _passages(benchmark_folder: str | None, digest: str | None) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
    more = passages_in_folder(Path(benchmark_folder)) if benchmark_folder else []
    wanted = (passage for passage in more if long_enough(passage))
    return (*human_eval_passages(), *wanted), tuple(passage for passage in more if not long_enough(passage))


@lru_cache(maxsize=4)
def _finder(benchmark_folder: str | None, digest: str | None) -> PassageFinder:
    return PassageFinder(_passages(benchmark_folder, digest)[0])


@lru_cache(maxsize=4)
def _overlap_finder(benchmark_folder: str | None, digest: str | None, n: int) -> OverlapFinder:
    return OverlapFinder(_passages(benchmark_folder, digest)[0], n)


def _original_positions(text: str) -> list[int]:
    """For every character of `normalise(text)`, the character of the text it comes from."""
    return [index for index, character in enumerate(text) for _ in character.lower() if not character.isspace()]
