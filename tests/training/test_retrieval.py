import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2
from sc2lib.training.needles import Probe, distance_ranges
from sc2lib.training.retrieval import (
    RETRIEVAL,
    Answered,
    batches,
    gains,
    judged,
    reader,
    retrieval,
    write_retrieval,
)

VOCABULARY = 64
WINDOW, LAYERS = 24, 2


def probes(count: int = 12) -> list[Probe]:
    """Random contexts of tokens 0 to 31 with a cue that nothing else holds before the needle and at the end."""
    random = np.random.default_rng(0)
    found = []
    for k in range(count):
        context = random.integers(0, 32, 150).astype(np.uint16)
        needle, answer = 22 + 9 * k, random.permutation(np.arange(32, 48))[:3].astype(np.uint16)
        context[needle : needle + 3] = answer
        context[[needle - 1, -1]] = 63
        found.append(Probe(str(k), context, needle, answer, (answer - 32 + 1) % 16 + 32))
    return found


def copier(contexts: Sequence[np.ndarray], answers: Sequence[np.ndarray]) -> list[Answered]:
    """Looks the last token up in the context and goes on as the text did there: retrieval by construction."""
    found = []
    for context, answer in zip(contexts, answers, strict=True):
        text, logits = context.tolist(), torch.zeros(len(answer), VOCABULARY)
        for k in range(len(answer)):
            place = len(text) - 2 - text[-2::-1].index(text[-1]) if text[-1] in text[:-1] else len(text) - 2
            logits[k, text[place + 1]] = 9.0
            text.append(int(answer[k]))
        found.append(judged(logits, torch.from_numpy(answer.astype(np.int64))))
    return found


def ignorant(contexts: Sequence[np.ndarray], answers: Sequence[np.ndarray]) -> list[Answered]:
    """Knows how often tokens come, and nothing of the context."""
    logits = -torch.arange(VOCABULARY).float()
    return [judged(logits.expand(len(x), -1), torch.from_numpy(x.astype(np.int64))) for x in answers]


@pytest.fixture(scope="module")
def model() -> Starcoder2:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
    return Starcoder2(ModelConfig(vocab_size=VOCABULARY, max_position_embeddings=256, sliding_window=WINDOW, **shape))


def test_a_reader_that_copies_finds_every_needle() -> None:
    table = retrieval("copier", "names", probes(), copier)
    assert table.schema == RETRIEVAL and all(table["found"].to_pylist()) and not any(table["guessed"].to_pylist())
    for gain in gains(table, distance_ranges(256)):
        assert gain.clear and gain.mean > 5 and (gain.found, gain.guessed) == (1.0, 0.0)


def test_a_reader_that_does_not_look_finds_none() -> None:
    table = retrieval("ignorant", "names", probes(), ignorant)
    assert not any(table["found"].to_pylist())
    assert all(gain.mean == 0 and not gain.clear for gain in gains(table, distance_ranges(256)))


def test_a_window_hides_what_is_out_of_reach_to_the_last_bit(model: Starcoder2) -> None:
    """Layers x (window - 1) tokens back, and not one more: the last token of the needle is `distance` - 1 away."""
    table = retrieval("windowed", "names", probes(), reader(model, 1, "32-true"))
    reach = LAYERS * (WINDOW - 1)
    gain = table["log_probability"].to_numpy() - table["log_probability_without"].to_numpy()
    within = table["distance"].to_numpy() - 1 <= reach
    assert 2 <= within.sum() < len(within) - 2
    assert (gain[~within] == 0).all() and (gain[within] != 0).all()


def test_reading_in_batches_equals_reading_one_by_one(model: Starcoder2) -> None:
    contexts = [probe.context[k:] for k, probe in enumerate(probes())]
    answers = [probe.answer for probe in probes()]
    together = reader(model, 1, "32-true")(contexts, answers)
    for context, answer, verdict in zip(contexts, answers, together, strict=True):
        tokens = torch.from_numpy(np.concatenate([context, answer]).astype(np.int64))[None]
        with torch.no_grad():
            losses = torch.nn.functional.cross_entropy(model(tokens)[0, :-1], tokens[0, 1:], reduction="none")
        assert verdict.log_probability == pytest.approx(-float(losses[-len(answer) :].mean()), abs=1e-5)


def test_batches_hold_every_row_once_within_the_limit() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 57).tolist()
    groups = batches(lengths, limit=200)
    assert sorted(itertools.chain.from_iterable(groups)) == list(range(57))
    assert all(len(group) * max(lengths[k] for k in group) <= 200 for group in groups)
    assert batches([500], limit=200) == [[0]]


def test_gains_are_means_over_the_probes_of_a_range(tmp_path: Path, model: Starcoder2) -> None:
    read = reader(model, 1, "32-true")
    write_retrieval(tmp_path / "windowed.parquet", "windowed", {"names": probes(), "planted": probes(3)}, read)
    table = pq.read_table(tmp_path / "windowed.parquet")
    assert table["form"].to_pylist() == ["names"] * 12 + ["planted"] * 3
    rows = table.slice(0, 12).to_pylist()
    for gain in gains(table.slice(0, 12), [(32, 64), (64, 128)]):
        own = [row for row in rows if gain.low <= row["distance"] < gain.high]
        values = [row["log_probability"] - row["log_probability_without"] for row in own]
        assert (gain.probes, gain.mean) == (len(own), pytest.approx(np.mean(values)))
        assert gain.error == pytest.approx(np.std(values, ddof=1) / len(own) ** 0.5)
    assert gains(table, [(1, 2)]) == []
