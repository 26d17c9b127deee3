"""The study on real tokens: a grid of tiny runs, each trained once."""

import numpy as np
import pytest

from sc2lib.errors import InputError, ParameterError
from sc2lib.scaling.study import Cell, configuration, grid, runs_of, shape, study
from tests.training.conftest import VOCABULARY, corpus, one_thread  # noqa: F401

KNOBS = {
    "vocabulary_size": VOCABULARY,
    "num_key_value_heads": 2,
    "sequence_length": 32,
    "rope_theta": 1e4,
    "tie_word_embeddings": True,
    "study_batch_size": 4,
    "study_learning_rate": 0.01,
    "study_validation_windows": 8,
    "micro_batch_size": 8,
    "precision": "32-true",
    "threads": 1,
    "checkpoint_every_steps": 50,
    "seed": 7,
}


def test_a_grid_is_every_shape_with_every_budget():
    cells = grid("1x16,2x32", "100,200,300")
    assert len(cells) == 6 and cells[0] == Cell(1, 16, 100) and cells[-1] == Cell(2, 32, 300)
    assert len({cell.name for cell in cells}) == 6


@pytest.mark.parametrize("shapes", ["16", "1x16,2y32", "1x16"])
def test_a_grid_that_is_none_is_refused(shapes):
    with pytest.raises(ParameterError, match=r"1x16,2x32|at least two"):
        grid(shapes, "100,200")


@pytest.mark.parametrize("width", [16, 32, 48, 64, 96, 128, 512])
def test_every_width_has_a_shape(width):
    model = shape(KNOBS, Cell(2, width, 1))
    assert model.hidden_size == width and model.initializer_range == width**-0.5 and model.head_size <= 64


def test_a_study_trains_each_cell_once_and_is_repeated_to_the_byte(corpus, tmp_path):  # noqa: F811
    cells, folder = grid("1x8,1x16", "512,4096"), corpus.train.parent
    first = study(KNOBS, cells, folder, tmp_path / "study")
    assert first["tokens"].to_pylist() == [512, 4096, 512, 4096]
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "study").rglob("metrics.csv")}
    assert len(stamps) == 4 and not list((tmp_path / "study").rglob("*.ckpt"))
    assert study(KNOBS, cells, folder, tmp_path / "study").equals(first)
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}
    assert study(KNOBS, cells[:1], folder, tmp_path / "again")["loss"][0] == first["loss"][0]
    losses = np.array(first["loss"])
    assert (losses < np.log(VOCABULARY) + 0.6).all() and losses[1::2].max() < losses[::2].min()
    assert runs_of(first).loss.tolist() == losses.tolist()


def test_a_cell_stretches_the_schedule_to_its_tokens(corpus, tmp_path):  # noqa: F811
    config = configuration(KNOBS, Cell(1, 16, 6400), corpus.train.parent, tmp_path)
    assert config.optimizer.steps == 50 and config.optimizer.warmup_steps == 2 and config.tokens == 6400
    assert config.optimizer.learning_rate_at(49) == pytest.approx(0.001)


def test_budgets_that_whole_steps_make_equal_are_refused(corpus, tmp_path):  # noqa: F811
    """A step reads 4 x 32 tokens and a run takes four steps or more, so both would read 512."""
    with pytest.raises(ParameterError, match="runs of 128, 256 tokens would read 512: each takes whole steps"):
        study(KNOBS, grid("1x8,1x16", "128,256"), corpus.train.parent, tmp_path)


def test_tokens_are_not_repeated(corpus, tmp_path):  # noqa: F811
    with pytest.raises(InputError, match="would repeat the"):
        study(KNOBS, grid("1x8,1x16", "256,100000000"), corpus.train.parent, tmp_path)
