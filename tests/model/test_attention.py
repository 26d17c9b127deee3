import functools
import itertools
import warnings

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask

from sc2lib.errors import ParameterError, UnsupportedError
from sc2lib.model.attention import BACKENDS, AttentionPlan, attend, attend_cached, documents_of, products, visible
from sc2lib.model.attention import backends as computations
from sc2lib.model.attention.masks import TILE, block_mask, boundaries, first_visible, flex_length, last_viewer
from sc2lib.model.memory import peak_bytes

HEADS, SIZE, WINDOW = 4, 16, 8
ONE_DOCUMENT = torch.zeros(2, 9, dtype=torch.long)


def draw(length, groups, dtype=torch.float32, batch=2):
    generator = torch.Generator().manual_seed(length * 10 + groups)
    shapes = [(batch, HEADS, length, SIZE)] + 2 * [(batch, groups, length, SIZE)]
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def draw_documents(length, count, batch=2):
    """Up to `count` documents per row, cut anywhere, in every row elsewhere; none for `count` 0."""
    generator = torch.Generator().manual_seed(length + count)
    drawn = torch.randint(0, max(count, 1), (batch, length), generator=generator).sort(dim=1).values
    return drawn if count else None


def results(name, length, window, documents, groups=2, dtype=torch.float32):
    """Output and the gradients of queries, keys and values, every element of the output weighted differently."""
    q, k, v = draw(length, groups, dtype)
    plan = AttentionPlan.build(length, window, backend=name, documents_BT=documents, dtype=dtype)
    out = attend(q, k, v, plan)
    (out.float() * torch.arange(out.numel()).view_as(out).sin()).sum().backward()
    return [out.detach(), q.grad, k.grad, v.grad]


def assert_same(found, expected, atol, rtol):
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.float(), theirs, atol=atol, rtol=rtol)


def spans(numbers):
    """The slice of each document of one row."""
    cuts = [t for t in range(len(numbers)) if t == 0 or numbers[t] != numbers[t - 1]]
    return [slice(a, b) for a, b in itertools.pairwise([*cuts, len(numbers)])]


def loop(q, k, v, window, documents=None):
    """Attention with one Python loop per query: independent of masks, blocks and grouped heads."""
    batch, heads, length, size = q.shape
    if documents is not None:
        rows = [
            torch.cat([loop(*(x[b : b + 1, :, d] for x in (q, k, v)), window) for d in spans(documents[b])], dim=2)
            for b in range(batch)
        ]
        return torch.cat(rows)
    out = torch.zeros_like(q)
    for t in range(length):
        keys = [s for s in range(length) if 0 <= t - s < (window or length)]
        for head in range(heads):
            group = head * k.shape[1] // heads
            scores = torch.einsum("bd,bsd->bs", q[:, head, t], k[:, group, keys]) / size**0.5
            out[:, head, t] = torch.einsum("bs,bsd->bd", scores.softmax(-1), v[:, group, keys])
    return out


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("length", [1, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW, 3 * WINDOW + 5])
@pytest.mark.parametrize("window", [None, WINDOW, 1])
@torch.no_grad()
def test_naive_equals_the_loop(groups, length, window):
    q, k, v = draw(length, groups)
    plan = AttentionPlan.build(length, window, backend="naive")
    torch.testing.assert_close(attend(q, k, v, plan), loop(q, k, v, window))


@pytest.mark.parametrize("documents", [1, 2, 5])
@pytest.mark.parametrize("window", [None, WINDOW])
@torch.no_grad()
def test_documents_are_attended_to_as_if_each_stood_alone(documents, window):
    q, k, v = draw(37, 2)
    numbers = draw_documents(37, documents)
    plan = AttentionPlan.build(37, window, backend="naive", documents_BT=numbers)
    torch.testing.assert_close(attend(q, k, v, plan), loop(q, k, v, window, numbers))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("length", [WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW - 1, 2 * WINDOW, 37])
@pytest.mark.parametrize("window", [None, WINDOW, 1])
@pytest.mark.parametrize("backend", ["auto", "masked"])
@pytest.mark.parametrize("documents", [0, 1, 4])
def test_every_back_end_equals_naive_in_values_and_gradients(groups, length, window, backend, documents):
    numbers = draw_documents(length, documents)
    found, expected = (results(name, length, window, numbers, groups) for name in (backend, "naive"))
    assert_same(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("length", [255, 256, 257, 700])
@pytest.mark.parametrize("window", [None, 100, 256, 257])
@pytest.mark.parametrize("documents", [0, 3])
@pytest.mark.parametrize("backend", ["auto", "products"])
def test_bands_equal_naive_over_several_blocks(length, window, documents, backend):
    numbers = draw_documents(length, documents)
    found, expected = (results(name, length, window, numbers) for name in (backend, "naive"))
    assert_same(found, expected, atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("documents", [0, 3])
def test_products_go_through_a_large_batch_in_pieces(monkeypatch, groups, documents):
    numbers = draw_documents(300, documents)
    whole = results("products", 300, 100, numbers, groups)
    assert_same(whole, results("naive", 300, 100, numbers, groups), atol=5e-5, rtol=1e-4)
    monkeypatch.setattr(products, "SCORES", 1)
    assert_same(results("products", 300, 100, numbers, groups), whole, atol=1e-6, rtol=1e-6)


def test_products_keep_nothing_that_grows_with_the_square_of_the_length():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.nbytes), lambda x: x):
        attend(*draw(512, 2), AttentionPlan.build(512, backend="products"))
    first = 512 * 8
    assert sum(kept) == 2 * 512 * SIZE * (HEADS + 2 + 2) * 4 + first


@pytest.mark.parametrize("window", [None, WINDOW, 300])
@pytest.mark.parametrize("documents", [0, 3])
def test_bfloat16_stays_near_fp32(window, documents):
    numbers = draw_documents(40 if window != 300 else 520, documents)
    length = 40 if window != 300 else 520
    low = results("auto", length, window, numbers, dtype=torch.bfloat16)
    assert_same(low, results("naive", length, window, numbers), atol=5e-2, rtol=5e-2)


@pytest.mark.parametrize("window", [None, WINDOW])
@pytest.mark.parametrize("documents", [0, 3])
def test_fp64_has_values_and_gradients_on_a_cpu(window, documents):
    numbers = draw_documents(40, documents)
    found = results("auto", 40, window, numbers, dtype=torch.float64)
    assert_same(found, results("naive", 40, window, numbers), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("documents", [0, 4])
@pytest.mark.parametrize("window", [None, 100])
@torch.no_grad()
def test_flex_mask_equals_naive_on_cpu(window, documents):
    q, k, v = (x.detach() for x in draw(300, 2))
    numbers = draw_documents(300, documents)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ours = attend(q, k, v, AttentionPlan.build(300, window, backend="flex", documents_BT=numbers))
    naive = attend(q, k, v, AttentionPlan.build(300, window, backend="naive", documents_BT=numbers))
    torch.testing.assert_close(ours, naive, atol=2e-5, rtol=1e-4)


@pytest.fixture
def compilations(monkeypatch):
    """The kernel compiled for each shape as on a GPU, but to plain PyTorch; the list grows with every compilation."""
    graphs, kernel = [], computations._flex_kernel.__wrapped__
    compiled = functools.partial(torch.compile, backend=lambda graph, inputs: graphs.append(graph) or graph.forward)
    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(computations, "_flex_kernel", functools.cache(lambda on_gpu: kernel(True)))
    torch._dynamo.reset()
    yield graphs
    torch._dynamo.reset()


@torch.no_grad()
def test_flex_is_compiled_for_few_lengths_and_not_for_other_documents(compilations):
    for length in (100, 128, 130, 146, 178, 210, 250, 256, 257, 500):
        q, k, v = (x.detach() for x in draw(length, 2))
        for documents in (draw_documents(length, count) for count in (2, 3)):
            plans = [
                AttentionPlan.build(length, 100, backend=name, documents_BT=documents) for name in ("flex", "naive")
            ]
            torch.testing.assert_close(*(attend(q, k, v, plan) for plan in plans), atol=2e-5, rtol=1e-4)
    once = len(compilations)
    attend(*draw(600, 2), AttentionPlan.build(600, 100, backend="flex", documents_BT=draw_documents(600, 2)))
    assert once == 3 * (len(compilations) - once)  # 128, 256 and 512 tokens, then 1,024


@torch.no_grad()
def test_flex_beyond_its_compiled_shapes_is_refused_rather_than_unfused(compilations, monkeypatch):
    monkeypatch.setattr(computations, "FLEX_SHAPES", 2)
    for batch in (1, 2):
        attend(*draw(9, 2, batch=batch), AttentionPlan.build(9, backend="flex"))
    with pytest.raises(UnsupportedError, match=r"for 2 shapes .* \[3, 4, 128, 16\]; use batches of fewer sizes"):
        attend(*draw(9, 2, batch=3), AttentionPlan.build(9, backend="flex"))


@pytest.mark.parametrize("documents", [0, 1, 3, 40])
@pytest.mark.parametrize("window", [None, 1, 100, 128, 129, 200, 256, 257])
@pytest.mark.parametrize("length", [1, 127, 128, 129, 512, 1000])
def test_tiles_read_off_the_intervals_are_those_of_pytorch(length, window, documents):
    ours = block_mask(first_visible(length, window, draw_documents(length, documents)))
    rows, sizes = len(ours.kv_num_blocks), ours.seq_lengths
    assert sizes == (flex_length(length),) * 2 and rows == (2 if documents else 1)
    theirs = create_block_mask(ours.mask_mod, rows, None, *sizes, device="cpu", BLOCK_SIZE=TILE)
    assert torch.equal(ours.to_dense(), theirs.to_dense())
    for name in ("kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices"):
        for one in (name, name.replace("kv", "q")):
            assert torch.equal(getattr(ours, one), getattr(theirs, one)), one
    assert ours.kv_num_blocks.dtype == ours.kv_indices.dtype == torch.int32


def test_the_mask_of_flex_needs_no_matrix():
    first = first_visible(8192, 1024, draw_documents(8192, 20))
    assert peak_bytes(lambda: block_mask(first)) < 100 * first.numel()  # a matrix of booleans has 8,192 per query


def test_a_window_of_w_shows_w_keys_in_rows_around_w():
    plan = AttentionPlan.build(3 * WINDOW, WINDOW, backend="naive")
    for row in (0, WINDOW - 2, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW - 1):
        seen = [key for key in range(3 * WINDOW) if visible(row, key, WINDOW)]
        assert seen == list(range(max(0, row - WINDOW + 1), row + 1))
        assert plan.mask[row].nonzero().flatten().tolist() == seen
    assert len([key for key in range(3 * WINDOW) if visible(WINDOW, key, WINDOW)]) == WINDOW


@pytest.mark.parametrize("window", [None, 1, 3, 20])
def test_intervals_boundaries_and_last_viewers_are_those_of_the_definition(window):
    numbers = draw_documents(20, 4)
    first, starts = first_visible(20, window, numbers), []
    for b in range(2):
        sees = {(t, s) for d in spans(numbers[b]) for t in range(20)[d] for s in range(20)[d] if visible(t, s, window)}
        assert first[b].tolist() == [min(s for q, s in sees if q == t) for t in range(20)]
        assert last_viewer(first)[b].tolist() == [max(t for t, k in sees if k == s) for s in range(20)]
        starts += [20 * b + d.start for d in spans(numbers[b])]
    assert boundaries(numbers).tolist() == [*starts, 40]


def test_the_end_of_text_token_closes_its_document():
    tokens = torch.tensor([[5, 6, 0, 7, 0, 0, 8], [0, 5, 5, 5, 5, 5, 0]])
    assert documents_of(tokens, end_of_text=0).tolist() == [[0, 0, 0, 1, 1, 2, 3], [0, 1, 1, 1, 1, 1, 1]]


def test_a_document_begins_where_the_number_changes():
    plans = [
        AttentionPlan.build(5, backend="naive", documents_BT=torch.tensor([numbers]))
        for numbers in ([0, 1, 0, 0, 1], [0, 1, 2, 2, 3])
    ]
    assert torch.equal(plans[0].mask, plans[1].mask)


def test_varlen_is_handed_each_document_and_the_window_without_the_token_itself(monkeypatch):
    """The kernel needs a GPU: here a loop over sequences takes its place, written from the kernel's description."""

    def stand_in(q, k, v, ends, ends_k, longest, longest_k, *, window_size, enable_gqa):
        assert enable_gqa and window_size[1] == 0 and ends.dtype == torch.int32
        window = None if window_size[0] < 0 else window_size[0] + 1  # its bounds count the keys beside the token
        cuts = [slice(a, b) for a, b in itertools.pairwise(ends.tolist())]
        parts = [loop(*(x[cut].transpose(0, 1)[None].float() for x in (q, k, v)), window) for cut in cuts]
        return torch.cat([part[0].transpose(0, 1) for part in parts]).to(q.dtype)

    monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", stand_in)
    numbers = draw_documents(20, 3)
    for window, documents in ((None, None), (5, None), (5, numbers)):
        q, k, v = (x.detach() for x in draw(20, 2, torch.bfloat16))
        mask = None if documents is None else boundaries(documents)
        plan = AttentionPlan(20, window, "varlen", mask=mask)
        ours = attend(q, k, v, plan).float()
        naive = AttentionPlan.build(20, window, backend="naive", documents_BT=documents)
        torch.testing.assert_close(ours, attend(q.float(), k.float(), v.float(), naive), atol=2e-2, rtol=2e-2)
    with pytest.raises(UnsupportedError, match="not in torch"):
        attend(*draw(20, 2), plan)


def test_a_mask_is_kept_between_batches_unless_documents_change_it():
    plans = [AttentionPlan.build(40, WINDOW) for _ in range(2)]
    assert plans[0].mask is plans[1].mask
    assert AttentionPlan.build(40, WINDOW, documents_BT=draw_documents(40, 3)).mask is not plans[0].mask


def test_auto_never_masks_more_than_needed():
    assert AttentionPlan.build(WINDOW, WINDOW).backend == "sdpa"
    assert AttentionPlan.build(WINDOW + 1, WINDOW).backend == "banded"
    assert AttentionPlan.build(WINDOW + 1).backend == "sdpa"


def test_auto_takes_products_for_bf16_on_a_cpu_beyond_one_block():
    for length, window in ((products.BLOCK + 1, None), (products.BLOCK + 1, WINDOW)):
        assert AttentionPlan.build(length, window, dtype=torch.bfloat16).backend == "products"
        assert AttentionPlan.build(length, window).backend != "products"
    assert AttentionPlan.build(products.BLOCK, dtype=torch.bfloat16).backend == "sdpa"
    assert AttentionPlan.build(products.BLOCK + 1, WINDOW, "cuda", "varlen", dtype=torch.bfloat16).backend == "varlen"


@pytest.mark.parametrize(
    ("arguments", "alternative"),
    [
        ({"length": 9, "window": 8, "backend": "sdpa"}, "banded"),
        ({"length": 8, "window": 8, "backend": "banded"}, "use sdpa"),
        ({"length": 9, "window": 8, "backend": "banded", "dtype": torch.float64}, "use masked"),
        ({"length": 9, "window": 8, "backend": "flex"}, "banded or sdpa"),
        ({"length": 9, "backend": "sdpa", "documents_BT": ONE_DOCUMENT}, "would drop the documents; use banded"),
        ({"length": 9, "backend": "varlen"}, "use banded or sdpa"),
        ({"length": 9, "window": 8, "backend": "banded", "device": "cuda"}, "use flex"),
        ({"length": 9, "window": 8, "backend": "masked", "device": "cuda"}, "use flex"),
        ({"length": 9, "backend": "products", "device": "cuda"}, "use flex"),
        ({"length": 9, "dropout": 0.1}, "set it to 0"),
    ],
)
def test_what_a_back_end_cannot_do_is_refused_when_the_plan_is_built(arguments, alternative):
    with pytest.raises(UnsupportedError, match=alternative):
        AttentionPlan.build(**arguments)


def test_numbers_out_of_range_and_wrong_lengths_are_refused():
    for arguments in ({"length": 0}, {"length": 4, "window": 0}, {"length": 4, "backend": "fast"}):
        with pytest.raises(ParameterError):
            AttentionPlan.build(**arguments)
    for wrong in (torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 6), torch.zeros(6, dtype=torch.long)):
        with pytest.raises(ParameterError, match="documents must be"):
            AttentionPlan.build(6, documents_BT=wrong)
    with pytest.raises(ParameterError, match="one plan per batch"):
        attend(*draw(9, 2, batch=1), AttentionPlan.build(9, documents_BT=ONE_DOCUMENT))
    with pytest.raises(ParameterError, match="one plan per length"):
        attend(*draw(5, 2), AttentionPlan.build(6))


# The shapes of q, of k and v, and what is wrong with them.
STRANGERS = {
    "fewer queries than keys": ([1, 2, 40, 16], 2 * [[1, 4, 40, 16]], "multiple of the key-value heads"),
    "heads that do not divide": ([1, 5, 40, 16], 2 * [[1, 2, 40, 16]], "multiple of the key-value heads"),
    "no keys": ([1, 4, 40, 16], 2 * [[1, 0, 40, 16]], "multiple of the key-value heads"),
    "another batch": ([2, 4, 40, 16], 2 * [[1, 2, 40, 16]], "the queries their B and D"),
    "longer values": ([1, 4, 40, 16], [[1, 2, 40, 16], [1, 2, 41, 16]], "must have one shape"),
    "wider values": ([1, 4, 40, 16], [[1, 2, 40, 16], [1, 2, 40, 32]], "must have one shape"),
    "wider keys and values": ([1, 4, 40, 16], 2 * [[1, 2, 40, 32]], "the queries their B and D"),
    "no batch": ([4, 40, 16], 2 * [[2, 40, 16]], "must have one shape"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("queries", "others", "fault"), STRANGERS.values(), ids=STRANGERS)
def test_tensors_that_do_not_belong_together_are_refused_before_a_kernel_sees_them(backend, queries, others, fault):
    q, k, v = (torch.zeros(shape) for shape in (queries, *others))
    with pytest.raises(ParameterError, match=fault) as error:
        attend(q, k, v, AttentionPlan(40, None, backend))
    assert all(str(list(x.shape)) in str(error.value) for x in (q, k, v))
    with pytest.raises(ParameterError, match=fault):
        attend_cached(q[..., -1:, :], k, v, torch.ones(1, 40, dtype=torch.bool))


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_element_type_and_one_device_for_all_three(backend):
    q, k, v = (x.detach() for x in draw(9, 2))
    plan = AttentionPlan(9, None, backend)
    for strangers in ((q, k.half(), v.half()), (q, k, v.double()), (q.to("meta"), k, v), (q, k, v.to("meta"))):
        with pytest.raises(ParameterError, match="one element type and lie on one device"):
            attend(*strangers, plan)


@torch.no_grad()
def test_one_cached_token_equals_the_last_row():
    q, k, v = draw(12, 2)
    plan = AttentionPlan.build(12, WINDOW, backend="naive")
    inside = torch.arange(12) >= 12 - WINDOW
    last = attend_cached(q[:, :, -1:], k, v, inside.expand(2, 12))
    torch.testing.assert_close(last, attend(q, k, v, plan)[:, :, -1:])
