"""A model cut over processes of this machine, which talk over gloo. tests/training/test_strategies.py trains such."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor

from sc2lib.errors import UnsupportedError
from sc2lib.model.cache import KeyValueCache
from sc2lib.model.config import ModelConfig
from sc2lib.model.generation import continue_prompts
from sc2lib.model.parity import randomise
from sc2lib.model.stop_strings import StopStrings
from sc2lib.model.transformer import Starcoder2
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.training.parallel import DATA, TENSOR, agreed, parallelise, scatter
from tests.training.conftest import VOCABULARY, Corpus
from tests.training.processes import finish, start_group

TEXTS = ("def area(", "import numpy as np\n", "for", "x = [1, 2, 3]\nreturn ")
NEW = 24
WAYS = {"greedy": {}, "sampled": {"temperature": 0.8, "top_p": 0.95, "seed": 3}}
SMALL = ModelConfig(
    vocab_size=VOCABULARY,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    sliding_window=16,
)


def written(model: Starcoder2, tokenizer: Tokenizer, agree=None) -> dict[str, list[list[int]]]:  # type: ignore[no-untyped-def]
    """What the model makes of the texts, greedily and not; stop strings end the rows at different times."""
    prompts = [tokenizer.encode(text) for text in TEXTS]
    stop = StopStrings(["e", "7"], tokenizer)
    made = {
        name: continue_prompts(model, prompts, NEW, stop=stop, agree=agree, **how)  # type: ignore[arg-type]
        for name, how in WAYS.items()
    }
    return {name: [row.tokens for row in rows] for name, rows in made.items()}


def write(rank: int, data: int, tensor: int, weights: Path, tokenizer_file: Path, results: Path) -> None:
    """One process of `data` times `tensor`: cut the model, let it write, and look at what this process holds."""
    model = Starcoder2(SMALL, device="meta")
    parallelise(model, init_device_mesh("cpu", (data, tensor), mesh_dim_names=(DATA, TENSOR)))
    scatter(Starcoder2.from_pretrained(weights) if rank == 0 else None, model, torch.device("cpu"))
    tokenizer = Tokenizer.load(tokenizer_file)
    matrices = [block.mlp.c_fc.weight.numel() for block in Starcoder2(SMALL, device="meta").model.layers]

    def agree(tokens_B: Tensor) -> Tensor:
        weights = [block.mlp.c_fc.weight for block in model.model.layers]
        assert all(isinstance(weight, DTensor) for weight in weights)
        assert [weight.to_local().numel() * data * tensor for weight in weights] == matrices
        return agreed(tokens_B)

    with pytest.raises(UnsupportedError, match="with agree"):
        written(model, tokenizer)
    result = written(model, tokenizer, agree)
    # Another seed on every process: all go on with what the first has drawn.
    disagreeing = {"temperature": 2.0, "seed": rank, "stop": lambda row: row[-1] % 3 == 0, "agree": agree}
    prompts = [tokenizer.encode(text) for text in TEXTS]
    result["disagreed"] = [row.tokens for row in continue_prompts(model, prompts, NEW, **disagreeing)]
    cache = KeyValueCache(SMALL, 8)
    with torch.no_grad():
        model.hidden(torch.tensor([[1, 2, 3]]), cache)
    assert cache.keys[0] is not None and cache.keys[0].shape[1] == SMALL.num_key_value_heads // tensor
    tokens = torch.arange(40)[None]
    model.loss(tokens, tokens).backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    whole = [each.full_tensor() if isinstance(each, DTensor) else each for each in gradients]
    result["gradient"] = float(sum(each.double().square().sum() for each in whole)) ** 0.5
    (results / f"{rank}.json").write_text(json.dumps(result))


@pytest.mark.parametrize(
    ("data", "tensor"),
    [(2, 1), (1, 2), pytest.param(2, 2, marks=pytest.mark.slow)],
    ids=["fsdp2", "tp", "fsdp2_tp"],
)
def test_a_cut_model_writes_what_it_writes_on_one_process_and_can_be_trained_afterwards(
    data: int, tensor: int, corpus: Corpus, tmp_path: Path
) -> None:
    model, tokenizer = Starcoder2(SMALL), Tokenizer.load(corpus.tokenizer)
    model.initialize(torch.Generator().manual_seed(3))
    randomise(model, seed=3)
    model.save_pretrained(tmp_path / "weights")
    alone = written(model, tokenizer)
    assert all(len({len(row) for row in rows}) > 2 for rows in alone.values())
    tokens = torch.arange(40)[None]
    model.loss(tokens, tokens).backward()
    norm = float(sum(parameter.grad.double().square().sum() for parameter in model.parameters())) ** 0.5
    arguments = (data, tensor, tmp_path / "weights", corpus.tokenizer, tmp_path)
    assert finish(start_group(data * tensor, write, *arguments)) == [0] * data * tensor
    results = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(data * tensor)]
    for result in results:
        assert {name: result[name] for name in WAYS} == alone
        assert result["disagreed"] == results[0]["disagreed"]
        assert result["gradient"] == pytest.approx(norm, rel=1e-5)
