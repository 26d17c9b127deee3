import pytest
import torch

from sc2lib.errors import ParameterError, UnsupportedError
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


@pytest.mark.parametrize(
    "lengths",
    [[0, 4], [4, 5], [-1, 4], [4], [4, 4, 4], [[4], [4]], [2.0, 4.0]],
    ids=["none", "beyond the prompt", "negative", "one for two rows", "three for two rows", "a column", "fractions"],
)
@torch.no_grad()
def test_lengths_are_one_whole_number_per_row_within_the_prompt(small, build, lengths):
    model, cache = build(small), KeyValueCache(small, 40)
    tokens = torch.zeros(2, 4, dtype=torch.long)
    with pytest.raises(ParameterError, match="lengths must be 2 whole numbers from 1 to 4"):
        model(tokens, cache, torch.tensor(lengths))
    model(tokens, cache, torch.tensor([1, 4]))  # the refusal has left the cache empty
    assert cache.lengths_B.tolist() == [1, 4]


@torch.no_grad()
def test_a_filled_cache_refuses_other_rows_and_lengths(small, build):
    model, cache = build(small), KeyValueCache(small, 40)
    model(torch.zeros(2, 4, dtype=torch.long), cache)
    for rows, lengths in ((1, None), (3, None), (2, torch.tensor([1, 1]))):
        with pytest.raises(ParameterError, match="each of its 2 rows"):
            model(torch.zeros(rows, 1, dtype=torch.long), cache, lengths)


@torch.no_grad()
def test_documents_and_a_cache_exclude_each_other(small, build):
    model, cache = build(small), KeyValueCache(small, 40)
    for tokens in (torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long)):
        with pytest.raises(UnsupportedError, match="does not keep documents apart"):
            model.hidden(tokens, cache, documents_BT=torch.zeros_like(tokens))
        model.hidden(tokens, cache)  # the first fills it
