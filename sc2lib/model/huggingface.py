"""Weights on disk in Hugging Face's layout: `config.json` beside one or several safetensors files."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from sc2lib.errors import InputError, ParameterError
from sc2lib.files import atomic
from sc2lib.model.config import ModelConfig

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
HEAD = "lm_head.weight"
MAX_SHARD_BYTES = 5 * 10**9


def save(model: nn.Module, config: ModelConfig, folder: Path, max_shard_bytes: int = MAX_SHARD_BYTES) -> None:
    """Write the model of that configuration; the same weights give the same bytes.

    Weights of more than `max_shard_bytes` go into several files with an index; a tensor larger than that has a
    file of its own. They are copied to the CPU file by file. All new files are whole on disk before the first old one
    is replaced or removed.

    Raises:
        ParameterError: `max_shard_bytes` below 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = model.state_dict()
    shards = _shards(tensors, max_shard_bytes)
    index = {
        "metadata": {"total_size": sum(map(_bytes, tensors.values()))},
        "weight_map": {name: file for name in sorted(tensors) for file, names in shards.items() if name in names},
    }
    values = config.to_huggingface()
    values["dtype"] = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
    texts = {CONFIG: values} | ({INDEX: index} if len(shards) > 1 else {})
    with ExitStack() as stack:  # renames in reverse: the weights, then what names them
        for file, content in texts.items():
            text = stack.enter_context(atomic(folder / file))
            text.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        for file, names in shards.items():
            temporary = stack.enter_context(atomic(folder / file))
            held = {name: tensors[name].detach().contiguous().cpu() for name in names}
            save_file(held, temporary, metadata={"format": "pt"})
            shutil.copymode(text, temporary)  # safetensors lets only the owner read
    for old in folder.glob("model*.safetensors*"):
        if old.name not in {*shards, *texts}:
            old.unlink()


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _shards(tensors: Mapping[str, Tensor], most: int) -> dict[str, list[str]]:
    """Names of the tensors in each file: filled in the order of the model, up to `most` bytes."""
    if most < 1:
        raise ParameterError(f"max_shard_bytes must be at least 1, not {most}")
    groups: list[list[str]] = [[]]
    used = 0
    for name, tensor in tensors.items():
        if groups[-1] and used + _bytes(tensor) > most:
            groups.append([])
            used = 0
        groups[-1].append(name)
        used += _bytes(tensor)
    if len(groups) == 1:
        return {WEIGHTS: groups[0]}
    return {f"model-{number:05d}-of-{len(groups):05d}.safetensors": names for number, names in enumerate(groups, 1)}


def read_config(folder: Path) -> ModelConfig:
    """The configuration that the folder names, or InputError."""
    return ModelConfig.from_huggingface(_read_json(folder / CONFIG), folder / CONFIG)


def load(model: nn.Module, folder: Path, device: torch.device | str, dtype: torch.dtype | None) -> None:
    """Put the files' tensors in the place of those of a model on the meta device, each read, converted, copied alone.

    Beside the model's own bytes this takes those of its largest tensor, as they are in the file.
    """
    expected = dict(model.state_dict())
    places = _places(folder)
    _check(places, expected, folder)
    for name, (path, _) in places.items():
        with _opened(path) as file:  # opened again for each tensor: its pages stay in memory until it is closed
            tensor = file.get_tensor(name)
        if not tensor.is_floating_point():
            raise InputError(f"{places[name][0]}: {name} holds {tensor.dtype}; take the original, unquantized weights")
        if name in expected:
            expected[name] = tensor.to(device, dtype or tensor.dtype, copy=True)
        elif not torch.equal(expected["model.embed_tokens.weight"].to("cpu"), tensor.to(dtype or tensor.dtype)):
            raise InputError(
                f"{folder}: lm_head.weight differs from the embedding although {CONFIG} says they are tied; "
                "set tie_word_embeddings to false"
            )
    kinds = sorted({str(tensor.dtype) for tensor in expected.values()})
    if len(kinds) > 1:
        raise InputError(f"{folder}: the weights are a mixture of {', '.join(kinds)}; name the dtype to load them as")
    model.load_state_dict({name: nn.Parameter(tensor) for name, tensor in expected.items()}, assign=True)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"{path} is missing; a model folder holds {CONFIG} and {WEIGHTS}")
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    except _Twice as error:
        raise InputError(f"{path} names {error} twice; which one counts is not clear: copy the folder again") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a JSON object; copy the folder again")
    return values


class _Twice(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a key stand twice, and Python would quietly take the last."""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return values


Places = dict[str, tuple[Path, tuple[int, ...]]]


def _places(folder: Path) -> Places:
    """The file and the shape of every tensor, the head's last; no number is read.

    Raises:
        InputError: a file is missing, damaged, or holds other tensors than the index says.
    """
    places: Places = {}
    indexed = (folder / INDEX).is_file()
    weight_map = _weight_map(folder) if indexed else {}
    for file in sorted(set(weight_map.values())) if indexed else [WEIGHTS]:
        path = folder / file
        if not path.is_file():
            listed = (
                f"{INDEX} lists it; copy it from where the others came from" if indexed else "copy the folder again"
            )
            raise InputError(f"{path} is missing; {listed}")
        with _opened(path) as opened:
            for name in opened.keys():  # noqa: SIM118 - not a dictionary
                if name in places:
                    raise InputError(f"{name} is in {path} and in {places[name][0]}; copy the folder again")
                if indexed and weight_map.get(name) != file:
                    raise InputError(f"{path} holds {name}, {INDEX} does not say so; copy the folder again")
                places[name] = path, tuple(opened.get_slice(name).get_shape())
    absent = sorted(set(weight_map) - set(places))
    if absent:
        raise InputError(
            f"{folder / weight_map[absent[0]]} lacks {absent[0]}, which {INDEX} expects there; copy it again"
        )
    return dict(sorted(places.items(), key=lambda place: place[0] == HEAD))


def _weight_map(folder: Path) -> dict[str, str]:
    weight_map = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
        isinstance(file, str) and Path(file).name == file for file in weight_map.values()
    ):
        raise InputError(f"{folder / INDEX}: weight_map must give each tensor a file of this folder; copy it again")
    return weight_map


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except SafetensorError as error:
        raise InputError(f"{path}: not a whole safetensors file ({error}); copy it again") from error


def _check(places: Places, expected: Mapping[str, Tensor], folder: Path) -> None:
    allowed = {HEAD: expected["model.embed_tokens.weight"], **expected}  # some writers store the tied matrix twice
    problems = [f"{name} is missing" for name in expected if name not in places]
    problems += [f"{name} is superfluous" for name in places if name not in allowed]
    problems += [
        f"{name} has shape {places[name][1]}, {CONFIG} asks for {tuple(tensor.shape)}"
        for name, tensor in allowed.items()
        if name in places and places[name][1] != tuple(tensor.shape)
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise InputError(
            f"{folder}: the weights do not fit the configuration: {'; '.join(problems[:3])}{more}; "
            f"take the {CONFIG} that was saved with them"
        )
