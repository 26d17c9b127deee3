"""Chapters 01 to 06: how each stage's cost grows with bytes, over a factor of 100 for every stage.

Every stage runs as in its chapter: a shard is read from Parquet, the stage's functions are applied, and what they
return is written. One process per stage and no workers, so that processor time means work. Start-up is kept out of
the slope in two ways: the process first treats a small sample unmeasured, which loads the licence index, rules and
automata; and what the stage then needs for the smallest file of every shard (opening shards, starting steps, SQL) is
the fixed part that is subtracted from every sample. The exponent is fitted to what is left, without samples in which
less than a quarter of the fixed part is left. The samples are nested: a file belongs to one by the first digits of
its hash.

Most stages are given 1/100, 1/10 and all of the archive's files. Two do so little for each byte that 1/100 would
vanish beside their fixed part: they are given 1/20, 1/2, and five times the archive, which `benchmarks.copies` makes.
"""

import json
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.copies import write_copies
from sc2lib import files
from sc2lib.evaluation.growth import exponent_of, factor_of
from sc2lib.workflow import profiles
from sc2lib.workflow.project import root

ROUNDS = 5  # of the archive: itself, then copies
SHARES = (0.01, 0.1, 1.0)
LARGER_SHARES = (0.05, 0.5, float(ROUNDS))
CALLS = 10  # of a sample, at most
Shards = dict[str, list[Path]]  # the tables that a stage reads, by name
Row = dict[str, Any]


def main(corpus: Path, repeats: int) -> None:
    """Measure every stage, print its exponent and keep the rows for chapter 18."""
    rows: list[Row] = []
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        larger = [tables for _, tables, shares in STAGES.values() if max(shares) > 1]
        write_copies(corpus, sorted(set(chain.from_iterable(larger))), Path(name), ROUNDS)
        for stage in STAGES:
            with context.Pool(1) as pool:
                measured = pool.apply(measure, (stage, corpus, Path(name), repeats))
            rows += measured
            fitted = f"cost ~ bytes^{exponent_of(measured):.2f} over a factor of {factor_of(measured):.0f}"
            print(f"linear: {stage}, {fitted}, fixed {measured[0]['fixed_seconds']:.2f} s", flush=True)
            for row in measured:
                amount = f"{row['files']:8,} files {row['bytes'] / 1e6:8.1f} MB"
                print(f"  {amount} {row['seconds']:9.2f} s {row['rate']:7.1f} MB/s", flush=True)
            path = root() / "runs" / "benchmarks" / "growth" / "linear.json"
            files.write_text(path, json.dumps(rows, indent=1) + "\n")


def measure(stage: str, corpus: Path, copies: Path, repeats: int) -> list[Row]:
    """One row per sample of one stage, in this process; `copies` holds what `write_copies` wrote."""
    work, tables, shares = STAGES[stage]
    pa.set_cpu_count(1)  # threads of Arrow that wait for each other cost processor time, most in small reads
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work(sample(corpus, tables, folder / "first", SHARES[0]), folder / "warm")
        fixed = least_time(work, sample(corpus, tables, folder / "least", None), folder / "out", repeats)
        rows = []
        for share in shares:
            shards = sample(corpus, tables, folder / str(share), share, copies)
            listed = pa.concat_tables([pq.read_table(path, columns=["length_bytes"]) for path in shards["files"]])
            size = pc.sum(listed["length_bytes"]).as_py()
            seconds = max(least_time(work, shards, folder / "out", repeats) - fixed, 0.0)
            row = {"stage": stage, "share": share, "files": listed.num_rows, "bytes": size, "fixed_seconds": fixed}
            rows.append(row | {"seconds": seconds, "rate": size / max(seconds, 1e-9) / 1e6})
    return rows


def least_time(work: Callable[[Shards, Path], None], shards: Shards, out: Path, repeats: int) -> float:
    """The least processor time of several calls, as what disturbs one only adds.

    A long call is disturbed in proportion less: there are CALLS of them, or as many as begin within 2 * `repeats`
    seconds.
    """
    times: list[float] = []
    while len(times) < CALLS and sum(times) < 2 * repeats:
        times.append(processor_time(work, shards, out))
        shutil.rmtree(out)
    return min(times)


def processor_time(work: Callable[[Shards, Path], None], shards: Shards, out: Path) -> float:
    """Seconds of all threads of this process."""
    started = time.process_time()
    work(shards, out)
    return time.process_time() - started


def sample(
    corpus: Path, tables: Sequence[str], folder: Path, share: float | None, copies: Path | None = None
) -> Shards:
    """The shards of a stage's tables with this share of the files; None keeps the smallest file of each shard.

    The whole is read where it lies, samples are written to `folder`. A share above 1 adds all of `copies`.
    """
    if share is not None and share >= 1:
        rounds = [corpus, *(sorted(copies.iterdir()) if share > 1 and copies else ())]
        return {
            name.split("/")[1]: [path for one in rounds for path in sorted((one / name).glob("*.parquet"))]
            for name in tables
        }
    shards: Shards = {}
    for name in tables:
        shards[name.split("/")[1]] = written = []
        for path in sorted((corpus / name).glob("*.parquet")):
            table = pq.read_table(path, partitioning=None)
            if share is None:
                lists = pq.read_table(corpus / tables[0] / path.name, columns=["blob_id", "length_bytes"])
                smallest = lists.sort_by("length_bytes")["blob_id"][:1].combine_chunks()
                table = table.filter(pc.is_in(table["blob_id"], smallest))
            else:
                table = table.filter(chosen(table, share))
            written.append(folder / name / path.name)
            files.write_parquet(written[-1], table)
    return shards


def chosen(table: pa.Table, share: float) -> pa.Array:
    """Which rows belong to a sample smaller than the whole: those whose hash begins low enough."""
    return pc.less(pc.utf8_slice_codeunits(table["blob_id"], 0, 4), f"{round(share * 0x10000):04x}")


def each(function: Callable[..., Any], shards: Shards, names: Sequence[str], out: Path, **options: Any) -> list[Path]:
    """What `Stage.map` does to one shard after another: read the tables, apply, write; returns the first outputs."""
    written = []
    for number, paths in enumerate(zip(*(shards[name] for name in names), strict=True)):
        results = function(*(pq.read_table(path, partitioning=None) for path in paths), **options)
        for k, table in enumerate(results if isinstance(results, tuple) else (results,)):
            files.write_parquet(out / str(k) / f"part-{number:05d}.parquet", table)
        written.append(out / "0" / f"part-{number:05d}.parquet")
    return written


def graph_and_walk(shards: Shards, out: Path) -> None:
    """The files' hashes, the graph of their repositories, and the walk over it (bytes are read from tables here).

    One round of the archive is in memory at a time; no repository is in two.
    """
    from benchmarks.archive import make_and_walk, read

    rounds = groupby(zip(shards["files"], shards["contents"], strict=True), key=lambda paths: paths[0].parent)
    rows = chain.from_iterable(read(*zip(*paths, strict=True)) for _, paths in rounds)
    for number, table in enumerate(make_and_walk(rows)):
        files.write_parquet(out / f"part-{number:05d}.parquet", table)


def licenses_and_languages(shards: Shards, out: Path) -> None:
    """Find licence files, then label every file."""
    from sc2lib.curation.licenses.tables import find_license_files, gather_base_paths, label_files

    similarity = LAPTOP["license_similarity"]
    paths = each(find_license_files, shards, ("files", "removed", "contents"), out / "found", similarity=similarity)
    base_paths = gather_base_paths(pa.concat_tables([pq.read_table(path, partitioning=None) for path in paths]))
    each(lambda listed, contents: label_files(listed, contents, base_paths), shards, ("files", "contents"), out)


def quality_filters(shards: Shards, out: Path) -> None:
    """Signals, then rules."""
    from dataclasses import asdict

    from sc2lib.curation.filters.quality import Thresholds, filter_files
    from sc2lib.curation.filters.signals import signals_table

    signals = each(signals_table, shards, ("files", "contents"), out / "signals")
    both = shards | {"signals": signals}
    each(filter_files, both, ("files", "signals"), out / "kept", thresholds=asdict(Thresholds.of(LAPTOP)))


def near_deduplication(shards: Shards, out: Path) -> None:
    """All steps of the engine, one after another in this process."""
    from sc2lib.dedup.engine import deduplicate
    from sc2lib.dedup.options import DedupOptions
    from sc2lib.dedup.pieces import ShardPiece

    names = ("jaccard_threshold", "shingle_size", "minhash_bands", "minhash_rows", "near_duplicate_scope", "dedup_mode")
    pieces = [ShardPiece(*paths) for paths in zip(shards["contents"], shards["files"], strict=True)]
    options = DedupOptions(*(LAPTOP[name] for name in names))
    deduplicate(pieces, out, options, lambda function, tasks, label: [function(task) for task in tasks])


def redaction_and_malware(shards: Shards, out: Path) -> None:
    """Malware rules, then spans and their replacements."""
    from sc2lib.curation.malware import scan_shard
    from sc2lib.curation.redaction.replacement import redact_shard

    each(scan_shard, shards, ("contents", "files"), out / "scanned")
    each(redact_shard, shards, ("contents", "files"), out / "redacted", seed=0)


def decontamination(shards: Shards, out: Path) -> None:
    """Whole passages and shared runs of words."""
    from sc2lib.curation.decontamination import decontaminate

    each(decontaminate, shards, ("contents", "files"), out)


LAPTOP = profiles.load("laptop")
STAGES: dict[str, tuple[Callable[[Shards, Path], None], tuple[str, ...], tuple[float, ...]]] = {
    "01_archive": (graph_and_walk, ("01_archive/files", "01_archive/contents"), LARGER_SHARES),
    "02_licenses_and_languages": (
        licenses_and_languages,
        ("01_archive/files", "01_archive/removed", "01_archive/contents"),
        SHARES,
    ),
    "03_quality_filters": (quality_filters, ("02_licenses_and_languages/files", "01_archive/contents"), SHARES),
    "04_near_deduplication": (near_deduplication, ("03_quality_filters/files", "01_archive/contents"), LARGER_SHARES),
    "05_redaction_and_malware": (
        redaction_and_malware,
        ("04_near_deduplication/files", "01_archive/contents"),
        SHARES,
    ),
    "06_decontamination": (decontamination, ("05_redaction_and_malware/files", "01_archive/contents"), SHARES),
}
