import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sc2lib.errors import InputError
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


def test_a_loaded_model_trains(saved):
    model = Starcoder2.from_pretrained(saved[1])
    model.loss(torch.tensor([[1, 2]]), torch.tensor([[2, 3]])).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_reads_several_files(saved):
    model, folder = saved
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for part, held in parts.items():
        save_file({name: tensors[name] for name in held}, folder / part)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {name: part for part, held in parts.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert same(model, Starcoder2.from_pretrained(folder))
    (folder / "b.safetensors").unlink()
    with pytest.raises(InputError, match=r"b\.safetensors is missing"):
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


def test_damaged_and_absent_files_are_named(saved):
    _, folder = saved
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        Starcoder2.from_pretrained(folder)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        Starcoder2.from_pretrained(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        Starcoder2.from_pretrained(folder)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json is missing"):
        Starcoder2.from_pretrained(folder)
