import pytest
import torch

from sc2lib.model import decoding
from sc2lib.model.cache import KeyValueCache
from sc2lib.model.decoding import PackedModel, PlainModel, fitting_threads, packed_or_plain


def logits_of(kind, tokens_BT, model):
    """Logits after each of the last tokens, read one by one, [step, B, V]; then row 0 leaves, for two steps."""
    cache = KeyValueCache(model.config, tokens_BT.shape[1])
    steps = []
    with torch.inference_mode():
        model.hidden(tokens_BT[:, :3], cache)
        for place in range(3, tokens_BT.shape[1] - 2):
            steps.append(kind.logits(kind.hidden(tokens_BT[:, place], cache)))
        if len(tokens_BT) > 1:
            cache.select(torch.arange(1, len(tokens_BT)))
            steps += [kind.logits(kind.hidden(tokens_BT[1:, place], cache)) for place in (-2, -1)]
    return torch.cat(steps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [{}, {"num_key_value_heads": 4, "use_bias": False}, {"num_key_value_heads": 1, "tie_word_embeddings": False}],
    ids=["grouped", "one key head each, no bias", "one key head, untied"],
)
@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("large", [1, decoding.LARGE], ids=["one row twice", "one row as it is"])
def test_packed_weights_give_the_logits_of_the_model(small, build, changes, rows, dtype, window, large, monkeypatch):
    monkeypatch.setattr(decoding, "LARGE", large)
    model = build(small.replace(sliding_window=window, **changes)).to(dtype)
    tokens_BT = torch.randint(0, model.config.vocab_size, (rows, 12), generator=torch.Generator().manual_seed(1))
    plain, packed = (logits_of(kind, tokens_BT, model) for kind in (PlainModel(model), PackedModel(model, rows)))
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    assert plain.std() > 0.1 and torch.allclose(packed, plain, rtol=tolerance, atol=tolerance)


def test_a_second_copy_is_made_only_where_it_pays(small, build, monkeypatch):
    model = build(small)
    assert isinstance(packed_or_plain(model, 2, decoding.FEWEST_TOKENS - 1), PlainModel)
    assert isinstance(packed_or_plain(model.to(torch.float64), 2, 100), PlainModel)
    model = model.to(torch.float32)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    assert isinstance(packed_or_plain(model, 2, 100), PlainModel)
    monkeypatch.undo()
    monkeypatch.setattr(decoding, "MOST_BYTES", 10)
    assert isinstance(packed_or_plain(model, 2, 100), PlainModel)


def test_little_work_is_done_on_one_thread_which_gives_the_others_back(small, build, monkeypatch):
    model, before = build(small), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with fitting_threads(model, rows=2):
            assert torch.get_num_threads() == 1
        monkeypatch.setattr(decoding, "SHARED_WORK", 10)
        with fitting_threads(model, rows=2):
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
