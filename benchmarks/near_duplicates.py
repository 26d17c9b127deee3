"""Near-duplicates: signatures and whole runs against the peers, on the same real files; memory from 50 MB up.

The peers need Python 3.12 and an environment of their own: ``python3.12 -m venv P; P/bin/pip install text-dedup==0.4.1
daft==0.7.26 datasketch==2.0.0 rensa==0.5.0``, then ``python -m benchmarks.near_duplicates RUN --peer-python
P/bin/python`` (or the variable SC2_PEER_PYTHON). Peers that are not there are left out.
"""

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import compare, report

WORKER = Path(__file__).with_name("near_duplicates_worker.py")
CURVE = (50 * 10**6, 500 * 10**6, 5 * 10**9)
IDENTIFIER = re.compile(r"[A-Za-z_]\w{3,}")
SKETCHERS = ("daft", "rensa", "datasketch")
PEERS = {"daft": "daft", "datasketch": "datasketch", "rensa": "rensa", "text-dedup": "text_dedup"}


def main(corpus: Path, repeats: int, peer_python: str | None = None, largest: int = CURVE[-1]) -> None:
    """Run all comparisons; `largest` bounds the bytes of the memory curve."""
    peer = peer_python or os.environ.get("SC2_PEER_PYTHON") or sys.executable
    peers = [name for name, module in PEERS.items() if _has(peer, module)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = folder / "archive.parquet"
        megabytes = write_sample(corpus, archive, 10**15) / 1e6
        _signatures(archive, megabytes, repeats, peer, peers)
        _whole(archive, megabytes, repeats, peer, peers)
        _curve(corpus, largest, folder)


def _signatures(archive: Path, megabytes: float, repeats: int, peer: str, peers: list[str]) -> None:
    contenders = {"sc2lib": _command(sys.executable, "ours", archive, archive.parent, 1)}
    contenders |= {name: _command(peer, name, archive, archive.parent, 1) for name in SKETCHERS if name in peers}
    what = "text to signature of 256 positions, one core, start-up included, the whole archive"
    print(report(compare("near_duplicates", "04", what, "MB", megabytes, contenders, repeats)))


def _whole(archive: Path, megabytes: float, repeats: int, peer: str, peers: list[str]) -> None:
    folder = archive.parent
    contenders = {"sc2lib": _command(sys.executable, "dedup", archive, folder / "ours")}
    if "text-dedup" in peers:
        contenders["text-dedup 0.4.1"] = _command(peer, "text-dedup", archive, folder / "theirs")
    what = "Parquet to kept Parquet and clusters, start-up included, the whole archive"
    print(report(compare("near_duplicates", "04", what, "MB", megabytes, contenders, repeats)))
    shutil.rmtree(folder / "theirs", ignore_errors=True)


def _curve(corpus: Path, largest: int, folder: Path) -> None:
    for size in CURVE:
        if size <= largest:
            source = folder / "curve.parquet"
            amount = write_perturbed(corpus, source, size)
            contenders = {"sc2lib": _command(sys.executable, "dedup", source, folder / "ours")}
            what = f"memory of {size / 1e6:,.0f} MB made from real files"
            print(report(compare("near_duplicates", "04", what, "MB", amount / 1e6, contenders, 1)))


def _command(python: str, contender: str, source: Path, out: Path, cores: int = 10**6) -> list[str]:
    """A shell line, since every repetition must start from an empty folder."""
    clean = f"rm -rf '{out}'; " if contender in ("dedup", "text-dedup") else ""
    call = f"'{python}' '{WORKER}' {contender} '{source}' '{out}' {cores} >&2"
    path = Path(__file__).resolve().parents[1]
    return ["sh", "-c", f"{clean}PYTHONPATH='{path}' {call}"]


def _has(python: str, module: str) -> bool:
    check = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", check], check=False).returncode == 0


def files_of(corpus: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Names and texts of the files that reach chapter 04, shard by shard."""
    for path in sorted((corpus / "03_quality_filters" / "files").glob("*.parquet")):
        wanted = set(pq.read_table(path, columns=["blob_id"], partitioning=None)["blob_id"].to_pylist())
        for batch in pq.ParquetFile(corpus / "01_archive" / "contents" / path.name).iter_batches(2048):
            rows = [row for row in batch.to_pylist() if row["blob_id"] in wanted]
            yield [row["blob_id"] for row in rows], [row["content"] for row in rows]


def write_sample(corpus: Path, target: Path, size: int) -> int:
    """Write the first files of the corpus, up to `size` bytes of text; returns the bytes."""
    return _write(target, files_of(corpus), size)


def write_perturbed(corpus: Path, target: Path, size: int) -> int:
    """Write real files and, beyond the corpus, copies of them: a third lightly edited, the others mostly renamed."""

    def rounds() -> Iterator[tuple[list[str], list[str]]]:
        for number in range(10**6):
            for names, texts in files_of(corpus):
                yield [f"{name}-{number}" for name in names], [perturbed(text, number) for text in texts]

    return _write(target, rounds(), size)


def perturbed(text: str, number: int) -> str:
    """The text itself in round 0; later lines dropped, or three identifiers in four renamed."""
    if number == 0:
        return text
    rng = random.Random(f"{number}{text[:200]}{len(text)}")
    if rng.random() < 1 / 3:
        return "".join(line for line in text.splitlines(keepends=True) if rng.random() > 0.02)
    chosen = rng.randrange(4)
    return IDENTIFIER.sub(lambda m: m[0] if len(m[0]) % 4 == chosen else f"{m[0]}{number}", text)


def _write(target: Path, batches: Iterator[tuple[list[str], list[str]]], size: int) -> int:
    schema = pa.schema([("id", pa.string()), ("content", pa.large_string())])
    written = 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        for names, texts in batches:
            taken = 0
            while taken < len(texts) and written < size:
                written += len(texts[taken].encode())
                taken += 1
            writer.write_table(pa.table([names[:taken], texts[:taken]], schema=schema))
            if written >= size:
                break
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer-python")
    parser.add_argument(
        "--largest", type=int, default=CURVE[-1], help="bytes of the largest corpus of the memory curve"
    )
    options = parser.parse_args()
    main(options.corpus, options.repeats, options.peer_python, options.largest)
