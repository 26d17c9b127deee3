from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sc2lib.errors import ParameterError
from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training import validation
from sc2lib.training.data import IGNORED
from sc2lib.training.validation import (
    ValidationWindows,
    by_label,
    byte_lengths,
    label_table,
    token_losses,
    window_losses,
)
from tests.training.conftest import VOCABULARY, Corpus


@pytest.fixture(scope="module")
def model() -> Starcoder2:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return Starcoder2(ModelConfig(vocab_size=VOCABULARY, max_position_embeddings=64, **shape))


def test_windows_are_spread_over_the_file(corpus: Corpus) -> None:
    some = ValidationWindows(corpus.validation, 64, 10)
    every = ValidationWindows(corpus.validation, 64, 10**6)
    assert len(some) == 10 and some.numbers[0] == 0 and some.numbers[-1] > 0.8 * len(every)
    assert np.diff(some.numbers).min() >= len(every) // 10
    tokens = np.fromfile(corpus.validation, np.uint16)
    targets = np.concatenate([y.numpy() for _, y in some.batches(3)])
    assert np.array_equal(tokens[some.targets()], targets)


def test_longer_windows_go_as_far_as_the_file(corpus: Corpus, tmp_path: Path) -> None:
    windows = ValidationWindows(corpus.validation, 16, 40, document_end=0)
    longer = windows.longer(4)
    assert (longer.length, len(longer), longer.document_end) == (64, 5, 0)
    short = tmp_path / "short.bin"
    for tokens, times in ((17, 1), (32, 1), (33, 2), (64, 3), (65, 4), (999, 4)):
        np.arange(tokens, dtype=np.uint16).tofile(short)
        assert ValidationWindows(short, 16, 4).longer(4).length == 16 * times


def test_processes_share_the_windows(corpus: Corpus) -> None:
    windows = ValidationWindows(corpus.validation, 64, 11)
    shares = [list(windows.batches(2, rank, 3)) for rank in range(3)]
    assert [[len(targets) for _, targets in share] for share in shares] == [[2, 2]] * 3  # as many passes on all
    targets = [x for share in shares for _, batch in share for x in batch.tolist() if set(x) != {IGNORED}]
    assert sorted(targets) == sorted(x for _, batch in windows.batches(4) for x in batch.tolist())


@pytest.mark.parametrize("rank", [0, 4])
def test_more_processes_than_windows_are_refused_by_all_of_them(corpus: Corpus, rank: int) -> None:
    with pytest.raises(ParameterError, match="fewer than 5 processes"):
        next(ValidationWindows(corpus.validation, 64, 4).batches(1, dp_rank=rank, dp_size=5))


def test_token_losses_equal_the_logits_cross_entropy(
    corpus: Corpus, model: Starcoder2, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens_BT, targets_BT = next(ValidationWindows(corpus.validation, 64, 5).batches(5))
    with torch.no_grad():
        expected = F.cross_entropy(model(tokens_BT).transpose(1, 2), targets_BT, reduction="none")
    for elements in (validation.LOGITS, 64 * VOCABULARY * 2, 1):
        monkeypatch.setattr(validation, "LOGITS", elements)
        assert torch.allclose(token_losses(model, tokens_BT, targets_BT), expected, atol=1e-5)
    assert token_losses(model, tokens_BT, targets_BT).mean() == pytest.approx(
        float(model.loss(tokens_BT, targets_BT).detach()), abs=1e-5
    )


def test_labels_add_up_to_the_whole(corpus: Corpus, model: Starcoder2) -> None:
    windows = ValidationWindows(corpus.validation, 64, 6)
    losses = window_losses(model, windows, size=4)
    tokens = np.fromfile(corpus.validation, np.uint16)[windows.targets()]
    lengths = byte_lengths(Tokenizer.load(corpus.tokenizer))[tokens]
    labels = np.where(windows.targets() % 3 == 0, "third", "rest")
    rows = by_label(losses, lengths, labels)
    assert [row.label for row in rows] == ["rest", "third"]
    assert sum(row.tokens for row in rows) == losses.size == 6 * 64
    assert sum(row.text_bytes for row in rows) == lengths.sum()
    table = label_table(rows)
    assert table.column_names == ["label", "tokens", "text_bytes", "nats"]
    assert table.to_pylist() == [vars(row) for row in rows]
    mean = sum(row.loss * row.tokens for row in rows) / losses.size
    assert mean == pytest.approx(losses.mean())
    assert rows[0].bits_per_byte == pytest.approx(rows[0].nats / np.log(2) / rows[0].text_bytes)


def test_sentinels_are_no_text(corpus: Corpus) -> None:
    tokenizer = Tokenizer.load(corpus.tokenizer)
    lengths = byte_lengths(tokenizer)
    assert lengths[:34].sum() == 0
    text = "def f(x):\n    return 'ü'\n"
    assert lengths[tokenizer.encode(text)].sum() == len(text.encode())


def test_cutting_a_window_is_reading_its_pieces(corpus: Corpus, model: Starcoder2) -> None:
    long, short = (ValidationWindows(corpus.validation, length, 10**6) for length in (64, 16))
    pieces = window_losses(model, short)
    cut = window_losses(model, long, cut=16)
    assert cut.ravel() == pytest.approx(pieces.ravel()[: cut.size], abs=1e-5)
    whole = window_losses(model, long)
    assert whole[:, :16] == pytest.approx(cut[:, :16], abs=1e-5)
    assert np.abs(whole[:, 16:] - cut[:, 16:]).max() > 1e-3
