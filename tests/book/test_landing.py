"""What the pages say about a run comes from its manifests and profiles, and from nothing else."""

from pathlib import Path

import pyarrow as pa
import pytest

from sc2lib.book import landing
from sc2lib.book.headlines import BY_STAGE, headline
from sc2lib.book.picture import WIDTH
from sc2lib.files import write_parquet
from sc2lib.workflow import profiles
from sc2lib.workflow.manifest import Manifest, describe
from sc2lib.workflow.project import Notebook


def manifest(folder: Path, stage: str, **more) -> Manifest:
    measured = {"wall_seconds": 70.0, "peak_memory_bytes": 2 * 10**9, "cores": 2}
    packages = {"python": "3.11.7", "torch": "2.13.0"}
    outputs = describe(folder / stage, ())
    return Manifest(stage, "laptop", "", "", {"vocabulary_size": 8192}, {}, outputs, more, measured, packages)


def test_headline_of_files_counts_rows_and_bytes_of_the_tables(tmp_path: Path) -> None:
    for part, lengths in enumerate(([1000, 2000], [3000])):
        table = pa.table({"length_bytes": pa.array(lengths, pa.int64())})
        write_parquet(tmp_path / f"03_quality_filters/files/part-{part:05d}.parquet", table)
    found = manifest(tmp_path, "03_quality_filters")
    assert headline(found, tmp_path) == ("3 files", "6.00 kB")


def test_headline_of_tokens_counts_two_bytes_each(tmp_path: Path) -> None:
    folder = tmp_path / "09_tokenizer"
    folder.mkdir()
    (folder / "train.bin").write_bytes(b"\0" * 4_000_000)
    (folder / "validation.bin").write_bytes(b"\0" * 200_000)
    assert headline(manifest(tmp_path, "09_tokenizer"), tmp_path) == ("2.10M tokens", "vocabulary 8,192")


def test_every_stage_after_the_tokens_has_a_headline_that_fits_its_box(tmp_path: Path) -> None:
    """Numbers as large as a paper-scale run would give."""
    metrics = {
        "parameters": {"this run": 15_957_889_024},
        "validation_loss": 10.25,
        "tokens": 4.1e12,
        "bits_per_byte": 10.25,
        "device_hours": {"3b": 97_120},
        "solved": 164,
        "problems": 164,
        "exact_match_single_line": 1.0,
        "fragments_found": 1000,
        "fragments": 1000,
        "bytes_written": 9.5e14,
        "stages": 17,
    }
    for stage in BY_STAGE:
        found = manifest(tmp_path, f"{stage}_any", **metrics)
        found.measured["banded_over_masked"] = {"times_faster": 123.4}
        value, detail = headline(found, tmp_path)
        assert value and detail
        assert len(value) * 7.9 <= WIDTH - 7 and len(detail) * 5.6 <= WIDTH - 7, (value, detail)  # DejaVu, the widest


def test_a_stage_without_a_number_has_an_empty_box(tmp_path: Path) -> None:
    assert headline(manifest(tmp_path, "11_fused_attention"), tmp_path) == ("", "")


def test_tables_of_a_run(tmp_path: Path) -> None:
    found = {name: manifest(tmp_path, name) for name in ("01_archive", "02_licenses_and_languages")}
    run = landing.run_table(found, "commit `abc`")
    assert "| time | 2 min 20 s for 2 chapters |" in run and "| peak memory | 2.00 GB |" in run and "`abc`" in run
    chapters = landing.chapter_table(
        dict.fromkeys(found, "The archive"), {name: f"Title of {name}" for name in found}, found
    )
    lines = chapters.splitlines()
    assert lines[2] == "| The archive | [Title of 01_archive](../notebooks/01_archive.ipynb) | 1 min 10 s | 2.00 GB |"
    assert lines[3].startswith("|  | [Title of 02")
    assert "1 min 10 s on 2 cores" in landing.note(found["01_archive"])


def test_every_knob_is_listed_once_with_a_value_for_every_profile() -> None:
    names = [name for name in profiles.knobs() if name not in profiles.COMMON]
    first = Notebook(Path("01_archive.ipynb"), (), dict.fromkeys(names[:10]), "")
    second = Notebook(Path("02_licenses_and_languages.ipynb"), (), dict.fromkeys(names[5:]), "")
    declared = {notebook.stage: notebook for notebook in (first, second)}
    text = landing.parameter_tables(declared, {stage: f"{stage}: a title" for stage in declared})
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert sorted(row.split("`")[1] for row in rows) == sorted(profiles.knobs())
    assert {row.replace("\\|", "").count("|") for row in rows} == {6}
    assert text.count("## ") == 3 and "## 01_archive\n" in text


@pytest.mark.parametrize(
    ("value", "shown"), [(0.7, "0.7"), (1e5, "100,000"), (999999.4420358813, "999,999.442"), (True, "yes"), (None, "–")]
)
def test_values(value: object, shown: str) -> None:
    assert landing._value(value) == shown


def test_a_long_list_is_cut() -> None:
    assert landing._value("a,b") == "a, b" and len(landing._value("pypi/rich," * 30)) <= 20
