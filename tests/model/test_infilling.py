import inspect
import textwrap

import pytest
import torch

from sc2lib.errors import ParameterError
from sc2lib.model.generation import generate
from sc2lib.model.infilling import infill, infilling_prompt
from sc2lib.tokenizer.encoding import Tokenizer
from sc2lib.tokenizer.training import train

SOURCE = inspect.getsource(textwrap)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(train([SOURCE], 600))


@pytest.mark.parametrize("hole", [(0, 10), (300, 340), (len(SOURCE) - 5, len(SOURCE))])
@pytest.mark.parametrize("context", [5, 16, 64, 100_000])
def test_the_prompt_holds_what_is_nearest_to_the_hole(tokenizer, hole, context):
    before, after = SOURCE[: hole[0]], SOURCE[hole[1] :]
    tokens = infilling_prompt(tokenizer, before, after, context)
    text = tokenizer.decode(tokens)
    prefix, _, rest = text.removeprefix("<fim_prefix>").partition("<fim_suffix>")
    suffix = rest.removesuffix("<fim_middle>")
    assert before.endswith(prefix) and after.startswith(suffix)
    whole = len(tokenizer.encode(before)) + len(tokenizer.encode(after)) + 3
    assert len(tokens) == min(context, whole)


def test_a_context_without_room_is_refused(tokenizer):
    with pytest.raises(ParameterError, match="no room"):
        infilling_prompt(tokenizer, "a", "b", 4)


def test_infill_writes_the_middle_up_to_a_stop_string(small, build, tokenizer):
    model = build(small.replace(vocab_size=600))
    prefix, suffix = "def f(x):\n    return ", "\n\nprint(f(1))\n" * 40  # longer than the model's 128 tokens
    whole = infill(model, tokenizer, prefix, suffix, 12, temperature=1.0, seed=3, log_probabilities=True)
    prompt = infilling_prompt(tokenizer, prefix, suffix, 116)
    assert [whole.tokens] == generate(model, [prompt], 12, temperature=1.0, seed=3)
    assert whole.text == tokenizer.decode(whole.tokens) and len(whole.log_probabilities) == 12
    stop = whole.text[3:5]
    cut = infill(model, tokenizer, prefix, suffix, 12, stop_strings=(stop,), temperature=1.0, seed=3)
    assert (cut.text, cut.ended) == (whole.text[: whole.text.index(stop)], "stop string")


def test_an_end_beside_the_files_own_is_refused(small, build, tokenizer):
    model = build(small.replace(vocab_size=600))
    with pytest.raises(ParameterError, match="give stop_strings"):
        infill(model, tokenizer, "a", "b", 4, stop_tokens=[3])
    with pytest.raises(ParameterError, match=r"give \['def'\]"):
        infill(model, tokenizer, "a", "b", 4, stop_strings="def")


def test_a_foreign_tokenizer_is_refused(small, build, tokenizer):
    with pytest.raises(ParameterError, match=r"tokenizer\.json"):
        infill(build(small), tokenizer, "a", "b", 4)
    assert torch.is_grad_enabled()
