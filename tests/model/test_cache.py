import pytest
import torch

from sc2lib.errors import UnsupportedError
from sc2lib.model.cache import KeyValueCache

PROMPTS = (1, 7, 8, 9, 20)  # below, at and above the window of 8


def right_padded(generator):
    lengths = torch.tensor(PROMPTS)
    tokens = torch.randint(0, 300, (len(PROMPTS), max(PROMPTS)), generator=generator)
    return tokens, lengths


@pytest.mark.parametrize("window", [None, 8, 1])
@torch.no_grad()
def test_cached_logits_equal_uncached_for_rows_of_any_length(small, build, window):
    model = build(small.replace(sliding_window=window))
    generator = torch.Generator().manual_seed(8)
    tokens, lengths = right_padded(generator)
    sequences = [row[:length] for row, length in zip(tokens, lengths, strict=True)]
    cache = KeyValueCache(model.config, 40)
    prompt = model(tokens, cache, lengths)
    last = prompt[torch.arange(len(PROMPTS)), lengths - 1]
    for _ in range(20):
        for row, sequence in enumerate(sequences):
            torch.testing.assert_close(last[row], model(sequence[None])[0, -1], atol=1e-4, rtol=1e-4)
        new = torch.randint(0, 300, (len(PROMPTS), 1), generator=generator)
        sequences = [torch.cat(pair) for pair in zip(sequences, new, strict=True)]
        last = model(new, cache)[:, 0]
    assert cache.lengths_B.tolist() == [length + 20 for length in PROMPTS]


@torch.no_grad()
def test_only_the_window_is_kept_and_the_formula_agrees(small, build):
    for window, slots in ((None, 40), (8, 8)):
        config = small.replace(sliding_window=window)
        cache = KeyValueCache(config, 40)
        build(config)(torch.zeros(3, 20, dtype=torch.long), cache)
        assert cache.keys[0].shape[2] == slots
        assert cache.bytes() == config.kv_cache_bytes(batch=3, length=40, bytes_per_element=4)


@torch.no_grad()
def test_rows_can_be_dropped(small, build):
    model = build(small.replace(sliding_window=8))
    tokens, lengths = right_padded(torch.Generator().manual_seed(9))
    cache = KeyValueCache(model.config, 40)
    model(tokens, cache, lengths)
    cache.select(torch.tensor([4, 1]))
    logits = model(torch.tensor([[5], [6]]), cache)[:, 0]
    for row, (source, token) in enumerate(((4, 5), (1, 6))):
        whole = torch.cat((tokens[source, : lengths[source]], torch.tensor([token])))
        torch.testing.assert_close(logits[row], model(whole[None])[0, -1], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_filled_cache_refuses_several_tokens(small, build):
    model = build(small)
    cache = KeyValueCache(small, 40)
    model(torch.zeros(1, 4, dtype=torch.long), cache)
    with pytest.raises(UnsupportedError, match="one token at a time"):
        model(torch.zeros(1, 2, dtype=torch.long), cache)
