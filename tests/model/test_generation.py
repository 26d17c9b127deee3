import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import Starcoder2ForCausalLM

from sc2lib.errors import InputError, ParameterError
from sc2lib.model.generation import continue_prompts, generate
from sc2lib.model.parity import randomise
from sc2lib.model.sampling import sample
from sc2lib.model.transformer import Starcoder2
from tests.model.conftest import SMALL

NEW, WINDOW = 24, 8


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
    assert sample(logits, uniform, top_p=1.0).bincount(minlength=4).tolist() == [100, 600, 50, 250]
    # 0.6 alone is short of 0.8, with 0.25 it is enough: the nucleus is {1, 3}, renormalised.
    assert sample(logits, uniform, top_p=0.8).bincount(minlength=4).tolist() == [0, 706, 0, 294]
    assert sample(logits, uniform, top_p=0.5).unique().tolist() == [1]
    assert sample(logits[:1], torch.tensor([1.0]), top_p=0.8).item() == 3
    assert sample(torch.tensor([[0.0, -torch.inf, 0.0, -torch.inf]]), torch.tensor([1.0])).item() == 2


def test_the_nucleus_of_a_flat_distribution_over_a_large_vocabulary():
    generator = torch.Generator().manual_seed(11)
    logits = 0.1 * torch.randn(1, 5000, generator=generator)
    drawn = {int(sample(logits, torch.tensor([u]), top_p=0.5)) for u in torch.rand(4000, generator=generator)}
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
        ({"prompts": [[1]], "temperature": 1e-38}, "temperature must be 0, or finite and at least"),
        ({"prompts": [[1]], "top_k": 0}, "top_k"),
        ({"prompts": [[1]], "top_k": 2.5}, "top_k"),
        ({"prompts": [[1]], "temperature": 1.0, "seed": -1}, "seed must be a whole number"),
        ({"prompts": [[1], [2, 300]]}, "prompt 1 has token 300, the model's vocabulary ends at 299"),
        ({"prompts": [[1]], "max_new_tokens": -1}, "at least 0"),
    ],
)
def test_impossible_requests_are_refused(small, build, arguments, message):
    with pytest.raises(ParameterError, match=message):
        generate(build(small), **{"max_new_tokens": 4, **arguments})


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_weights_that_are_no_numbers_are_told(small, build, temperature):
    model = build(small)
    with torch.no_grad():
        model.model.norm.weight[0] = torch.nan
    with pytest.raises(InputError, match="not finite"):
        generate(model, [[1, 2]], 4, temperature=temperature)


def test_a_model_that_has_written_can_be_trained_on(small, build):
    """What generation, in inference mode, keeps for later sequences of the same length must serve training."""
    model = build(small.replace(sliding_window=16))
    tokens = torch.arange(40)[None]
    generate(model, tokens.tolist(), 4)
    model.loss(tokens, tokens).backward()
    assert model.model.embed_tokens.weight.grad.isfinite().all()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.sampled_from([1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW + 3]), min_size=1, max_size=4),
    window=st.sampled_from([None, WINDOW]),
    new=st.integers(1, 2 * WINDOW + 1),
    seed=st.integers(0, 99),
)
def test_cached_equals_uncached_for_any_batch(models, lengths, window, new, seed):
    model = models[window]
    generator = torch.Generator().manual_seed(seed)
    prompts = [torch.randint(0, 300, (length,), generator=generator).tolist() for length in lengths]
    for prompt, row in zip(prompts, continue_prompts(model, prompts, new, log_probabilities=True), strict=True):
        assert row.tokens == uncached(model, prompt, new)
        torch.testing.assert_close(
            torch.tensor(row.log_probabilities),
            uncached_log_probabilities(model, prompt, row.tokens),
            atol=1e-4,
            rtol=1e-4,
        )


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(5)
    model = Starcoder2(SMALL.replace(sliding_window=WINDOW)).eval()
    randomise(model, 5)
    whole = Starcoder2(SMALL).eval()
    whole.load_state_dict(model.state_dict())
    return {WINDOW: model, None: whole}


@torch.no_grad()
def uncached_log_probabilities(model, prompt, tokens):
    logits = model(torch.tensor([[*prompt, *tokens]]))[0, len(prompt) - 1 : -1]
    return logits.log_softmax(1).gather(1, torch.tensor(tokens)[:, None])[:, 0]


def test_log_probabilities_are_those_before_temperature_and_truncation(models, prompts):
    options = {"temperature": 1.7, "top_k": 20, "top_p": 0.9, "seed": 3}
    made = continue_prompts(models[WINDOW], prompts, NEW, log_probabilities=True, **options)
    for prompt, row in zip(prompts, made, strict=True):
        expected = uncached_log_probabilities(models[WINDOW], prompt, row.tokens)
        torch.testing.assert_close(torch.tensor(row.log_probabilities), expected, atol=1e-4, rtol=1e-4)
    assert [row.tokens for row in made] == generate(models[WINDOW], prompts, NEW, **options)
    assert continue_prompts(models[WINDOW], prompts, 2)[0].log_probabilities == []


def test_what_ended_each_row_is_told(models, prompts):
    free = generate(models[None], prompts, NEW)
    token = free[2][7]
    rows = continue_prompts(models[None], prompts, NEW, stop_tokens=(token,), stop=lambda new: len(new) == 12)
    for full, row in zip(free, rows, strict=True):
        place = full.index(token) if token in full else NEW
        expected = (full[:place], "stop token") if place < 12 else (full[:12], "stop")
        assert (row.tokens, row.ended) == expected
    assert {row.ended for row in continue_prompts(models[None], prompts, 3)} == {"length"}


def test_every_row_can_have_a_seed_of_its_own(models, prompts):
    model, options = models[None], {"temperature": 1.0}
    whole = generate(model, prompts, NEW, seed=7, **options)
    assert generate(model, prompts[2:], NEW, seed=[(7, 2), (7, 3)], **options) == whole[2:]
    assert generate(model, prompts, NEW, seed=np.int64(7), **options) == whole
    same = generate(model, [prompts[0]] * 3, NEW, seed=[1, 1, 2], **options)
    assert same[0] == same[1] != same[2]
    with pytest.raises(ParameterError, match="2 seeds for 4 prompts"):
        generate(model, prompts, NEW, seed=[1, 2], **options)


def test_top_k_keeps_the_most_likely_and_comes_before_top_p():
    probability = torch.tensor([0.1, 0.6, 0.05, 0.25])
    uniform = (torch.arange(1000) + 0.5) / 1000
    logits = probability.log().expand(1000, 4)
    assert sample(logits, uniform, top_k=1).unique().tolist() == [1]
    assert sample(logits, uniform, top_k=2).bincount(minlength=4).tolist() == [0, 706, 0, 294]
    assert torch.equal(sample(logits, uniform, top_k=9), sample(logits, uniform))
    # Of the three most likely, 0.6 is 0.6 / 0.95 > 0.63: enough alone. Of all four it is not.
    assert sample(logits, uniform, top_k=3, top_p=0.63).unique().tolist() == [1]
    assert sample(logits, uniform, top_k=None, top_p=0.63).unique().tolist() == [1, 3]
