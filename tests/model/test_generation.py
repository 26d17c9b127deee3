import pytest
import torch
from transformers import Starcoder2ForCausalLM

from sc2lib.errors import ParameterError
from sc2lib.model.generation import generate, sample

NEW = 24


@pytest.fixture
def prompts():
    generator = torch.Generator().manual_seed(10)
    return [torch.randint(0, 300, (length,), generator=generator).tolist() for length in (3, 20, 8, 9)]


@torch.no_grad()
def uncached(model, prompt, new):
    tokens = list(prompt)
    for _ in range(new):
        tokens.append(int(model(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("window", [None, 8])
def test_greedy_equals_uncached_token_for_token(small, build, prompts, window):
    model = build(small.replace(sliding_window=window))
    assert generate(model, prompts, NEW) == [uncached(model, prompt, NEW) for prompt in prompts]


@pytest.mark.parametrize("window", [None, 8])
def test_greedy_equals_transformers(small, build, prompts, window, tmp_path):
    model = build(small.replace(sliding_window=window))
    model.save_pretrained(tmp_path)
    theirs = Starcoder2ForCausalLM.from_pretrained(tmp_path)
    for prompt, ours in zip(prompts, generate(model, prompts, NEW), strict=True):
        tokens = torch.tensor([prompt])
        output = theirs.generate(
            tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=NEW, do_sample=False, eos_token_id=None
        )
        assert output[0, len(prompt) :].tolist() == ours


def test_sampling_is_seeded_and_a_row_does_not_depend_on_its_neighbours(small, build, prompts):
    model = build(small)
    together = generate(model, prompts, NEW, temperature=0.8, top_p=0.95, seed=1)
    assert together == generate(model, prompts, NEW, temperature=0.8, top_p=0.95, seed=1)
    assert together != generate(model, prompts, NEW, temperature=0.8, top_p=0.95, seed=2)
    assert generate(model, prompts[:1], NEW, temperature=0.8, top_p=0.95, seed=1) == together[:1]
    assert generate(model, prompts[:1] * 2, NEW, temperature=0.8, seed=1)[1] != together[0]


def test_each_row_stops_on_its_own(small, build, prompts):
    model = build(small)
    free = generate(model, prompts, NEW)
    stop_token = free[1][5]
    stopped = generate(model, prompts, NEW, stop_tokens=(stop_token,))
    for full, cut in zip(free, stopped, strict=True):
        assert cut == (full[: full.index(stop_token)] if stop_token in full else full)
    assert generate(model, prompts, NEW, stop=lambda new: len(new) == 4) == [full[:4] for full in free]
    assert generate(model, prompts, 0) == [[], [], [], []]
    assert generate(model, [], NEW) == []


def test_sample_follows_the_distribution_and_the_nucleus():
    probability = torch.tensor([0.1, 0.6, 0.05, 0.25])
    uniform = (torch.arange(1000) + 0.5) / 1000
    logits = probability.log().expand(1000, 4)
    assert sample(logits, 1.0, uniform).bincount(minlength=4).tolist() == [100, 600, 50, 250]
    # 0.6 alone is short of 0.8, with 0.25 it is enough: the nucleus is {1, 3}, renormalised.
    assert sample(logits, 0.8, uniform).bincount(minlength=4).tolist() == [0, 706, 0, 294]
    assert sample(logits, 0.5, uniform).unique().tolist() == [1]
    assert sample(logits[:1], 0.8, torch.tensor([1.0])).item() == 3
    assert sample(torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]]), 1.0, torch.tensor([1.0])).item() == 2


def test_the_nucleus_of_a_flat_distribution_over_a_large_vocabulary():
    generator = torch.Generator().manual_seed(11)
    logits = 0.1 * torch.randn(1, 5000, generator=generator)
    drawn = {int(sample(logits, 0.5, torch.tensor([u]))) for u in torch.rand(4000, generator=generator)}
    probability, order = logits[0].softmax(0).sort(descending=True)
    nucleus = order[: int((probability.cumsum(0) < 0.5).sum()) + 1].tolist()
    assert drawn <= set(nucleus)
    assert len(drawn) > 0.7 * len(nucleus) > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": [[1], []]}, "prompt 1 is empty"),
        ({"prompts": [[1] * 100], "max_new_tokens": 29}, "beyond the model's 128"),
        ({"prompts": [[1]], "temperature": -1.0}, "temperature"),
        ({"prompts": [[1]], "top_p": 0.0}, "top_p"),
    ],
)
def test_impossible_requests_are_refused(small, build, arguments, message):
    with pytest.raises(ParameterError, match=message):
        generate(build(small), **{"max_new_tokens": 4, **arguments})
