"""Weights on disk in Hugging Face's layout: `config.json` beside one or several safetensors files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sc2lib.errors import InputError
from sc2lib.files import atomic, write_text
from sc2lib.model.config import ModelConfig

if TYPE_CHECKING:
    from sc2lib.model.transformer import Starcoder2

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"


def save_pretrained(model: "Starcoder2", folder: Path) -> None:
    """Write the model; the same weights give the same bytes. Each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().contiguous().cpu() for name, tensor in model.state_dict().items()}
    values = model.config.to_huggingface()
    values["dtype"] = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    with atomic(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary, metadata={"format": "pt"})
    write_text(folder / CONFIG, json.dumps(values, indent=2) + "\n")


def load_pretrained(
    kind: "type[Starcoder2]", folder: Path, device: torch.device | str, dtype: torch.dtype | None
) -> "Starcoder2":
    """Build `kind` on the meta device and put the file's tensors in its place: one copy in memory."""
    config = ModelConfig.from_huggingface(_read_json(folder / CONFIG), folder / CONFIG)
    model = kind(config, device="meta")
    expected = dict(model.state_dict())
    found: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt", device=str(device)) as file:
                for name in file.keys():  # noqa: SIM118 - not a dictionary
                    tensor = file.get_tensor(name)
                    found[name] = tensor if dtype is None else tensor.to(dtype)
        except SafetensorError as error:
            raise InputError(f"{path}: not a whole safetensors file ({error}); copy it again") from error
    _drop_tied_head(found, config, folder)
    _check(found, expected, folder)
    model.load_state_dict({name: nn.Parameter(found[name]) for name in expected}, assign=True)
    return model


def _read_json(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise InputError(f"{path} is missing; a model folder holds {CONFIG} and {WEIGHTS}")
    try:
        values: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    return values


def _weight_files(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        weight_map = _read_json(folder / INDEX)["weight_map"]
        assert isinstance(weight_map, dict)
        paths = [folder / name for name in sorted(set(weight_map.values()))]
    else:
        paths = [folder / WEIGHTS]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} is missing; a model folder holds {CONFIG} and {WEIGHTS} or all its parts")
    return paths


def _drop_tied_head(found: dict[str, Tensor], config: ModelConfig, folder: Path) -> None:
    """Some writers store the tied matrix twice."""
    if not config.tie_word_embeddings or "lm_head.weight" not in found:
        return
    head = found.pop("lm_head.weight")
    if not torch.equal(head, found.get("model.embed_tokens.weight", head)):
        raise InputError(
            f"{folder}: lm_head.weight differs from the embedding although {CONFIG} says they are tied; "
            "set tie_word_embeddings to false"
        )


def _check(found: dict[str, Tensor], expected: dict[str, Tensor], folder: Path) -> None:
    problems = [f"{name} is missing" for name in expected if name not in found]
    problems += [f"{name} is superfluous" for name in found if name not in expected]
    problems += [
        f"{name} has shape {tuple(found[name].shape)}, {CONFIG} asks for {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise InputError(f"{folder}: the weights do not fit the configuration: {'; '.join(problems[:3])}{more}")
