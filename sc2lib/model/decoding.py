"""One token for each row on a CPU, by weights laid out once for that many rows: the same in less time.

A step of decoding multiplies every matrix of the model with a handful of rows, so it waits for the weights. oneDNN, the
library behind PyTorch's products in bf16, reads them faster from a layout of its own, and applies GELU before it lets
go of a result. The matrices of query, key and value become one. The operators are those that PyTorch's own compiler
calls (`torch.ops.mkldnn`); they are not part of its public interface, so a later version may move them.

Shape suffixes:
    B rows · E channels · F channels of the MLP · H query heads · K key-value heads · D channels of a head · S slots
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sc2lib.model.attention import attend_cached
from sc2lib.model.cache import KeyValueCache
from sc2lib.model.transformer import Block, Starcoder2, rotate

# A second copy of the weights: not worth it beyond this, nor for a few tokens.
MOST_BYTES = 2 * 10**9
FEWEST_TOKENS = 8
# Multiply-adds of a step of all rows, below which threads wait for each other longer than they compute.
SHARED_WORK = 20_000_000
LARGE = 1 << 18  # elements of a matrix


def packed_or_plain(model: Starcoder2, rows: int, new_tokens: int) -> "PackedModel | PlainModel":
    """What continues `rows` prompts by `new_tokens`: a second copy of the weights where it pays, or the model itself.

    It pays on an x86 CPU, where it was measured, for a small model and more than a few tokens.
    """
    weight = model.output_weight_VE
    held = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    pays = (
        weight.device.type == "cpu"
        and platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()
        and weight.dtype in (torch.float32, torch.bfloat16)
        and not torch.is_autocast_enabled("cpu")
        and held <= MOST_BYTES
        and new_tokens >= FEWEST_TOKENS
    )
    return PackedModel(model, rows) if pays else PlainModel(model)


@contextmanager
def fitting_threads(model: Starcoder2, rows: int) -> Iterator[None]:
    """One CPU thread where a step of decoding is little work, all of them where it is much.

    At every product the threads wait for each other. On two idle cores the second is worth a quarter for 26 million
    parameters and one row, half as much again for 16 rows, and next to nothing for 2 million and one. On two busy cores
    it cost: two threads took four times as long as one (4 million parameters, 82 rows).
    """
    before = torch.get_num_threads()
    if rows * sum(parameter.numel() for parameter in model.parameters()) < SHARED_WORK:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Linear:
    """``x @ weight.T + bias``, then GELU if asked for, with the weight laid out for `rows` rows, x_BI to x_BO.

    One row in fp32 is a product of matrix and vector, which oneDNN leaves to BLAS and BLAS to one thread. A small
    matrix goes there at once, by columns where it is wide, which are read faster. For a large one oneDNN takes less
    time for two rows than BLAS for one: 0.7 of it on one thread, 0.4 on two. So the row goes through twice.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int) -> None:
        self.bias = bias
        alone = rows == 1 and weight.dtype == torch.float32
        self.vector = alone and weight.numel() < LARGE
        self.rows = 2 if alone else 1  # the fewest that go through
        if self.vector:
            wide = weight.shape[0] > weight.shape[1]
            self.weight = weight.t().contiguous().t() if wide else weight
        else:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), max(rows, self.rows))

    def __call__(self, x: Tensor) -> Tensor:
        if self.vector:
            return F.linear(x, self.weight, self.bias)
        return self._product(x, "none", "")

    def gelu(self, x: Tensor) -> Tensor:
        """Followed by GELU in its tanh form."""
        if self.vector:
            return F.gelu(F.linear(x, self.weight, self.bias), approximate="tanh")
        return self._product(x, "gelu", "tanh")

    def _product(self, x: Tensor, then: str, form: str) -> Tensor:
        rows = x.expand(self.rows, -1) if len(x) < self.rows else x
        result: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, then, [], form)
        return result[: len(x)]


class PackedBlock:
    """A block of the model for one new token in each row, x_BE to x_BE."""

    def __init__(self, block: Block, rows: int) -> None:
        attention, mlp = block.self_attn, block.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        weight = torch.cat([each.weight for each in projections])
        bias = None if attention.q_proj.bias is None else torch.cat([each.bias for each in projections])
        self.query_key_value = Linear(weight, bias, rows)
        self.output = Linear(attention.o_proj.weight, attention.o_proj.bias, rows)
        self.widen = Linear(mlp.c_fc.weight, mlp.c_fc.bias, rows)
        self.narrow = Linear(mlp.c_proj.weight, mlp.c_proj.bias, rows)
        self.norms = block.input_layernorm, block.post_attention_layernorm
        self.head_size = attention.head_size
        self.groups = attention.k_proj.out_features // self.head_size

    def __call__(
        self, x_BE: Tensor, rotation: tuple[Tensor, Tensor], visible_BS: Tensor, cache: KeyValueCache, layer: int
    ) -> Tensor:
        before, after = self.norms
        heads_B1XD = self.query_key_value(normalised(before, x_BE)).unflatten(1, (1, -1, self.head_size))
        turned_B1XD = rotate(heads_B1XD[:, :, : -self.groups], rotation)
        q_BH1D = turned_B1XD[:, :, : -self.groups].transpose(1, 2)
        k_BK1D = turned_B1XD[:, :, -self.groups :].transpose(1, 2)
        v_BK1D = heads_B1XD[:, :, -self.groups :].transpose(1, 2)
        k_BKSD, v_BKSD = cache.store(layer, k_BK1D, v_BK1D)
        o_BE = attend_cached(q_BH1D, k_BKSD, v_BKSD, visible_BS).flatten(1)
        x_BE = self.output(o_BE).add_(x_BE)
        return self.narrow(self.widen.gelu(normalised(after, x_BE))).add_(x_BE)


def normalised(norm: nn.LayerNorm, x_BE: Tensor) -> Tensor:
    """LayerNorm without the calls around it."""
    return torch.layer_norm(x_BE, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


class PackedModel:
    """A model's weights laid out for decoding `rows` rows, or fewer, token by token."""

    def __init__(self, model: Starcoder2, rows: int) -> None:
        self.model = model
        self.blocks = [PackedBlock(block, rows) for block in model.model.layers]  # type: ignore[arg-type]
        self.head = Linear(model.output_weight_VE, None, rows)

    def logits(self, x_BE: Tensor) -> Tensor:
        """Logits of the next token, logits_BV, in fp32."""
        return self.head(x_BE).float()

    def hidden(self, tokens_B: Tensor, cache: KeyValueCache) -> Tensor:
        """Final hidden states x_BE of one new token in each row of a filled cache."""
        cache.begin(tokens_B[:, None], None)
        visible_BS, rotation = self.model.new_token_plan(cache)
        x_BE = F.embedding(tokens_B, self.model.model.embed_tokens.weight)
        for layer, block in enumerate(self.blocks):
            x_BE = block(x_BE, rotation, visible_BS, cache, layer)
        cache.end()
        return normalised(self.model.model.norm, x_BE)


class PlainModel:
    """The same by the model as it is."""

    def __init__(self, model: Starcoder2) -> None:
        self.model = model

    def logits(self, x_BE: Tensor) -> Tensor:
        return F.linear(x_BE, self.model.output_weight_VE).float()

    def hidden(self, tokens_B: Tensor, cache: KeyValueCache) -> Tensor:
        return self.model.hidden(tokens_B[:, None], cache)[:, 0]
