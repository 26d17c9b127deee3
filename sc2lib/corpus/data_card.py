"""The data card of a run: a README.md with the hub's YAML header, made from the run's own tables.

It stands beside the documents, so that ``datasets.load_dataset(FOLDER, "documents")`` finds them by its `configs`.
Nothing in it is typed by hand: languages, licences, counts and reasons are counted, knobs are those of the manifests.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import yaml

from sc2lib.files import write_text
from sc2lib.workflow import manifest as manifests

KEPT = "06_decontamination"  # the last stage that removes files; its `files` are what the documents are made of
CONFIGS = ("documents", "mixture", "removed")
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_KNOBS = {
    "01_archive": ("source", "max_file_bytes"),
    "04_near_deduplication": ("dedup_mode", "jaccard_threshold", "near_duplicate_scope"),
    "05_redaction_and_malware": ("redaction_kinds",),
    "08_formatting_and_mixture": ("metadata_rate", "max_document_bytes"),
}


def write(path: Path, run: Path, folder: str, contact: str | None = None) -> None:
    """Write the card of stage `folder` of the run in `run` to `path`; `contact` takes opt-out requests."""
    write_text(path, card(run, folder, contact))


def card(run: Path, folder: str, contact: str | None = None) -> str:
    """The text of the card. Equal tables and knobs give equal text: it holds neither dates nor paths."""
    with duckdb.connect() as database:

        def rows(query: str, *where: str) -> list[tuple]:
            tables = {f"t{number}": str(run / place / "*.parquet") for number, place in enumerate(where)}
            return database.execute(query, tables).fetchall()

        kept = f"{KEPT}/files"
        files = "read_parquet($t0, hive_partitioning = false)"

        def by(column: str) -> list[tuple]:
            counted = f"coalesce({column}, 'unknown'), count(*), sum(length_bytes)"
            return rows(f"SELECT {counted} FROM {files} GROUP BY 1 ORDER BY 3 DESC, 1", kept)

        counted = "count(*), coalesce(sum(length_bytes), 0), count(DISTINCT repo_name), count(DISTINCT language)"
        (totals,) = rows(f"SELECT {counted} FROM {files}", kept)
        languages, types = by("language"), by("license_type")
        licenses = rows(
            f"SELECT license, count(*) FROM (SELECT unnest(detected_licenses) AS license FROM {files}) "
            "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 15",
            kept,
        )
        documents = rows(
            f"SELECT source, split, count(*), sum(length_bytes) FROM {files} GROUP BY ALL ORDER BY ALL",
            f"{folder}/documents",
        )
        removed = []
        for stage in _removing(run, folder):
            reasons = f"SELECT reason, count(*) FROM {files} GROUP BY 1 ORDER BY 2 DESC, 1"
            removed += [(stage, reason, count) for reason, count in rows(reasons, f"{stage}/removed")]
    number, size, repositories, known = totals
    count, written = (sum(row[column] for row in documents) for column in (2, 3))
    capped = sum(row[2] for row in removed if row[0] == folder)
    less = f", less {capped:,} that a cap on their language left out" if capped else ""
    parts = [
        _header(count),
        "# Data card\n",
        f"{count:,} documents ({written:,} bytes) for training a code model, made from the {number:,} files "
        f"({size:,} bytes) of {repositories:,} repositories in {known:,} languages that passed all filters{less}. "
        "Made by the StarCoder2 book (`sc2 run`) the way The Stack v2 was made; it is no part of The Stack v2.\n",
        "```python",
        "from datasets import load_dataset",
        'documents = load_dataset("FOLDER", "documents")  # FOLDER: where this card lies',
        "```\n",
        "## Where it comes from\n",
        _table(("stage", "knob", "value"), _knobs(run)),
        "## What is in it\n",
        _table(("source", "split", "documents", "bytes"), documents),
        _table(("language", "files", "bytes"), languages[:30]),
        f"{len(languages) - 30} more languages.\n" if len(languages) > 30 else "",
        "Columns are called as in The Stack v2 where they mean the same: `repo_name`, `blob_id` (SHA-1 of the bytes), "
        "`path`, `language`, `license_type`. `segments` holds text and sentinel tokens apart; `files` says which blob "
        "each segment comes from.\n",
        "## Licences\n",
        _table(("license type of the file", "files", "bytes"), types),
        _table(("licence found", "files"), licenses),
        "Every file stays under its own licence. Whoever uses a file must keep to it, attribution included; "
        "`no_license` means that none was found, not that none applies.\n",
        _terms(run),
        "## What was removed\n",
        _table(("stage", "reason", "files"), removed),
        "Redaction replaces what its rules find; names of people and secrets of unknown form can remain.\n",
        "## Opt-out\n",
        _opt_out(contact),
    ]
    return "\n".join(part for part in parts if part)


def _header(count: int) -> str:
    size = next((name for limit, name in _SIZES if count < limit), "n>1M")
    header = {
        "pretty_name": "Source code prepared with the StarCoder2 book",
        "language": ["code"],
        "license": "other",
        "license_name": "several",
        "task_categories": ["text-generation"],
        "size_categories": [size],
        "annotations_creators": ["no-annotation"],
        "configs": [
            {"config_name": name, "data_files": f"{name}/*.parquet"} | ({"default": True} if name == CONFIGS[0] else {})
            for name in CONFIGS
        ],
    }
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n"


def _removing(run: Path, folder: str) -> list[str]:
    stages = [*sorted(path.parent.name for path in run.glob("0[1-6]_*/removed")), folder]
    return [stage for stage in stages if any((run / stage / "removed").glob("*.parquet"))]


def _knobs(run: Path) -> list[tuple[str, str, object]]:
    found = []
    for stage, names in _KNOBS.items():
        manifest = manifests.load(run / stage)
        if manifest is not None:
            found += [(stage, name, manifest.params[name]) for name in names if name in manifest.params]
    return found


def _terms(run: Path) -> str:
    manifest = manifests.load(run / "01_archive")
    if manifest is None or manifest.params.get("source") != "stack_v2":
        return ""
    return (
        "The files come from The Stack v2 and the Software Heritage archive: keep to the principles of Software "
        "Heritage for language models, and to the newest version of The Stack v2, from which repositories have "
        "opted out.\n"
    )


def _opt_out(contact: str | None) -> str:
    if contact:
        how = f"Is your code in here and you do not want it to be? Write to {contact}."
    else:
        how = "Nobody is named yet who takes requests: before you publish this, set the knob `opt_out_contact`."
    return (
        f"{how} Name the repositories, or the owner for all of them. They leave the data with `sc2 opt-out LIST`, "
        "their documents and tokens included; models trained before are trained anew without them.\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
