"""Chapter 05: keys and passwords against detect-secrets, hostile inputs, and the cost per byte from 1 to 100 MB."""

import os
import random
import tempfile
import time
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.harness import compare, report, save_quality
from sc2lib.curation.redaction.planted_secrets import LabelledFile, Score, kinds, plant, score, sources
from sc2lib.curation.redaction.replacement import find_spans

CHAPTER = "05"
SIZES = (100_000, 1_000_000, 10_000_000)  # bytes of a hostile text: a factor of 100

# Texts made to be slow: near matches without an end, matches without number, one endless line, deep repetition.
HOSTILE = {
    "one word": "a",
    "addresses": "me@host.org ",
    "addresses with umlauts": "müller@größe.de ",
    "an @ without a domain": "a.b-c_d+e@",
    "half addresses": "1.2.3.",
    "IPv6 colons": "2a03:4000::",
    "keys that are digests": 'api_key = "d6f4a1b09c8e7352d6f4a1b09c8e7352"\n',
    "open private keys": "-----BEGIN PRIVATE KEY-----\nQUJD",
    "open web tokens": "eyJhbGciOi.eyJ",
    "passwords": "password='aB3dEf9' ",
    "passwords without quotes": "password: Xk29dk7q\n",
    "passwords in prose": "the password for the user of ",
    "passwords in notes": "# login: admin, password: ",
    "passwords in SQL": "set password for ",
    "URLs without a host": "a://b:c3d4",
    "assignments": "token = ",
    "white space after a keyword": "authorization: bearer" + " " * 300,
    "different keys": None,
}


def main(corpus: Path, repeats: int) -> None:
    """Time and quality of the search for secrets, the cost of whole files, and the growth on hostile ones."""
    with tempfile.TemporaryDirectory() as folder:
        planted = _sample(corpus, files=600)
        paths = _write(planted, Path(folder))
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
        contenders = {"sc2lib": partial(_ours, paths), "detect-secrets": partial(_detect_secrets, paths)}
        print(report(compare("redaction", CHAPTER, "find keys and passwords", "MB", megabytes, contenders, repeats)))
        _quality(planted, paths)
    for amount in (1, 10, 100):
        texts = partial(_redact_corpus, corpus, amount * 1_000_000)
        rows = compare("redaction", CHAPTER, f"redact {amount} MB of files", "MB", amount, {"sc2lib": texts}, repeats)
        print(report(rows))
    _hostile()


def _sample(corpus: Path, files: int) -> list[LabelledFile]:
    """Real files below 30,000 characters, drawn with a seed, with two secrets and two decoys each."""
    endings: dict[str, str] = {}
    for shard in sorted((corpus / "04_near_deduplication" / "files").glob("*.parquet")):
        for row in pq.read_table(shard, columns=["blob_id", "path"], partitioning=None).to_pylist():
            endings[row["blob_id"]] = os.path.splitext(row["path"])[1].lower()
    rows = []
    for shard in sorted((corpus / "01_archive" / "contents").glob("*.parquet"))[:4]:
        for row in pq.read_table(shard, partitioning=None).to_pylist():
            if row["blob_id"] in endings and len(row["content"]) < 30_000:
                rows.append((endings[row["blob_id"]], row["content"]))
    random.Random(0).shuffle(rows)
    return plant(rows[:files], seed=7)


def _write(planted: list[LabelledFile], folder: Path) -> list[Path]:
    """One file each, with its ending, which detect-secrets looks at."""
    paths = []
    for number, file in enumerate(planted):
        path = folder / f"{number:05d}{file.ending or '.txt'}"
        path.write_text(file.text, encoding="utf-8", newline="")
        paths.append(path)
    return paths


def _ours(paths: list[Path]) -> dict[Path, set[int]]:
    return {path: _our_lines(path.read_text(encoding="utf-8")) for path in paths}


def _our_lines(text: str) -> set[int]:
    lines = set()
    for span in find_spans(text, ("KEY", "PASSWORD")):
        lines |= set(range(text.count("\n", 0, span.start) + 1, text.count("\n", 0, span.end) + 2))
    return lines


def _detect_secrets(paths: list[Path]) -> dict[Path, set[int]]:
    """All plugins and filters that detect-secrets uses by default; nothing is verified over the network."""
    from detect_secrets import SecretsCollection
    from detect_secrets.settings import default_settings

    found = {}
    with default_settings():
        for path in paths:
            secrets = SecretsCollection()
            secrets.scan_file(str(path))
            found[path] = {secret.line_number for _, secret in secrets}
    return found


def _quality(planted: list[LabelledFile], paths: list[Path]) -> None:
    """Recall and precision of both on the same files, overall and on the kinds that detect-secrets knows."""
    place = {id(file): path for file, path in zip(planted, paths)}
    results: dict[str, Score] = {}
    for name, scan in (("sc2lib", _ours), ("detect-secrets", _detect_secrets)):
        found = scan(paths)
        results[name] = score(planted, lambda file, found=found: found[place[id(file)]])
    print(f"quality: {len(planted)} real files, 2 planted secrets and 2 decoys each")
    rows = []
    for name, result in results.items():
        by_source = {source: result.recall_of(own) for source, own in sources().items()}
        rows.append({"contender": name, "recall": result.recall, "recall_by_source": by_source})
        rows[-1] |= {"precision": result.precision, "decoys": result.decoys, "elsewhere": result.elsewhere}
        rows[-1] |= {"found_by_kind": {kind: list(counts) for kind, counts in result.by_kind.items()}}
        print(
            f"  {name:16s} recall {result.recall:.3f}, precision {result.precision:.3f}; "
            f"{result.decoys} decoys, {result.elsewhere} lines elsewhere"
        )
        for source, share in by_source.items():
            print(f"    {share:.3f} of the {source}")
    print(f"  {'found of planted':36s}", "  ".join(results))
    for kind in kinds():
        counts = [results[name].by_kind.get(kind, (0, 0)) for name in results]
        note = "  <- detect-secrets finds more" if counts[0][1] < counts[1][1] else ""
        print(f"  {kind:36s}", "  ".join(f"{found:3d} of {of:3d}" for of, found in counts), note)
    save_quality("redaction_quality", rows)


def _redact_corpus(corpus: Path, size: int) -> int:
    """Find everything in real files until so many bytes are read; files repeat when the corpus is smaller."""
    shards = sorted((corpus / "01_archive" / "contents").glob("*.parquet"))
    done = 0
    while done < size:
        for shard in shards:
            for text in pq.read_table(shard, partitioning=None)["content"].to_pylist():
                find_spans(text)
                done += len(text)
                if done >= size:
                    return done
    return done


def _hostile() -> None:
    """Nanoseconds of processor time per character; linear growth means that the figure stays."""
    print("hostile texts: ns a character at", ", ".join(f"{size:,}" for size in SIZES), "characters")
    rows = []
    for name, piece in HOSTILE.items():
        times = []
        for size in SIZES:
            text = _keys(size) if piece is None else (piece * (size // len(piece) + 1))[:size]
            started = time.process_time()
            find_spans(text)
            times.append((time.process_time() - started) / size * 1e9)
        rows.append({"text": name, "sizes": SIZES, "nanoseconds_per_character": times, "growth": times[-1] / times[0]})
        print(f"  {name:30s}", "  ".join(f"{value:8.1f}" for value in times), f"  x {times[-1] / times[0]:.2f}")
    save_quality("redaction_hostile", rows)


def _keys(size: int) -> str:
    """As many different keys as fit: each is looked for in the whole text."""
    generator = random.Random(1)
    lines = []
    for _ in range(size // 37 + 1):
        value = "".join(generator.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789", k=24))
        lines.append(f'api_key = "{value}"\n')
    return "".join(lines)[:size]
