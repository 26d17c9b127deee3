"""Rows of held-out languages and sources, against a naive account of the finished model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sc2lib.model.transformer import Starcoder2
from sc2lib.training.config import TrainingConfig
from sc2lib.training.run import run
from sc2lib.training.validation import ValidationWindows, window_losses
from tests.training.conftest import Corpus

Make = Callable[..., TrainingConfig]


@pytest.fixture
def tables(corpus: Corpus, tmp_path: Path) -> dict[str, str]:
    """A held-out file of three documents: two Python files, C, and documentation without a file."""
    size = corpus.validation.stat().st_size // 2
    edges = [0, size // 3, size // 2, size]
    names = [("p", "code", ["Python"]), ("c", "code", ["C"]), ("t", "documentation", [])]
    index = [
        {"document_id": name, "split": "validation", "start": a, "end": b, "source": source, "repo_name": None}
        for (name, source, _), a, b in zip(names, edges[:-1], edges[1:], strict=True)
    ]
    documents = [
        {"document_id": name, "split": "validation", "files": [{"path": "/x", "language": each} for each in languages]}
        for name, _, languages in names
    ]
    for folder, rows in {"token_index": index, "documents": documents}.items():
        (tmp_path / folder).mkdir()
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / folder / "part-00000.parquet")
    return {folder: str(tmp_path / folder) for folder in ("token_index", "documents")}


def test_each_label_has_its_row_at_every_validation(
    configuration: Make, tables: dict[str, str], corpus: Corpus, tmp_path: Path
) -> None:
    config = configuration(steps=6, warmup_steps=1, validate_every_steps=3, checkpoint_every_steps=3, **tables)
    done = run(config)
    rows = done.metrics().to_pylist()
    for split, labels in {"language": ["(documentation)", "C", "Python"], "source": ["code", "documentation"]}.items():
        own = [row for row in rows if row["split"] == split]
        assert [(row["step"], row["label"]) for row in own] == [(step, name) for step in (0, 3, 6) for name in labels]
        for step in (0, 3, 6):
            (whole,) = [row for row in rows if row["split"] == "validation" and row["step"] == step]
            parts = [row for row in own if row["step"] == step]
            assert sum(row["targets"] for row in parts) == whole["targets"] == 8 * 64
            assert sum(row["loss"] * row["targets"] for row in parts) / whole["targets"] == pytest.approx(whole["loss"])
    windows = ValidationWindows(config.data.validation, 64, 8)
    losses = window_losses(Starcoder2.from_pretrained(done.model), windows)
    size = corpus.validation.stat().st_size // 2
    inside = (windows.targets() >= size // 3) & (windows.targets() < size // 2)
    (c,) = [row for row in rows if row["step"] == 6 and row["label"] == "C"]
    assert c["targets"] == inside.sum() and c["loss"] == pytest.approx(losses[inside].mean(), abs=1e-6)


def test_the_epoch_is_the_share_of_the_file_that_was_read(configuration: Make, corpus: Corpus) -> None:
    rows = run(configuration(steps=2, warmup_steps=1)).metrics().to_pylist()
    windows = (corpus.train.stat().st_size // 2 - 1) // 64
    assert [row["epoch"] for row in rows if row["split"] == "train"] == [4 / windows, 8 / windows]
    assert not any(row["label"] for row in rows), "nothing is traced without the tables"
    assert np.isfinite([row["loss"] for row in rows]).all()
