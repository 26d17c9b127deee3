"""The figures of a run that matter, in a few lines: what came in, what stayed, what was trained, how good it is."""

from collections.abc import Mapping
from typing import Any

from sc2lib.figures import count, duration, number, size
from sc2lib.workflow.manifest import Manifest


def results(found: Mapping[str, Manifest]) -> list[tuple[str, str]]:
    """Label and value of each figure that the finished stages give; a stage that has not run gives none."""
    metrics = {stage[:2]: manifest.metrics for stage, manifest in found.items()}
    lines = []
    for label, stages, words in LINES:
        if all(stage in metrics for stage in stages):
            lines.append((label, words(*(metrics[stage] for stage in stages))))
    seconds = sum(manifest.measured.get("wall_seconds", 0.0) for manifest in found.values())
    memory = max((manifest.measured.get("peak_memory_bytes", 0) for manifest in found.values()), default=0)
    return [*lines, ("cost", f"{duration(seconds)} for {len(found)} chapters, at most {size(memory)} of memory")]


LINES: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("archive", ("01",), lambda a: f"{number(a['files_met'])} files, {size(a['bytes_met'])} of {a['origins']} origins"),
    ("unique text", ("01",), lambda a: f"{number(a['files'])} files, {size(a['bytes'])}"),
    (
        "kept",
        ("06", "08"),
        lambda d, f: f"{number(d['files'])} files, {size(f['bytes'])} in {f['documents']} documents",
    ),
    (
        "tokens",
        ("09",),
        lambda t: (
            f"{count(t['train_tokens'])} to train, {count(t['validation_tokens'])} to validate, "
            f"{t['bytes_per_token']:.2f} bytes each"
        ),
    ),
    ("model", ("12",), lambda p: f"{count(p['parameters'])} parameters, trained on {count(p['tokens'])} tokens"),
    (
        "validation",
        ("12", "13"),
        lambda p, c: (
            f"loss {p['validation_loss']:.3f}, {p['validation_bits_per_byte']:.3f} bits per byte; on longer windows "
            f"{c['bits_per_byte_before']:.3f} before and {c['bits_per_byte']:.3f} after the long-context stage"
        ),
    ),
    (
        "HumanEval",
        ("15",),
        lambda g: (
            f"pass@1 {g['pass_at_1']:.3f} ({g['solved']} of {g['problems']}); canonical solutions "
            f"{g['canonical_passed']} of {g['problems']}"
        ),
    ),
    (
        "infilling",
        ("16",),
        lambda i: (
            f"exact match {i['exact_match_single_line']:.3f} on lines, {i['exact_match_random_span']:.3f} on spans"
        ),
    ),
    (
        "compression",
        ("16",),
        lambda i: (
            f"{i['bits_per_byte_per_file_model']:.2f} bits per byte; xz {i['bits_per_byte_per_file_xz']:.2f}, "
            f"zstd {i['bits_per_byte_per_file_zstd']:.2f} on the same files"
        ),
    ),
    (
        "attribution",
        ("17",),
        lambda a: f"{a['fragments_found']} of {a['fragments']} fragments traced, {number(a['indexed_files'])} files",
    ),
)
