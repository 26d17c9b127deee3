"""One optimizer step: the same however it is cut, and the same as transformers' and PyTorch's own."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sc2lib.errors import ParameterError
from sc2lib.training.config import TrainingConfig
from sc2lib.training.data import IGNORED, TrainingSamples
from sc2lib.training.module import Pretraining, initial_model
from sc2lib.training.optimizer import adamw
from sc2lib.training.run import run

Make = Callable[..., TrainingConfig]


@pytest.mark.parametrize("micro", [1, 2, 4])
def test_a_step_does_not_depend_on_its_micro_batches(
    configuration: Make, tmp_path: Path, micro: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although micro-batches count different numbers of targets: sample k ignores its first k mod 7 ones."""
    read = TrainingSamples.__getitem__

    def uneven(self: TrainingSamples, sample: int) -> tuple[torch.Tensor, torch.Tensor]:
        tokens, targets = read(self, sample)
        targets[: sample % 7] = IGNORED
        return tokens, targets

    monkeypatch.setattr(TrainingSamples, "__getitem__", uneven)
    whole = run(configuration(tmp_path / "whole", micro_batch_size=4, steps=5)).metrics()
    parts = run(configuration(tmp_path / "parts", micro_batch_size=micro, steps=5)).metrics()
    for name in ("loss", "grad_norm"):
        pairs = zip(whole[name].to_pylist(), parts[name].to_pylist(), strict=True)
        assert all(a == b or a == pytest.approx(b, rel=1e-5) for a, b in pairs)


def test_loss_equals_transformers(configuration: Make, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    module = Pretraining(configuration(micro_batch_size=4))
    module.model.save_pretrained(tmp_path / "model")
    other = transformers.Starcoder2ForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    tokens_BT, targets_BT = (torch.stack(part) for part in zip(*(module.samples[k] for k in range(4)), strict=True))
    logits = other(input_ids=tokens_BT).logits
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORED)
    assert module.model.loss(tokens_BT, targets_BT, IGNORED).item() == pytest.approx(expected.item(), abs=1e-5)


def test_matrices_decay_and_the_rest_does_not(configuration: Make) -> None:
    config = configuration()
    model = initial_model(config)
    decayed, kept = adamw(model, config.optimizer).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert all(names[id(p)].endswith("weight") and "norm" not in names[id(p)] for p in decayed["params"])
    assert all(names[id(p)].endswith("bias") or "norm" in names[id(p)] for p in kept["params"])
    assert len(decayed["params"]) + len(kept["params"]) == len(names)


def test_one_step_equals_the_formula(configuration: Make, tmp_path: Path) -> None:
    """The first step of AdamW moves by the learning rate along the sign of the gradient, and decays."""
    config = configuration(steps=1, warmup_steps=0, gradient_clip=1e9, micro_batch_size=4)
    module = Pretraining(config)
    before = {name: parameter.detach().clone() for name, parameter in module.model.named_parameters()}
    batch = tuple(torch.stack(part) for part in zip(*(module.samples[k] for k in range(4)), strict=True))
    module.training_step(batch, 0).backward()
    gradients = {name: parameter.grad.clone() for name, parameter in module.model.named_parameters()}
    done = run(config)
    from safetensors.torch import load_file

    after = load_file(done.model / "model.safetensors")
    rate = config.optimizer.learning_rate
    for name, old in before.items():
        decay = 0.1 if old.ndim >= 2 else 0.0
        g = gradients[name]
        expected = old * (1 - rate * decay) - rate * g / (g.abs() + 1e-8)
        assert torch.allclose(after[name], expected, atol=1e-6)


MEMORY_CHILD = """
import ctypes, json, sys
from pathlib import Path
import torch
from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2
from sc2lib.training.config import TrainingConfig
from sc2lib.training.module import initial_model

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

config, small = map(TrainingConfig.load, map(Path, sys.argv[1:]))
for one, fill in ((small, 0), (config, 1)):
    model = Starcoder2(one.model, device="meta").to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.data.fill_(fill)
    model.save_pretrained(one.initial_model)
    del model
initial_model(small)  # loads the code that loading needs
ctypes.CDLL(None).malloc_trim(0)  # freed memory goes back
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before, model, after = status("VmRSS"), initial_model(config), status("VmHWM")
parameters = list(model.parameters())
assert all(parameter.requires_grad and parameter.flatten()[0] == 1 for parameter in parameters)
print(json.dumps([after - before, sum(p.numel() * p.element_size() for p in parameters)]))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from Linux")
def test_the_weights_of_the_first_stage_are_in_memory_once(configuration: Make, tmp_path: Path) -> None:
    """220 MB of weights: the second stage begins with the model and at most three of its largest tensors."""
    shape = {"vocab_size": 4096, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 4}
    for name, more in (("large", shape), ("small", {})):
        configuration(initial_model=str(tmp_path / f"model-{name}"), **more).save(tmp_path / f"{name}.json")
    command = [sys.executable, "-c", MEMORY_CHILD, str(tmp_path / "large.json"), str(tmp_path / "small.json")]
    peak, held = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert held > 190e6 and peak < held + 3 * 4 * 4096 * 1024


def test_the_seed_decides_the_weights(configuration: Make) -> None:
    a, b, c = (initial_model(configuration(seed=seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["model.embed_tokens.weight"], c["model.embed_tokens.weight"])


@pytest.mark.parametrize("vocabulary", [256, 640])
def test_a_vocabulary_other_than_the_tokenizers_is_refused(configuration: Make, vocabulary: int) -> None:
    with pytest.raises(ParameterError, match="set vocabulary_size to the tokenizer's"):
        Pretraining(configuration(vocab_size=vocabulary))
