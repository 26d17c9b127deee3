"""StarCoder2: one readable, single-device model with the module names of Hugging Face's.

Shape suffixes:
    B batch · T tokens · E channels of the residual stream · F channels of the MLP · V vocabulary
    H query heads · K key-value heads · D channels of a head · R = D/2 rotated pairs · N = B·T · S cache slots
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sc2lib.errors import UnsupportedError
from sc2lib.model import huggingface
from sc2lib.model.attention import AttentionPlan, attend, attend_cached
from sc2lib.model.cache import KeyValueCache
from sc2lib.model.config import ModelConfig
from sc2lib.model.loss import linear_cross_entropy

Rotation = tuple[Tensor, Tensor]
# A whole sequence is computed by a plan; one cached token by the slots it may see, [B, S].
Plan = AttentionPlan | Tensor


# docs: start-rope
def rope_frequencies(head_size: int, theta: float, device: torch.device | str | None = None) -> Tensor:
    """Angle per token of each pair of channels, in radians, [D/2]: theta^(-2i/D)."""
    exponent_R = torch.arange(0, head_size, 2, dtype=torch.float32, device=device) / head_size
    return 1.0 / theta**exponent_R


def rope(position_BT: Tensor, head_size: int, theta: float) -> Rotation:
    """Cosine and sine of each position's angles, in fp32, [B, T, 1, D/2]."""
    frequency_R = rope_frequencies(head_size, theta, position_BT.device)
    angle_BT1R = position_BT[:, :, None, None].float() * frequency_R
    return angle_BT1R.cos(), angle_BT1R.sin()


def rotate(x_BTHD: Tensor, rotation: Rotation) -> Tensor:
    """Turn channel i together with channel i + D/2, the pairing of Hugging Face's `rotate_half`."""
    cos_BT1R, sin_BT1R = rotation
    a_BTHR, b_BTHR = x_BTHD.float().chunk(2, dim=3)
    turned = (a_BTHR * cos_BT1R - b_BTHR * sin_BT1R, b_BTHR * cos_BT1R + a_BTHR * sin_BT1R)
    return torch.cat(turned, dim=3).to(x_BTHD.dtype)
    # docs: end-rope


# docs: start-attention
class Attention(nn.Module):
    """Grouped-query attention: H query heads share K heads of keys and values."""

    def __init__(self, config: ModelConfig, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.head_size = config.head_size
        channels, kv = config.hidden_size, config.num_key_value_heads * config.head_size
        bias = config.use_bias
        self.q_proj = nn.Linear(channels, channels, bias, device)
        self.k_proj = nn.Linear(channels, kv, bias, device)
        self.v_proj = nn.Linear(channels, kv, bias, device)
        self.o_proj = nn.Linear(channels, channels, bias, device)

    def forward(self, x_BTE: Tensor, rotation: Rotation, plan: Plan, cache: KeyValueCache | None, layer: int) -> Tensor:
        heads = (-1, self.head_size)
        q_BHTD = rotate(self.q_proj(x_BTE).unflatten(2, heads), rotation).transpose(1, 2)
        k_BKTD = rotate(self.k_proj(x_BTE).unflatten(2, heads), rotation).transpose(1, 2)
        v_BKTD = self.v_proj(x_BTE).unflatten(2, heads).transpose(1, 2)
        if cache is not None:
            k_BKSD, v_BKSD = cache.store(layer, k_BKTD, v_BKTD)
        if isinstance(plan, AttentionPlan):
            o_BHTD = attend(q_BHTD, k_BKTD, v_BKTD, plan)
        else:
            o_BHTD = attend_cached(q_BHTD, k_BKSD, v_BKSD, plan)
        return self.o_proj(o_BHTD.transpose(1, 2).flatten(2))
        # docs: end-attention


# docs: start-mlp
class MLP(nn.Module):
    """Widen four times, GELU (tanh form), narrow again; no gate."""

    def __init__(self, config: ModelConfig, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.hidden_size, config.intermediate_size, config.use_bias, device)
        self.c_proj = nn.Linear(config.intermediate_size, config.hidden_size, config.use_bias, device)

    def forward(self, x_BTE: Tensor) -> Tensor:
        h_BTF = F.gelu(self.c_fc(x_BTE), approximate="tanh")
        return self.c_proj(h_BTF)
        # docs: end-mlp


# docs: start-block
class Block(nn.Module):
    """Pre-norm: each half reads a normalised copy and adds its answer to the residual stream."""

    def __init__(self, config: ModelConfig, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.self_attn = Attention(config, device)
        self.mlp = MLP(config, device)
        self.input_layernorm = nn.LayerNorm(config.hidden_size, config.norm_epsilon, device=device)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, config.norm_epsilon, device=device)

    def forward(self, x_BTE: Tensor, rotation: Rotation, plan: Plan, cache: KeyValueCache | None, layer: int) -> Tensor:
        x_BTE = x_BTE + self.self_attn(self.input_layernorm(x_BTE), rotation, plan, cache, layer)
        return x_BTE + self.mlp(self.post_attention_layernorm(x_BTE))
        # docs: end-block


class Decoder(nn.Module):
    """Embedding, blocks and final norm: tokens_BT to x_BTE."""

    def __init__(self, config: ModelConfig, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, device=device)
        self.layers = nn.ModuleList(Block(config, device) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, config.norm_epsilon, device=device)

    def forward(self, tokens_BT: Tensor, rotation: Rotation, plan: Plan, cache: KeyValueCache | None) -> Tensor:
        x_BTE = self.embed_tokens(tokens_BT)
        for layer, block in enumerate(self.layers):
            x_BTE = block(x_BTE, rotation, plan, cache, layer)
        return self.norm(x_BTE)


class Starcoder2(nn.Module):
    """The StarCoder2 language model (see book/fidelity.md).

    Args:
        config: the shape.
        device: where the parameters live; "meta" builds the shape without memory (then `from_pretrained`
            or `to_empty` and `initialize` fill it).

    Tied embeddings are one parameter: `lm_head` exists only when they are not tied, as in the saved files.
    """

    def __init__(self, config: ModelConfig, device: torch.device | str | None = None) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config, device)
        self.lm_head: nn.Linear | None = None
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, False, device)
        self.initialize()

    def initialize(self, generator: torch.Generator | None = None) -> None:
        """Draw matrices from N(0, initializer_range²); biases 0, norms the identity."""
        assert self.config.initializer_range is not None
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, 0.0, self.config.initializer_range, generator=generator)
            if isinstance(module, nn.LayerNorm):
                module.reset_parameters()
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @property
    def output_weight_VE(self) -> Tensor:
        """The matrix that turns hidden states into logits; the embedding when they are tied."""
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    # docs: start-forward
    def hidden(
        self,
        tokens_BT: Tensor,
        cache: KeyValueCache | None = None,
        lengths_B: Tensor | None = None,
        documents_BT: Tensor | None = None,
    ) -> Tensor:
        """Final hidden states x_BTE. With a cache: see `forward`; with documents: see `loss`.

        Raises:
            UnsupportedError: a cache and documents, which a cache does not keep apart.
            ParameterError: what `KeyValueCache.begin` refuses.
        """
        config, device = self.config, tokens_BT.device
        plan: Plan
        if cache is not None and documents_BT is not None:
            raise UnsupportedError(
                "a cache does not keep documents apart; give it the tokens of the last one, or go without"
            )
        if cache is not None:
            cache.begin(tokens_BT, lengths_B)
        if cache is None or cache.lengths_B is None:
            length = tokens_BT.shape[1]
            kind = device.type
            autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)  # "meta" has none
            dtype = torch.get_autocast_dtype(kind) if autocast else self.output_weight_VE.dtype
            plan = AttentionPlan.build(length, config.sliding_window, device, documents_BT=documents_BT, dtype=dtype)
            rotation = self._rotation(torch.arange(length, device=device)[None])
        else:
            plan, rotation = self.new_token_plan(cache)
        x_BTE = self.model(tokens_BT, rotation, plan, cache)
        if cache is not None:
            cache.end()
        return x_BTE

    def _rotation(self, position_BT: Tensor) -> Rotation:
        return rope(position_BT, self.config.head_size, self.config.rope_theta)

    def new_token_plan(self, cache: KeyValueCache) -> tuple[Tensor, Rotation]:
        """The slots that the token which `cache` has begun may see, [B, S], and the token's rotation."""
        return cache.visible_BS(), cache.rotation(self._rotation)

    def forward(self, tokens_BT: Tensor, cache: KeyValueCache | None = None, lengths_B: Tensor | None = None) -> Tensor:
        """Logits of the next token at every position, logits_BTV.

        With an empty cache, `tokens_BT` are prompts, padded on the right to one length when `lengths_B`
        gives the real ones (causal attention never looks right, so padding needs no mask; read row b at
        ``lengths_B[b] - 1``). With a filled cache, `tokens_BT` is one new token per row, [B, 1].
        """
        return F.linear(self.hidden(tokens_BT, cache, lengths_B), self.output_weight_VE)

    def loss(
        self,
        tokens_BT: Tensor,
        targets_BT: Tensor,
        ignore_index: int = -100,
        documents_BT: Tensor | None = None,
        z_loss: float = 0.0,
    ) -> Tensor:
        """Mean cross-entropy in nats, in fp32, over the targets that are not `ignore_index`.

        `targets_BT` are already shifted: ``targets[b, t]`` is what should follow ``tokens[b, t]``. With
        `documents_BT` (a number per token) no token sees another document; positions count on through the row.
        `z_loss`: see `linear_cross_entropy`.
        """
        x_NE = self.hidden(tokens_BT, documents_BT=documents_BT).flatten(0, 1)
        return linear_cross_entropy(x_NE, self.output_weight_VE, targets_BT.flatten(), ignore_index, z_loss)
        # docs: end-forward

    def save_pretrained(self, folder: str | Path, max_shard_bytes: int = huggingface.MAX_SHARD_BYTES) -> None:
        """Write `config.json` and the weights in Hugging Face's layout into `folder`.

        More than `max_shard_bytes` of weights become several files with an index.
        """
        huggingface.save(self, self.config, Path(folder), max_shard_bytes)

    def reshaped(self, config: ModelConfig) -> "Starcoder2":
        """The same weights, shared, under another context length, RoPE base or window: no parameter belongs to them."""
        other = Starcoder2(config, device="meta")
        other.load_state_dict(self.state_dict(), assign=True)
        return other

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> "Starcoder2":
        """Read a folder in Hugging Face's layout, one file or several; `dtype` None keeps the file's.

        The weights are never in memory twice: the model grows tensor by tensor.

        Raises:
            InputError: a file is missing or damaged, a tensor is missing, superfluous, named twice or of another shape.
        """
        model = cls(huggingface.read_config(Path(folder)), device="meta")
        huggingface.load(model, Path(folder), device, dtype)
        return model
