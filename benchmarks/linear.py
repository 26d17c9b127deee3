"""Chapters 01 to 06: each stage's cost on 1/100, 1/10 and all of the archive's files, and how it grows with bytes.

Every stage runs as in its chapter: a shard is read from Parquet, the stage's functions are applied, and what they
return is written. One process per stage and no workers, so that processor time means work. Start-up is kept out of
the slope in two ways: the process first treats the smallest sample unmeasured, which loads the licence index, rules
and automata; and what the stage then needs for the smallest file of every shard (opening shards, starting steps) is
the fixed part that is subtracted from every sample. The exponent is fitted to what is left, without samples in which
less than a quarter of the fixed part is left. The samples are nested: a file belongs to one by the first digits of
its hash.
"""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib import files
from sc2lib.evaluation.growth import exponent_of
from sc2lib.workflow import profiles
from sc2lib.workflow.project import root

SHARES = (0.01, 0.1, 1.0)
Shards = dict[str, list[Path]]  # the tables that a stage reads, by name
Row = dict[str, Any]


def main(corpus: Path, repeats: int) -> None:
    """Measure every stage, print its exponent and keep the rows for chapter 18."""
    rows: list[Row] = []
    for stage in STAGES:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            measured = pool.apply(measure, (stage, corpus, repeats))
        rows += measured
        print(f"linear: {stage}, cost ~ bytes^{exponent_of(measured):.2f}, fixed {measured[0]['fixed_seconds']:.2f} s")
        for row in measured:
            amount = f"{row['files']:8,} files {row['bytes'] / 1e6:8.1f} MB"
            print(f"  {amount} {row['seconds']:9.2f} s {row['rate']:7.1f} MB/s")
        path = root() / "runs" / "benchmarks" / "growth" / "linear.json"
        files.write_text(path, json.dumps(rows, indent=1) + "\n")


def measure(stage: str, corpus: Path, repeats: int) -> list[Row]:
    """One row per sample of one stage, in this process; the least of several calls, as what disturbs one only adds."""
    work, tables = STAGES[stage]
    pa.set_cpu_count(1)  # threads of Arrow that wait for each other cost processor time, most in small reads
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        least = sample(corpus, tables, folder / "least", None)
        work(sample(corpus, tables, folder / "first", SHARES[0]), folder / "warm")
        fixed = min(processor_time(work, least, folder / f"fixed-{number}") for number in range(5))
        rows = []
        for share in SHARES:
            shards = sample(corpus, tables, folder / str(share), share)
            calls = repeats if share == 1 else max(repeats, 5)  # the small ones are short and hence uncertain
            times = [processor_time(work, shards, folder / f"out-{share}-{number}") for number in range(calls)]
            listed = pa.concat_tables([pq.read_table(path, columns=["length_bytes"]) for path in shards["files"]])
            size, seconds = pc.sum(listed["length_bytes"]).as_py(), max(min(times) - fixed, 0.0)
            row = {"stage": stage, "share": share, "files": listed.num_rows, "bytes": size, "fixed_seconds": fixed}
            rows.append(row | {"seconds": seconds, "rate": size / max(seconds, 1e-9) / 1e6})
    return rows


def processor_time(work: Callable[[Shards, Path], None], shards: Shards, out: Path) -> float:
    """Seconds of all threads of this process."""
    started = time.process_time()
    work(shards, out)
    return time.process_time() - started


def sample(corpus: Path, tables: Sequence[str], folder: Path, share: float | None) -> Shards:
    """The shards of a stage's tables with this share of the files; None keeps the smallest file of each shard.

    The whole is read where it lies, samples are written to `folder`.
    """
    if share == 1:
        return {name.split("/")[1]: sorted((corpus / name).glob("*.parquet")) for name in tables}
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
    """The files' hashes, the graph of their repositories, and the walk over it (bytes are read from tables here)."""
    from benchmarks.archive import make_and_walk, read

    for number, table in enumerate(make_and_walk(read(shards["files"], shards["contents"]))):
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
STAGES: dict[str, tuple[Callable[[Shards, Path], None], tuple[str, ...]]] = {
    "01_archive": (graph_and_walk, ("01_archive/files", "01_archive/contents")),
    "02_licenses_and_languages": (
        licenses_and_languages,
        ("01_archive/files", "01_archive/removed", "01_archive/contents"),
    ),
    "03_quality_filters": (quality_filters, ("02_licenses_and_languages/files", "01_archive/contents")),
    "04_near_deduplication": (near_deduplication, ("03_quality_filters/files", "01_archive/contents")),
    "05_redaction_and_malware": (redaction_and_malware, ("04_near_deduplication/files", "01_archive/contents")),
    "06_decontamination": (
        decontamination,
        ("05_redaction_and_malware/files", "01_archive/contents"),
    ),
}
