"""A run goes on when the code around it changes, and says which code it was."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sc2lib.errors import InputError, ParameterError
from sc2lib.training import lineage
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TrainingSamples
from sc2lib.training.lineage import Lineage, training_code
from sc2lib.training.run import run
from sc2lib.training.run_folder import TrainingRun
from sc2lib.workflow import code_version
from tests.training.conftest import Corpus
from tests.training.processes import Broken, ending_at, interrupt
from tests.training.test_run import results

Make = Callable[..., TrainingConfig]


def first_sample(config: TrainingConfig, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run, and return the first sample that was read."""
    read: list[int] = []
    original = TrainingSamples.__getitem__
    monkeypatch.setattr(TrainingSamples, "__getitem__", lambda self, n: (read.append(n), original(self, n))[1])
    run(config)
    monkeypatch.setattr(TrainingSamples, "__getitem__", original)
    return read[0]


@pytest.fixture
def change_code(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda version: monkeypatch.setattr(lineage, "training_code", lambda: version)


def test_pictures_and_tables_are_no_part_of_the_code_that_trains() -> None:
    modules = code_version.reachable("from sc2lib.training.run import run")
    assert {"sc2lib.training.module", "sc2lib.training.schedule", "sc2lib.model.loss"} <= set(modules)
    assert not {name for name in modules if "picture" in name or "tables" in name or name == "sc2lib.figures"}
    assert not {"sc2lib.training.positions", "sc2lib.training.needles", "sc2lib.training.baselines"} & set(modules)
    assert training_code() == code_version.version_of("from sc2lib.training.run import run")


def test_a_run_goes_on_under_other_code_and_names_both(
    configuration: Make, tmp_path: Path, change_code: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = (configuration(tmp_path / name) for name in ("whole", "broken"))
    change_code("old")
    run(whole)
    with ending_at(6 * 4 + 3, interrupt), pytest.raises(Broken):
        run(broken)
    change_code("new")
    assert first_sample(broken, monkeypatch) == 4 * 4, "step 5, and not step 1"
    assert results(broken) == results(whole)
    done = TrainingRun(broken)
    assert done.code == ("old", "new") and TrainingRun(whole).code == ("old",)
    saved = [Lineage.load(path / "run.json").code for path in sorted((done.folder / "checkpoints").iterdir())]
    assert saved == [("old", "new")] * 2


def test_what_other_code_finished_is_made_anew_and_stays_beside(
    configuration: Make, change_code: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configuration(steps=4, warmup_steps=1)
    folder = Path(config.run.folder)
    for number, version in enumerate(("first", "second", "third")):
        change_code(version)
        assert first_sample(config, monkeypatch) == 0
        run(config)  # finished by this code: nothing to do
        kept = [TrainingRun(config).code, *(Lineage.load(p / "finished").code for p in aside(folder))]
        assert kept == [(version,), *((name,) for name in ("first", "second")[:number])]
        assert all(len(list((p / "checkpoints").iterdir())) == 1 for p in (folder, *aside(folder)))


def aside(folder: Path) -> list[Path]:
    return sorted(folder.parent.glob(f"{folder.name}-before-*"))


def test_other_tokens_of_the_same_size_are_refused(configuration: Make, corpus: Corpus, tmp_path: Path) -> None:
    """By their content, wherever they lie: a copy goes on."""
    tokens = np.fromfile(corpus.train, np.uint16)
    copy, other = tmp_path / "copy.bin", tmp_path / "other.bin"
    tokens.tofile(copy)
    np.random.default_rng(0).permutation(tokens).tofile(other)
    with ending_at(6 * 4 + 3, interrupt), pytest.raises(Broken):
        run(configuration())
    with pytest.raises(ParameterError, match=r"data\.content\.train = \w+ \(now \w+\)"):
        run(configuration(train=str(other)))
    run(configuration(train=str(copy)))


def test_runs_of_other_values_have_other_folders(configuration: Make) -> None:
    one, other = configuration().in_own_folder(), configuration(learning_rate=1e-3).in_own_folder()
    assert Path(one.run.folder).parent == Path(other.run.folder).parent == Path(configuration().run.folder)
    assert one.run.folder != other.run.folder
    assert (
        configuration(threads=2, micro_batch_size=4, skip_samples="40-43").in_own_folder().run.folder == one.run.folder
    )


def test_a_second_stage_is_known_by_the_weights_it_starts_from(configuration: Make, tmp_path: Path) -> None:
    sizes = {"steps": 1, "warmup_steps": 0}
    models = [run(configuration(tmp_path / str(seed), seed=seed, **sizes)).model for seed in (1, 2)]
    seconds = [configuration(tmp_path / "second", initial_model=str(model)) for model in models]
    assert seconds[0].identity() != seconds[1].identity()


def test_a_damaged_lineage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    Lineage.now({"data": {"sizes": (1, 2)}}).save(path)
    assert Lineage.load(path) == Lineage.now({"data": {"sizes": [1, 2]}})
    path.write_text("{}")
    with pytest.raises(InputError, match=r"run\.json is missing or damaged"):
        Lineage.load(path)
