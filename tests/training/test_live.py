import IPython.display
import pytest

from sc2lib.model.transformer import Starcoder2
from sc2lib.training.live import DRAWINGS, LiveLoss, train_stage
from sc2lib.training.metrics import METRICS
from sc2lib.training.samples import PROMPTS
from sc2lib.workflow import Stage
from sc2lib.workflow.run_directory import RunDirectory


class Place:
    """What `display` gives back: keeps what was shown in it."""

    def __init__(self):
        self.shown = []

    def update(self, data, raw):
        self.shown.append(data)


@pytest.fixture
def place(monkeypatch):
    place = Place()

    def display(data, raw, display_id):
        place.update(data, raw)
        return place

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.delenv("SC2_RUNNER", raising=False)
    return place


def train(path, report, steps=100):
    """Appends a row a step, as a run does, and reports it."""
    path.write_text(",".join(METRICS.names) + "\n")
    for step in range(steps + 1):
        row = {"step": step, "split": "train", "tokens": 8 * step, "loss": 5 - step / steps}
        with path.open("a") as file:
            file.write(",".join(str(row.get(name, "")) for name in METRICS.names) + "\n")
        report("loss", step, steps)


def test_the_curve_is_drawn_in_one_place_and_goes_at_the_end(tmp_path, place):
    reported = []
    with LiveLoss(tmp_path / "metrics.csv", lambda *what: reported.append(what)) as live:
        train(tmp_path / "metrics.csv", live)
    *curves, last = place.shown
    assert len(reported) == 101 and len(curves) == DRAWINGS
    assert all("<svg" in shown["image/svg+xml"] for shown in curves) and len({*map(str, curves)}) == DRAWINGS
    assert curves[-1]["text/plain"] == "loss 100 of 100" and last == {"text/markdown": "", "text/plain": ""}


def test_nobody_watches_a_chain(tmp_path, place, monkeypatch):
    monkeypatch.setenv("SC2_RUNNER", "1")
    with LiveLoss(tmp_path / "metrics.csv", lambda *what: None) as live:
        train(tmp_path / "metrics.csv", live, steps=20)
    assert not place.shown


def test_a_chapter_has_the_weights_and_the_texts_of_its_training(tmp_path, configuration, place):
    stage = Stage("12_pretraining", RunDirectory(tmp_path), "smoke", {})
    done = train_stage(configuration(steps=2, warmup_steps=1, sample_tokens=4), stage)
    assert place.shown and done.metrics()["step"].to_pylist()[-1] == 2
    assert stage.read("samples").equals(done.samples()) and done.samples().num_rows == 2 * len(PROMPTS)
    ours, theirs = (Starcoder2.from_pretrained(path).state_dict() for path in (stage.path("model"), done.model))
    assert all(ours[name].equal(theirs[name]) for name in theirs)
