import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Starcoder2ForCausalLM

from sc2lib.errors import InputError, ParameterError, RunDirectoryError
from sc2lib.model import huggingface
from sc2lib.model.transformer import Starcoder2


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def saved(request, small, build, tmp_path):
    model = build(small.replace(tie_word_embeddings=request.param))
    model.save_pretrained(tmp_path)
    return model, tmp_path


def same(first, second):
    pairs = zip(first.state_dict().items(), second.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_round_trip_and_equal_bytes(saved, tmp_path_factory):
    model, folder = saved
    again = Starcoder2.from_pretrained(folder)
    assert same(model, again) and again.config == model.config
    other = tmp_path_factory.mktemp("again")
    again.save_pretrained(other)
    for name in ("config.json", "model.safetensors"):
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    assert Starcoder2.from_pretrained(folder, dtype=torch.bfloat16).output_weight_VE.dtype == torch.bfloat16


def test_who_may_read_the_configuration_may_read_the_weights(saved):
    (saved[1] / "umask").touch()
    modes = {path.stat().st_mode for path in saved[1].iterdir()}
    assert len(modes) == 1


def test_a_loaded_model_trains(saved):
    model = Starcoder2.from_pretrained(saved[1])
    model.loss(torch.tensor([[1, 2]]), torch.tensor([[2, 3]])).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_shards_round_trip_through_transformers_both_ways(saved, tmp_path):
    model, _ = saved
    ours, theirs, back = (tmp_path / name for name in ("ours", "theirs", "back"))
    model.save_pretrained(ours, max_shard_bytes=80_000)
    files = sorted(path.name for path in ours.glob("*.safetensors"))
    assert len(files) > 3 and files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    sizes = [sum(t.numel() * t.element_size() for t in load_file(ours / file).values()) for file in files]
    largest = max(p.numel() * p.element_size() for p in model.parameters())
    assert max(sizes) <= max(80_000, largest)
    index = json.loads((ours / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(sizes)
    reference, report = Starcoder2ForCausalLM.from_pretrained(ours, output_loading_info=True)
    assert not any(report.values())
    reference.save_pretrained(theirs, max_shard_size="80KB")
    assert len(list(theirs.glob("*.safetensors"))) > 3
    again = Starcoder2.from_pretrained(theirs)
    assert same(model, Starcoder2.from_pretrained(ours)) and same(model, again)
    again.save_pretrained(back, max_shard_bytes=80_000)
    assert all((back / path.name).read_bytes() == path.read_bytes() for path in ours.iterdir())


def test_the_last_save_alone_is_left(saved):
    model, folder = saved
    for limit, files in ((80_000, "model-*.safetensors"), (10**9, "model.safetensors")):
        model.save_pretrained(folder, max_shard_bytes=limit)
        assert set(folder.glob("*.safetensors")) == set(folder.glob(files))
        assert same(model, Starcoder2.from_pretrained(folder))
    with pytest.raises(ParameterError, match="max_shard_bytes"):
        model.save_pretrained(folder, max_shard_bytes=0)


def test_a_disk_that_fills_up_leaves_the_old_weights(saved, monkeypatch):
    model, folder = saved
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(tensors, path, metadata):
        if "00003" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        save_file(tensors, path, metadata)

    monkeypatch.setattr(huggingface, "save_file", full)
    with pytest.raises(RunDirectoryError, match="free some space"):
        model.save_pretrained(folder, max_shard_bytes=80_000)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.fixture
def shards(small, build, tmp_path):
    build(small).save_pretrained(tmp_path, max_shard_bytes=80_000)
    return tmp_path, tmp_path / "model.safetensors.index.json"


def test_a_missing_shard_is_named(shards):
    folder, _ = shards
    lost = sorted(folder.glob("*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(InputError, match=f"{lost.name} is missing.*lists it"):
        Starcoder2.from_pretrained(folder)


def test_an_index_that_does_not_fit_its_files_is_refused(shards):
    folder, path = shards
    index = json.loads(path.read_text())
    name, other = "model.norm.bias", "model-00001-of"
    held = index["weight_map"][name]
    wrong = next(file for file in index["weight_map"].values() if file.startswith(other))
    line = f'"{name}": "{held}"'
    assert line in path.read_text()
    cases = {
        f'{line}, "{name}": "{wrong}"': f"names {name} twice",
        f'"{name}": "{wrong}"': f"holds {name}, .* does not say so",
        f'{line}, "extra": "{held}"': "lacks extra",
        f'"{name}": "../{held}"': "a file of this folder",
    }
    whole = path.read_text()
    for change, message in cases.items():
        path.write_text(whole.replace(line, change))
        with pytest.raises(InputError, match=message):
            Starcoder2.from_pretrained(folder)
    path.write_text(whole)
    save_file({**load_file(folder / wrong), name: torch.zeros(64)}, folder / wrong)
    with pytest.raises(InputError, match=f"{name}"):
        Starcoder2.from_pretrained(folder)


def test_a_second_copy_of_the_tied_matrix_must_agree(small, build, tmp_path):
    model = build(small)
    model.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    save_file(tensors, tmp_path / "model.safetensors")
    assert same(model, Starcoder2.from_pretrained(tmp_path))
    tensors["lm_head.weight"] += 1
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="tie_word_embeddings"):
        Starcoder2.from_pretrained(tmp_path)


def test_weights_that_do_not_fit_are_named(saved):
    _, folder = saved
    tensors = load_file(folder / "model.safetensors")
    weights = folder / "model.safetensors"
    moved = {**tensors, "extra": tensors["model.norm.bias"].clone()}
    del moved["model.norm.bias"]
    save_file(moved, weights)
    with pytest.raises(InputError, match=r"model\.norm\.bias is missing; extra is superfluous"):
        Starcoder2.from_pretrained(folder)
    save_file({**tensors, "model.norm.bias": torch.zeros(3)}, weights)
    with pytest.raises(InputError, match=r"shape \(3,\), config.json asks for \(64,\)"):
        Starcoder2.from_pretrained(folder)


def test_weights_of_another_kind_than_the_model_computes_with_are_named(saved):
    _, folder = saved
    tensors = load_file(folder / "model.safetensors")
    save_file({**tensors, "model.norm.bias": torch.zeros(64, dtype=torch.int8)}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.norm\.bias holds torch.int8"):
        Starcoder2.from_pretrained(folder)
    save_file({**tensors, "model.norm.bias": torch.zeros(64).half()}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"a mixture of torch\.float16, torch\.float32"):
        Starcoder2.from_pretrained(folder)
    assert Starcoder2.from_pretrained(folder, dtype=torch.float32).model.norm.bias.dtype == torch.float32


def test_damaged_and_absent_files_are_named(saved):
    _, folder = saved
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        Starcoder2.from_pretrained(folder)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        Starcoder2.from_pretrained(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(InputError, match="not a JSON object"):
        Starcoder2.from_pretrained(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        Starcoder2.from_pretrained(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json is missing"):
        Starcoder2.from_pretrained(folder)


MEMORY_CHILD = """
import ctypes, json, sys
from pathlib import Path
import torch
from sc2lib.model.config import ModelConfig
from sc2lib.model.transformer import Starcoder2

def grown(action):
    ctypes.CDLL(None).malloc_trim(0)  # freed memory goes back
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, result, after = status("VmRSS"), action(), status("VmHWM")
    return after - before, sum(p.numel() * p.element_size() for p in result.parameters())

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(name))

folder = sys.argv[1]
def save():
    model.save_pretrained(folder, max_shard_bytes=60_000_000)
    return model

small = Starcoder2(ModelConfig(vocab_size=64, hidden_size=48, intermediate_size=64, num_hidden_layers=1))
small.save_pretrained(folder)
Starcoder2.from_pretrained(folder, dtype=torch.bfloat16)  # loads the code that loading needs
shape = dict(vocab_size=4096, hidden_size=1024, intermediate_size=4096, num_hidden_layers=4, num_attention_heads=8)
model = Starcoder2(ModelConfig(**shape), device="meta").to_empty(device="cpu")
for parameter in model.parameters():
    parameter.data.fill_(1)
results = {"save": grown(save)}
del model
results["load"] = grown(lambda: Starcoder2.from_pretrained(folder))
results["convert"] = grown(lambda: Starcoder2.from_pretrained(folder, dtype=torch.bfloat16))
print(json.dumps(results))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from Linux")
def test_weights_are_never_in_memory_twice(tmp_path):
    """220 MB of weights: saving takes no copy; loading takes the model and at most two of its largest tensors."""
    largest = 4 * 4096 * 1024
    command = [sys.executable, "-c", MEMORY_CHILD, str(tmp_path)]
    results = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    extra, held = results["save"]
    assert held > 190e6 and extra < 2 * largest
    for action, share in (("load", 1), ("convert", 0.5)):
        grown, loaded = results[action]
        assert loaded == share * held
        assert grown < loaded + 2.5 * largest
