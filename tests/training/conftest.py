"""Real tokens for the tests: a few modules of the standard library, through a tokenizer trained on them."""

import argparse
import csv
import heapq
import itertools
import json.decoder
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sc2lib.corpus.fim import FimRates
from sc2lib.model.config import ModelConfig
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.training import train
from sc2lib.training.config import DataConfig, OptimizerConfig, RunConfig, TrainingConfig

VOCABULARY = 512
MODULES = (argparse, csv, heapq, json.decoder, textwrap)


@dataclass(frozen=True)
class Corpus:
    """Files of real tokens."""

    train: Path
    validation: Path
    tokenizer: Path


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums are split by the number of threads: one, so that results are the same everywhere."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """argparse, csv, heapq, json.decoder and textwrap as training tokens; part of argparse held out."""
    folder = tmp_path_factory.mktemp("corpus")
    texts = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in MODULES]
    train(texts, VOCABULARY).save(str(folder / "tokenizer.json"))
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    documents = [tokenizer.encode_segments([("<file_sep>", text)]) for text in texts]
    end = np.array([tokenizer.end_of_text], np.uint16)
    held_out, documents[0] = documents[0][:4000], documents[0][4000:]
    np.concatenate([part for document in documents for part in (document, end)]).tofile(folder / "train.bin")
    np.concatenate([held_out, end]).tofile(folder / "validation.bin")
    return Corpus(folder / "train.bin", folder / "validation.bin", folder / "tokenizer.json")


@pytest.fixture
def held_out_index(tmp_path: Path) -> str:
    """A token index of the held-out tokens: of its documents of code, the first is too short for a long sample."""
    documents = [("notes", "issues", 0, 300), ("short", "code", 300, 340), ("long", "code", 340, 900)]
    documents.append(("rest", "issues", 900, 4001))
    names = ("document_id", "source", "start", "end")
    rows = [dict(zip(names, row, strict=True), split="validation") for row in documents]
    (tmp_path / "index").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "index" / "part-00000.parquet")
    return str(tmp_path / "index")


@pytest.fixture
def training_tables(corpus: Corpus, tmp_path: Path) -> dict[str, str]:
    """Folders of a token index and of documents that cut the training file into five documents of two files each."""
    size = corpus.train.stat().st_size // 2
    edges = np.linspace(0, size, 6).astype(int).tolist()
    index = [
        {"document_id": f"d{k}", "split": "train", "start": a, "end": b, "source": "code", "repo_name": f"pypi/p{k}"}
        for k, (a, b) in enumerate(itertools.pairwise(edges))
    ]
    held_out = corpus.validation.stat().st_size // 2
    index.append({"document_id": "held", "split": "validation", "start": 0, "end": held_out, "source": "code"})
    documents = [{"document_id": f"d{k}", "files": [{"path": f"/{k}/{n}.py"} for n in "ab"]} for k in range(5)]
    documents = [row | {"split": "train"} for row in documents]
    folders = {"token_index": index, "documents": documents}
    for name, rows in folders.items():
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name / "part-00000.parquet")
    return {name: str(tmp_path / name) for name in folders}


@pytest.fixture
def configuration(corpus: Corpus, tmp_path: Path) -> Callable[..., TrainingConfig]:
    """Make a configuration of a tiny run; keywords replace fields of any of its parts."""

    def make(folder: Path | None = None, initial_model: str | None = None, **changes: Any) -> TrainingConfig:
        values: dict[type, dict[str, Any]] = {
            ModelConfig: {
                "vocab_size": VOCABULARY,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "max_position_embeddings": 64,
            },
            DataConfig: {
                "train": str(corpus.train),
                "validation": str(corpus.validation),
                "tokenizer": str(corpus.tokenizer),
                "sequence_length": 64,
                "batch_size": 4,
                "micro_batch_size": 2,
                "validation_windows": 8,
                "fim": FimRates(),
                "seed": 7,
            },
            OptimizerConfig: {"steps": 12, "learning_rate": 3e-3, "minimum_learning_rate": 3e-4, "warmup_steps": 3},
            RunConfig: {
                "folder": str(folder or tmp_path / "run"),
                "threads": 1,
                "precision": "32-true",
                "validate_every_steps": 4,
                "checkpoint_every_steps": 4,
                "accelerator": "cpu",
            },
        }
        for name, value in changes.items():
            owner = next(kind for kind in values if name in kind.__dataclass_fields__)
            values[owner][name] = value
        return TrainingConfig(
            model=ModelConfig(**values[ModelConfig]),
            data=DataConfig(**values[DataConfig]),
            optimizer=OptimizerConfig(**values[OptimizerConfig]),
            run=RunConfig(**values[RunConfig]),
            initial_model=initial_model,
        )

    return make
