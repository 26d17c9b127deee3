"""Chapter 06: all passages in one pass against one search for each, and the cost per byte from 1 to 100 MB."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import compare, report
from sc2lib.curation.decontamination import default_finder, default_overlap_finder, naive_find
from sc2lib.curation.overlaps import ngrams

CHAPTER = "06"


def main(corpus: Path, repeats: int) -> None:
    """Whole passages, runs of ten words, and the growth of both."""
    passages = {
        "sc2lib": partial(_passages, corpus, 40),
        "one search a passage": partial(_passages_one_by_one, corpus, 40),
    }
    print(report(compare("decontamination", CHAPTER, "passages of HumanEval", "MB", 40, passages, repeats)))
    runs = {"sc2lib": partial(_overlaps, corpus, 40), "a set of tuples": partial(_overlaps_as_sets, corpus, 40)}
    print(report(compare("decontamination", CHAPTER, "runs of ten words", "MB", 40, runs, repeats)))
    for amount in (1, 10, 100):
        both = {"sc2lib": partial(_both, corpus, amount)}
        print(report(compare("decontamination", CHAPTER, f"both in {amount} MB", "MB", amount, both, repeats)))


def texts(corpus: Path, megabytes: float) -> list[str]:
    """Redacted texts of a run, until so many million characters are there; they repeat when the run is smaller."""
    found: list[str] = []
    left = megabytes * 1e6
    shards = sorted((corpus / "05_redaction_and_malware" / "contents").glob("*.parquet"))
    while left > 0:
        for shard in shards:
            for text in pq.read_table(shard, partitioning=None)["content"].to_pylist():
                if left > 0:
                    found.append(text)
                    left -= len(text)
    return found


def _passages(corpus: Path, megabytes: float) -> int:
    finder = default_finder()
    return sum(bool(finder.find(text)) for text in texts(corpus, megabytes))


def _passages_one_by_one(corpus: Path, megabytes: float) -> int:
    passages = default_finder().passages
    return sum(bool(naive_find(text, passages)) for text in texts(corpus, megabytes))


def _overlaps(corpus: Path, megabytes: float) -> int:
    finder, sample = default_overlap_finder(), texts(corpus, megabytes)
    candidates = finder.candidates(pa.array(sample, pa.large_string()))
    return sum(bool(finder.find(sample[number])) for number in candidates)


def _overlaps_as_sets(corpus: Path, megabytes: float) -> int:
    wanted = {gram for passage in default_finder().passages for gram in ngrams(passage.text, 10)}
    return sum(not wanted.isdisjoint(ngrams(text, 10)) for text in texts(corpus, megabytes))


def _both(corpus: Path, megabytes: float) -> int:
    return _passages(corpus, megabytes) + _overlaps(corpus, megabytes)
