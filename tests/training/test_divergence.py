"""The rule that stops a run, and the names it gives: checked against documents laid out by hand, and in a real run."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sc2lib.training.config import TrainingConfig
from sc2lib.training.divergence import DivergenceError, SpikeRule, message
from sc2lib.training.metrics import read_metrics
from sc2lib.training.module import Pretraining
from sc2lib.training.provenance import Origin, origins
from sc2lib.training.run import run
from tests.training.conftest import Corpus

Make = Callable[..., TrainingConfig]


@pytest.fixture
def tables(corpus: Corpus, tmp_path: Path) -> dict[str, str]:
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


def test_a_jump_above_the_median_is_a_spike() -> None:
    rule = SpikeRule(2.0, window=5, before=[9.0, 5.0, 5.1])
    assert rule.verdict(7.0, 1.0) is None, "2 nats above the median of 5.1 is 7.1"
    found = rule.verdict(7.2, 1.0)
    assert found is None, "the window is now 9, 5, 5.1, 7: median 6.05"
    assert rule.verdict(4.0, 1.0) is None and rule.verdict(4.0, 1.0) is None
    assert "more than 2" in str(rule.verdict(7.2, 1.0))
    assert "loss inf" in str(rule.verdict(math.inf, 1.0)) and "nan" in str(rule.verdict(4.0, math.nan))


def test_the_rule_waits_for_half_its_window_and_can_be_switched_off() -> None:
    assert SpikeRule(1.0, window=6, before=[1.0, 1.0]).verdict(9.0, 1.0) is None
    assert SpikeRule(1.0, window=6, before=[1.0, 1.0, 1.0]).verdict(9.0, 1.0) is not None
    off = SpikeRule(0.0, window=6, before=[1.0] * 6)
    assert off.verdict(900.0, 1.0) is None and off.verdict(math.nan, 1.0) is not None


def test_windows_are_traced_to_their_documents(corpus: Corpus, tables: dict[str, str]) -> None:
    """A window of 64 reads 65 tokens, so the window before an edge holds the first token after it."""
    size = corpus.train.stat().st_size // 2
    edge = size // 5
    crossing = (edge - 1) // 64
    found = origins([crossing], 64, **tables)
    assert [origin.document_id for origin in found] == ["d0", "d1"]
    assert found[0] == Origin("d0", "code", "pypi/p0", ("/0/a.py", "/0/b.py"))
    assert [origin.document_id for origin in origins([0, 1], 64, **tables)] == ["d0"]
    assert origins([0], 64, tables["token_index"], None)[0].paths == ()
    assert origins([0], 64, None, None) == []


def test_only_the_files_inside_a_window_are_named(tmp_path: Path) -> None:
    """A document of three files, the first behind the repository's name; each window of 4 reads 5 tokens."""
    tokens = np.array([1, 7, 9, 8, 8, 8, 9, 8, 8, 8, 8, 8, 8, 9, 8, 8, 8, 8], np.uint16)  # 9 begins a file
    row = {"document_id": "d", "split": "train", "start": 0, "end": 18, "source": "code", "repo_name": "r"}
    files = {"document_id": "d", "files": [{"path": name} for name in "abc"]}
    for name, table in (("index", row), ("documents", files)):
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist([table]), tmp_path / name / "part-00000.parquet")
    named = [
        "".join(origins([window], 4, str(tmp_path / "index"), str(tmp_path / "documents"), tokens, 9)[0].paths)
        for window in range(4)
    ]
    assert named == ["a", "ab", "b", "bc"]


def test_long_lists_are_counted() -> None:
    many = [Origin(str(k), "code", None, tuple("abcde")) for k in range(20)]
    text = message("loss nan", 3, range(8, 12), many, None)
    assert "samples 8 to 11" in text and "and 8 more documents" in text and "and 2 more)" in text
    assert "no checkpoint" in text


@pytest.mark.parametrize("factor", [math.nan, 3.0])
def test_a_bad_batch_stops_the_run_and_is_named(
    configuration: Make, tables: dict[str, str], monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """From step 10 on the loss is NaN or three times too large; what was checkpointed before stays and goes on."""
    config = configuration(checkpoint_every_steps=4, loss_spike_window=10, **tables)
    honest = Pretraining.training_step

    def broken(self: Pretraining, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        loss = honest(self, batch, batch_idx)
        if self.trainer.global_step < 9:
            return loss
        self.loss_sum *= factor
        return loss * factor

    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "training_step", broken)
        with pytest.raises(DivergenceError, match=r"at step 10, samples 36 to 39.*step-000000008") as error:
            run(config)
    samples = Pretraining(config).samples
    windows = [samples.window_of(k) for k in range(36, 40)]
    expected = {origin.document_id for origin in origins(windows, 64, **tables)}
    assert all(f"pypi/p{name[1]} (document {name}: /{name[1]}/a.py" in str(error.value) for name in expected)
    steps = read_metrics(Path(config.run.folder) / "metrics.csv").to_pylist()
    assert max(row["step"] for row in steps) == 9
    assert run(config).metrics().to_pylist()[-1]["step"] == 12
