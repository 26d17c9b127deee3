"""What the landing page says about a run: the picture with its numbers, the run in one table, the list of chapters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from sc2lib.book.picture import Box
from sc2lib.figures import count, duration, number, size
from sc2lib.workflow.manifest import Manifest

Parts = Mapping[str, str]


def boxes(parts: Parts, found: Mapping[str, Manifest], run_dir: Path | None = None, pages: str = "") -> list[Box]:
    """One box per stage; `parts` maps stages to their part of the book, `found` the finished ones to manifests."""
    drawn = []
    for stage, part in parts.items():
        value, detail = headline(found[stage], run_dir) if stage in found and run_dir else ("", "")
        name = stage[3:].replace("_", " ")
        page = f"{pages}{stage}.html" if pages else ""
        drawn.append(Box(stage[:2], name, part, page, value, detail))
    return drawn


def headline(manifest: Manifest, run_dir: Path) -> tuple[str, str]:
    """The number of a stage that a reader wants first, and a few words about it; empty when it has none."""
    kept = manifest.total("files", "rows")
    if kept:
        return count(kept) + " files", size(_length(manifest, run_dir, "files"))
    if tokens := _tokens(manifest):
        return count(tokens) + " tokens", f"vocabulary {number(manifest.params.get('vocabulary_size'))}"
    if documents := manifest.total("documents", "rows"):
        return count(documents) + " documents", size(_length(manifest, run_dir, "documents"))
    for name, text in HEADLINES:
        value = _find(manifest.metrics, name)
        if value is not None:
            return text(value)
    return "", ""


HEADLINES: tuple[tuple[str, Any], ...] = ()


def run_table(found: Mapping[str, Manifest], built_from: str) -> str:
    """Markdown: profile, machine, time and memory of the run the book shows."""
    manifests = list(found.values())
    seconds = sum(entry.measured.get("wall_seconds", 0) for entry in manifests)
    memory = max((entry.measured.get("peak_memory_bytes", 0) for entry in manifests), default=0)
    cores = max((entry.measured.get("cores") or 0 for entry in manifests), default=0)
    versions = manifests[-1].packages if manifests else {}
    profiles = sorted({entry.profile for entry in manifests})
    rows = {
        "profile": ", ".join(f"`{name}`" for name in profiles),
        "machine": f"{cores} cores, Python {versions.get('python', '?')}, torch {versions.get('torch', '?')}",
        "time": f"{duration(seconds)} for {len(manifests)} chapters",
        "peak memory": size(memory),
        "code": built_from,
    }
    return "\n".join(
        ["| this book shows | |", "| :-- | :-- |", *(f"| {key} | {value} |" for key, value in rows.items())]
    )


def chapter_table(parts: Parts, titles: Mapping[str, str], found: Mapping[str, Manifest]) -> str:
    """Markdown: the chapters in order, with part, time and memory."""
    lines = ["| part | chapter | time | memory |", "| :-- | :-- | --: | --: |"]
    before = ""
    for stage, part in parts.items():
        measured = found[stage].measured if stage in found else {}
        time = duration(measured["wall_seconds"]) if "wall_seconds" in measured else ""
        memory = size(measured["peak_memory_bytes"]) if "peak_memory_bytes" in measured else ""
        link = f"[{titles[stage]}](../notebooks/{stage}.ipynb)"
        lines.append(f"| {part if part != before else ''} | {link} | {time} | {memory} |")
        before = part
    return "\n".join(lines)


def note(manifest: Manifest) -> str:
    """The line below a chapter's title: which run it shows and what that took."""
    measured = manifest.measured
    return (
        f"Profile `{manifest.profile}` · {duration(measured.get('wall_seconds', 0))} on {measured.get('cores', '?')} "
        f"cores · {size(measured.get('peak_memory_bytes', 0))} of memory · sc2lib {manifest.version}"
    )


def _length(manifest: Manifest, run_dir: Path, table: str) -> int:
    total = 0
    for entry in manifest.outputs.get(table, []):
        path = run_dir / manifest.stage / entry["path"]
        if path.suffix == ".parquet" and "length_bytes" in pq.read_schema(path).names:
            column = pq.read_table(path, columns=["length_bytes"], partitioning=None)["length_bytes"]
            total += pc.sum(column).as_py() or 0
    return total


def _tokens(manifest: Manifest) -> int:
    return sum(manifest.total(name, "bytes") for name in ("train.bin", "validation.bin")) // 2


def _find(metrics: Mapping[str, Any], name: str) -> Any:
    value: Any = metrics
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
