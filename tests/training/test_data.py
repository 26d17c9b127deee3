from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sc2lib.corpus.fim import FimRates
from sc2lib.errors import InputError, ParameterError
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.data import (
    IGNORED,
    MicroBatches,
    TokenWindows,
    TrainingSamples,
    accumulation_steps,
    shifted,
    training_loader,
)
from tests.training.conftest import Corpus

LENGTH = 64


def take(batches: MicroBatches, count: int) -> list[list[int]]:
    iterator = iter(batches)
    return [next(iterator) for _ in range(count)]


@pytest.fixture
def samples(corpus: Corpus) -> Callable[..., TrainingSamples]:
    tokenizer = Tokenizer.load(corpus.tokenizer)

    def make(rate: float = 0.0, seed: int = 1) -> TrainingSamples:
        return TrainingSamples(TokenWindows(corpus.train, LENGTH), tokenizer, FimRates(rate=rate), seed)

    return make


def test_windows_predict_every_token_once(corpus: Corpus) -> None:
    windows = TokenWindows(corpus.train, LENGTH)
    tokens = np.fromfile(corpus.train, np.uint16)
    targets = np.concatenate([windows[k][1:] for k in range(len(windows))])
    assert np.array_equal(targets, tokens[1 : 1 + len(windows) * LENGTH])
    assert len(tokens) - 1 - len(targets) < LENGTH


def test_an_epoch_reads_every_window_once_in_another_order(samples: Callable[..., TrainingSamples]) -> None:
    data = samples()
    count = len(data.windows)
    first, second = ([data.window_of(epoch * count + k) for k in range(count)] for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(count))
    assert first != second != list(range(count))


def test_a_sample_depends_on_its_number_only(samples: Callable[..., TrainingSamples]) -> None:
    a, b = samples(rate=1.0), samples(rate=1.0)
    for number in (5, 0, 900, 5):
        assert torch.equal(a[number][0], b[number][0])
    assert any(not torch.equal(a[k][0], samples(rate=1.0, seed=2)[k][0]) for k in range(3))


def test_fim_changes_between_epochs(samples: Callable[..., TrainingSamples]) -> None:
    """The same window, met again in the next epoch, is cut elsewhere."""
    data = samples(rate=1.0)
    count = len(data.windows)
    later = {data.window_of(count + k): count + k for k in range(count)}
    pairs = [(data[k][0], data[later[data.window_of(k)]][0]) for k in range(20)]
    assert sum(not torch.equal(a, b) for a, b in pairs) > 10


def test_padding_is_no_target() -> None:
    """FIM that shortens a window (a rare case: it adds three sentinels) fills it up with `<fim_pad>`, id 4."""
    tokens, targets = shifted(np.array([[7, 8, 9, 4, 4]], np.uint16), padding=4)
    assert tokens.tolist() == [[7, 8, 9, 4]]
    assert targets.tolist() == [[8, 9, IGNORED, IGNORED]]
    assert shifted(np.array([7, 8, 4], np.uint16))[1].tolist() == [8, 4]


@settings(max_examples=30)
@given(micro=st.integers(1, 4), parts=st.integers(1, 3), world=st.integers(1, 4), first=st.integers(0, 5))
def test_ranks_share_out_the_same_samples(micro: int, parts: int, world: int, first: int) -> None:
    """However many processes there are, step s takes samples s·G … (s+1)·G - 1, each exactly once."""
    size = micro * parts * world
    dealt = [take(MicroBatches(size, micro, first, rank, world), 2 * parts) for rank in range(world)]
    for step in range(2):
        numbers = [n for rank in dealt for part in rank[step * parts : (step + 1) * parts] for n in part]
        assert sorted(numbers) == list(range((first + step) * size, (first + step + 1) * size))


def test_a_restart_neither_repeats_nor_skips() -> None:
    whole = take(MicroBatches(8, 2), 40)
    assert take(MicroBatches(8, 2, first_step=3), 28) == whole[12:]


def test_worker_processes_do_not_change_the_order(samples: Callable[..., TrainingSamples]) -> None:
    loaders = [iter(training_loader(samples(rate=0.5), MicroBatches(4, 2), workers)) for workers in (0, 2)]
    for _ in range(4):
        (a, _), (b, _) = (next(loader) for loader in loaders)
        assert torch.equal(a, b)


def test_bad_files_and_batches_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing; 09_tokenizer"):
        TokenWindows(tmp_path / "none.bin", 8)
    (tmp_path / "odd.bin").write_bytes(b"abc")
    with pytest.raises(InputError, match="odd number of bytes"):
        TokenWindows(tmp_path / "odd.bin", 8)
    (tmp_path / "short.bin").write_bytes(b"ab" * 8)
    with pytest.raises(InputError, match="8 tokens, fewer than one window"):
        TokenWindows(tmp_path / "short.bin", 8)
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(InputError, match=r"0 tokens, .* validation_fraction"):
        TokenWindows(tmp_path / "empty.bin", 8)
    with pytest.raises(ParameterError, match="multiple of 8"):
        accumulation_steps(12, 4, 2)
