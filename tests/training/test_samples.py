"""Texts written during training: as many as promised, the same after a restart, by the weights of their step."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.token_files import read_tokens
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import TrainingSamples
from sc2lib.training.run import run
from sc2lib.training.samples import PROMPTS, SamplesFile, long_prompt, written

Make = Callable[..., TrainingConfig]


@pytest.fixture
def long(configuration: Make, held_out_index: str) -> Make:
    """Makes runs that write a long sample."""
    return partial(configuration, sample_tokens=8, long_sample=True, token_index=held_out_index)


def test_every_prompt_is_answered_at_every_validation(configuration: Make) -> None:
    config = configuration(steps=6, warmup_steps=1, validate_every_steps=4, sample_tokens=8)
    done = run(config)
    rows = done.samples().to_pylist()
    assert [row["step"] for row in rows] == [step for step in (0, 4, 6) for _ in PROMPTS]
    assert rows[-1]["tokens"] == 6 * 4 * 64
    assert [(row["before"], row["after"]) for row in rows[:5]] == [(one.before, one.after) for one in PROMPTS]
    tokenizer = Tokenizer.load(Path(config.data.tokenizer))
    last = written(Starcoder2.from_pretrained(done.model), tokenizer, 8, config.data.seed)
    assert [row["text"] for row in rows[-5:]] == last != [row["text"] for row in rows[:5]]


def test_a_long_sample_goes_on_from_the_first_repository_that_fills_the_context(long: Make) -> None:
    config = long(steps=2, warmup_steps=1)
    done = run(config)
    tokenizer = Tokenizer.load(Path(config.data.tokenizer))
    prompt = long_prompt(config.data, tokenizer, 64 - 8)
    tokens = read_tokens(Path(config.data.validation))[340 : 340 + 64 - 8]
    assert prompt is not None and prompt.tokens == tuple(tokens.tolist())
    rows = [row for row in done.samples().to_pylist() if row["before"] == prompt.before == tokenizer.decode(tokens)]
    assert [row["step"] for row in rows] == [0, 2] and {row["after"] for row in rows} == {None}
    model = Starcoder2.from_pretrained(done.model)
    assert [rows[-1]["text"]] == written(model, tokenizer, 8, config.data.seed, [prompt])
    cut = dataclasses.replace(prompt, tokens=prompt.tokens[-20:])
    assert [rows[-1]["text"]] != written(model, tokenizer, 8, config.data.seed, [cut]), "it reads all of them"


def test_without_a_repository_of_that_length_there_is_no_long_sample(long: Make) -> None:
    config = long()
    tokenizer = Tokenizer.load(Path(config.data.tokenizer))
    assert long_prompt(config.data, tokenizer, 559) is not None and long_prompt(config.data, tokenizer, 560) is None
    assert long_prompt(dataclasses.replace(config.data, token_index=None), tokenizer, 8) is None


def test_a_restart_leaves_the_same_bytes(long: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after a validation whose step has no checkpoint: its rows are cut off and written again."""
    whole, broken = (long(tmp_path / name, validate_every_steps=3) for name in ("whole", "broken"))
    run(whole)
    read = TrainingSamples.__getitem__

    def failing(self: TrainingSamples, sample: int):  # type: ignore[no-untyped-def]
        if sample == 6 * 4 + 3:
            raise KeyboardInterrupt
        return read(self, sample)

    monkeypatch.setattr(TrainingSamples, "__getitem__", failing)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(broken)
    monkeypatch.undo()
    run(broken)
    first, second = ((tmp_path / name / "samples.jsonl").read_bytes() for name in ("whole", "broken"))
    assert first == second and first.count(b"\n") == 5 * (len(PROMPTS) + 1)


def test_nothing_is_written_unless_asked(configuration: Make) -> None:
    assert run(configuration(steps=2, warmup_steps=1)).samples().num_rows == 0


def test_a_row_that_was_cut_by_a_kill_is_no_row(tmp_path: Path) -> None:
    file = SamplesFile(tmp_path / "samples.jsonl")
    rows = [{"step": step, "tokens": step, "before": "a", "after": None, "text": "b\n"} for step in (0, 2, 4)]
    file.append(rows)
    with file.path.open("a") as cut:
        cut.write('{"step": 6, "tok')
    assert file.table().to_pylist() == rows
    file.rewind(2)
    assert file.table().to_pylist() == rows[:2] and file.path.read_bytes().endswith(b"\n")
