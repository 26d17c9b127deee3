"""The rule that stops a run, and the names it gives, in a real run too."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sc2lib.errors import ParameterError
from sc2lib.training.config import TrainingConfig
from sc2lib.training.divergence import Divergence, DivergenceError, MicroBatch, SpikeRule
from sc2lib.training.launch import TrainingError
from sc2lib.training.metrics import read_metrics
from sc2lib.training.module import Pretraining
from sc2lib.training.provenance import Origin, origins
from sc2lib.training.run import run
from sc2lib.training.skips import Skips

Make = Callable[..., TrainingConfig]


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


def test_the_worst_is_named_first_and_long_lists_are_cut() -> None:
    many = tuple(Origin(str(k), "code", None, tuple("abcde")) for k in range(20))
    batches = [MicroBatch((8, 9), 2.5, many[:5]), MicroBatch((10, 11), math.nan, many), MicroBatch((12, 13), 9.0)]
    found = Divergence.of("loss nan", 3, batches, None, Skips.parse("2-7"))
    assert [one.samples[0] for one in found.batches] == [10, 12, 8]
    text = found.message(Path("run/divergence.json"))
    assert "worst first: loss nan in samples 10 to 11, which hold code (document 0: a, b, c and 2 more)" in text
    assert "document 11" in text and "document 12" not in text and "2 more micro-batches" in text
    assert "all documents: run/divergence.json" in text and "no checkpoint" in text
    assert "set skip_samples (of the second stage: long_skip_samples) to 2-13" in text


@pytest.mark.parametrize("factor", [math.nan, 3.0])
def test_a_bad_batch_stops_the_run_and_is_named(
    configuration: Make, training_tables: dict[str, str], monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Samples 38 and 39 give no loss, or one three times too large, whenever they are read; the run goes on without."""
    config = configuration(checkpoint_every_steps=4, loss_spike_window=10, **training_tables)
    honest, samples = Pretraining.training_step, Pretraining(config).samples
    bad = samples[38][0]

    def broken(self: Pretraining, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        scale = factor if (batch[0] == bad).all(dim=1).any() else 1.0
        before = self.loss_sum.clone()
        loss = honest(self, batch, batch_idx)
        self.loss_sum += (scale - 1) * (self.loss_sum - before)
        self.micro_losses[-1] *= scale
        return loss * scale

    monkeypatch.setattr(Pretraining, "training_step", broken)
    for _ in range(2):  # the second time from the checkpoint
        with pytest.raises(DivergenceError, match=r"at step 10\..*in samples 38 to 39, which.*step-000000008") as error:
            run(config)
    folder = Path(config.run.folder)
    assert max(row["step"] for row in read_metrics(folder / "metrics.csv").to_pylist()) == 9
    said = json.loads((folder / "divergence.json").read_text())
    assert [one["samples"] for one in said["micro_batches"]] == [[38, 39], [36, 37]]
    for one in said["micro_batches"]:
        windows = [samples.window_of(k) for k in one["samples"]]
        separator = Pretraining(config).tokenizer.token_id("<file_sep>")
        expected = origins(windows, 64, *training_tables.values(), samples.windows.tokens, separator)
        assert [found["document_id"] for found in one["documents"]] == [origin.document_id for origin in expected]
    worst = said["micro_batches"][0]["documents"][0]["document_id"]
    assert f"which hold pypi/p{worst[1]} (document {worst}: /{worst[1]}/" in str(error.value)
    with pytest.raises(ParameterError, match=r"learning_rate = 0\.003 \(now 0\.001\)"):
        run(configuration(learning_rate=1e-3, checkpoint_every_steps=4, loss_spike_window=10, **training_tables))
    assert said["skip_samples"] == "36-39" and "to 36-39, or to a wider range" in str(error.value)
    left_out = configuration(checkpoint_every_steps=4, loss_spike_window=10, skip_samples="36-39", **training_tables)
    assert run(left_out).metrics().to_pylist()[-1]["step"] == 12


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "tp"])
def test_several_processes_name_what_one_process_names(configuration: Make, tmp_path: Path, strategy: str) -> None:
    """A rule that no run can obey: the first loss above the one before it."""
    rule = {"loss_spike_nats": 1e-6, "loss_spike_window": 2, "batch_size": 8}
    said = []
    for name, more in (("one", {}), (strategy, {"devices": 2, "strategy": strategy})):
        with pytest.raises((DivergenceError, TrainingError), match="The worst first"):
            run(configuration(tmp_path / name, **rule, **more))
        said.append(json.loads((tmp_path / name / "divergence.json").read_text()))
    one, other = (sorted(each["micro_batches"], key=lambda batch: batch["samples"]) for each in said)
    assert said[0]["step"] == said[1]["step"] and len(one) == 4
    assert [batch["samples"] for batch in one] == [batch["samples"] for batch in other]
    for a, b in zip(one, other, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)
