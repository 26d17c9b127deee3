"""The data card: counted from tables, found by `datasets`."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from sc2lib import tables
from sc2lib.corpus import data_card
from sc2lib.files import write_parquet

STAGE = "08_formatting_and_mixture"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    files = [
        {"blob_id": f"{number:040x}", "path": f"/{number}.c", "repo_name": "ada/engine|x", "language": language}
        | {"license_type": "permissive", "detected_licenses": ["MIT", "0BSD"], "length_bytes": 1000}
        for number, language in enumerate(["C", "C", "Python"])
    ]
    write_parquet(
        tmp_path / data_card.KEPT / "files/part-00000.parquet", pa.Table.from_pylist(files, schema=tables.FILES)
    )
    gone = [{"blob_id": "f" * 40, "path": "/x", "repo_name": "b/c", "length_bytes": 1, "reason": "long_lines"}]
    for stage in ("03_quality_filters", STAGE):
        write_parquet(
            tmp_path / stage / "removed/part-00000.parquet", pa.Table.from_pylist(gone, schema=tables.REMOVED)
        )
    segments = [{"token": "<file_sep>", "text": "int a;\n"}, {"token": None, "text": "int b;\n"}]
    document = {"document_id": "1" * 40, "source": "code", "repo_name": "ada/engine|x", "split": "train"}
    document |= {"segments": segments, "files": [], "length_bytes": 14}
    write_parquet(
        tmp_path / STAGE / "documents/part-00000.parquet", pa.Table.from_pylist([document], schema=tables.DOCUMENTS)
    )
    mixture = pa.table({"source": ["code"], "language": ["C"], "files": [2]})
    write_parquet(tmp_path / STAGE / "mixture/part-00000.parquet", mixture)
    return tmp_path


def test_the_card_counts(run: Path) -> None:
    text = data_card.card(run, STAGE)
    assert "1 documents (14 bytes) for training a code model, made from the 3 files (3,000 bytes) of 1 repo" in text
    for line in (
        "| C | 2 | 2,000 |",
        "| MIT | 3 |",
        "| 03_quality_filters | long_lines | 1 |",
        "| code | train | 1 | 14 |",
    ):
        assert line in text
    assert "set the knob `opt_out_contact`" in text and str(run) not in text
    assert "Write to data@example.org." in data_card.card(run, STAGE, "data@example.org")
    header = yaml.safe_load(text.split("---")[1])
    assert header["size_categories"] == ["n<1K"] and header["license"] == "other"
    assert data_card.card(run, STAGE) == text


def test_datasets_loads_every_config_of_the_card(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    import datasets

    data_card.write(run / STAGE / "README.md", run, STAGE)
    cache = str(tmp_path_factory.mktemp("cache"))
    found = {
        name: datasets.load_dataset(str(run / STAGE), name, split="train", cache_dir=cache)
        for name in data_card.CONFIGS
    }
    assert found["documents"][0]["segments"][0] == {"token": "<file_sep>", "text": "int a;\n"}
    assert found["removed"]["reason"][:] == ["long_lines"] and found["mixture"].num_rows == 1
    files = datasets.load_dataset("parquet", data_files=str(run / data_card.KEPT / "files/*.parquet"), cache_dir=cache)
    assert files["train"].column_names == tables.FILES.names
