from pathlib import Path

import numpy as np
import pytest
import torch

from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2
from sc2lib.training import positions
from sc2lib.training.machine import accelerator, settings
from sc2lib.training.positions import (
    LOSS_BY_POSITION,
    binned,
    direction,
    loss_by_position,
    means_behind,
    measured_losses,
    measured_reach,
    paired_difference,
    placed,
    position_bins,
    write_losses,
)
from sc2lib.training.validation import ValidationWindows, autocast, window_losses


@pytest.fixture(scope="module")
def model() -> Starcoder2:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return Starcoder2(ModelConfig(vocab_size=64, max_position_embeddings=32, **shape))


def test_loss_by_position_and_bins() -> None:
    losses = np.random.default_rng(0).normal(2, 0.5, (50, 16))
    table = loss_by_position("base", losses)
    assert table.schema == LOSS_BY_POSITION and table.num_rows == 16
    assert table["loss"].to_numpy() == pytest.approx(losses.mean(0))
    assert table["standard_error"].to_numpy() == pytest.approx(losses.std(0, ddof=1) / 50**0.5)
    means, errors = binned(losses, np.array([0, 4, 16]))
    assert means == pytest.approx([losses[:, :4].mean(), losses[:, 4:].mean()])
    assert errors[1] < errors[0] < table["standard_error"].to_numpy().mean()


def test_means_behind_a_position_are_of_those_who_reach_it() -> None:
    losses = {"short": np.ones((2, 4)), "long": np.arange(6.0).repeat(2).reshape(6, 2).T}
    assert means_behind(losses, 4) == {"long": 4.5}


def test_a_single_window_has_a_mean_and_no_error(recwarn: pytest.WarningsRecorder) -> None:
    losses = np.arange(8.0)[None]
    assert np.isnan(loss_by_position("base", losses)["standard_error"].to_numpy()).all()
    means, errors = binned(losses, np.array([0, 4, 8]))
    assert means.tolist() == [1.5, 5.5] and np.isnan(errors).all()
    difference, error = paired_difference(losses, losses - 9)
    assert difference == 9 and np.isnan(error) and direction(difference, error) == "no clear difference"
    assert not recwarn.list


def test_position_bins_cover_every_position_once() -> None:
    for length in (8, 512, 2048):
        edges = position_bins(length)
        assert edges[0] == 0 and edges[-1] == length and (np.diff(edges) > 0).all()


def test_paired_difference_sees_what_levels_hide() -> None:
    """Windows that differ by nats, models that differ by a hundredth of one: only the pairs tell."""
    random = np.random.default_rng(0)
    difficulty = random.normal(3, 1, (20, 1))
    first = difficulty + random.normal(0, 0.01, (20, 8))
    second = difficulty - 0.02 + random.normal(0, 0.01, (20, 8))
    difference, error = paired_difference(second, first)
    per_window = [row.mean() - other.mean() for row, other in zip(second, first)]
    assert difference == pytest.approx(np.mean(per_window))
    assert error == pytest.approx(np.std(per_window, ddof=1) / 20**0.5)
    assert direction(difference, error) == "lower" and direction(-difference, error) == "higher"
    unpaired = np.hypot(first.mean(1).std(ddof=1), second.mean(1).std(ddof=1)) / 20**0.5
    assert direction(difference, unpaired) == "no clear difference"
    assert direction(*paired_difference(first, first)) == "no clear difference"


def test_measured_losses_repeat_and_obey_the_cut(model: Starcoder2, tmp_path: Path) -> None:
    """The first positions of a window do not know whether something follows; the later ones of a piece start anew."""
    path = tmp_path / "validation.bin"
    np.random.default_rng(0).integers(0, 64, 4 * 32 + 1).astype(np.uint16).tofile(path)
    windows = ValidationWindows(path, 32, 4)
    whole, again = (measured_losses(model, windows, 1, "32-true") for _ in range(2))
    cut = measured_losses(model, windows, 1, "32-true", cut=8)
    assert np.array_equal(whole, again) and whole.shape == cut.shape == (4, 32)
    assert whole[:, :8] == pytest.approx(cut[:, :8], abs=1e-5)
    write_losses(tmp_path / "cut.npy", model, windows, 1, "32-true", cut=8)
    assert np.array_equal(np.load(tmp_path / "cut.npy"), cut)
    assert np.abs(whole[:, 8:] - cut[:, 8:]).max() > 1e-3


def test_losses_are_measured_where_the_machine_computes_fastest(
    model: Starcoder2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No GPU here: the device "meta", which has none of the weights, stands for one."""
    path = tmp_path / "validation.bin"
    np.random.default_rng(0).integers(0, 64, 4 * 32 + 1).astype(np.uint16).tofile(path)
    windows = ValidationWindows(path, 32, 4)
    if accelerator() == "cpu":
        with settings(1, deterministic=True):
            expected = window_losses(model, windows, context=autocast("cpu", "bf16-mixed"))
        assert np.array_equal(measured_losses(model, windows, 1, "bf16-mixed", size=8), expected)
    seen: list[Starcoder2] = []
    monkeypatch.setattr(positions, "accelerator", lambda: "meta")
    monkeypatch.setattr(positions, "window_losses", lambda there, *rest, **more: seen.append(there))
    measured_losses(model, windows, 1, "32-true")
    assert {p.device.type for p in seen[0].parameters()} == {"meta"} and seen[0].config == model.config
    assert {p.device.type for p in model.parameters()} == {"cpu"}
    with placed(model, "cpu") as there:
        assert there is model


def test_the_reach_is_that_of_the_window_in_every_layer(model: Starcoder2) -> None:
    """`layers` x (window - 1) tokens; all of them when nothing limits it."""
    tokens = np.arange(64) % 60
    for layers, window in ((1, 8), (2, 1), (2, 8), (2, 9), (3, 12)):
        torch.manual_seed(layers)
        config = model.config.replace(num_hidden_layers=layers, sliding_window=window, max_position_embeddings=64)
        assert measured_reach(Starcoder2(config), tokens) == layers * (window - 1)
    assert measured_reach(model.reshaped(model.config.replace(max_position_embeddings=64)), tokens) == 63
