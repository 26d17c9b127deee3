"""The shape of a StarCoder2 model, and what follows from it alone: parameters, FLOPs and bytes."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from sc2lib.errors import InputError, ParameterError
from sc2lib.model.presets import DEPARTURES, LONG_ROPE_THETA, PRESETS, READINGS

_SHAPE_KNOBS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
    *("tie_word_embeddings", "rope_theta"),
)

# What this implementation computes; a configuration that asks for something else is refused.
_FIXED = {
    "model_type": "starcoder2",
    "hidden_act": "gelu_pytorch_tanh",
    "norm_type": "layer_norm",
    "mlp_type": "default",
}


# docs: start-fields
@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides the shape of the model, under the names of Hugging Face's `config.json`.

    `sliding_window` W means that a token sees W keys, itself included: ``0 <= q - k < W``; None means all.
    `initializer_range` None becomes ``1/sqrt(hidden_size)``, the rule behind the paper's three values.
    There is no dropout: the models were trained without it (R for 3B and 7B, V for 15B).

    Raises:
        ParameterError: at construction, for a shape that cannot work, with the nearest one that does.
    """

    vocab_size: int = 49152
    hidden_size: int = 3072
    intermediate_size: int = 12288
    num_hidden_layers: int = 30
    num_attention_heads: int = 24
    num_key_value_heads: int = 2
    max_position_embeddings: int = 4096
    rope_theta: float = 1e5
    sliding_window: int | None = None
    tie_word_embeddings: bool = True
    norm_epsilon: float = 1e-5
    initializer_range: float | None = None
    use_bias: bool = True
    # docs: end-fields

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "max_position_embeddings",
        ):
            value = getattr(self, name)
            if not _whole(value) or value < 1:
                raise ParameterError(f"{name} must be a whole number of at least 1, not {value!r}")
        hidden, heads, groups = self.hidden_size, self.num_attention_heads, self.num_key_value_heads
        if hidden % heads:
            nearest = _nearest_divisor(hidden, heads)
            raise ParameterError(
                f"hidden_size {hidden} does not divide by num_attention_heads {heads}; take {nearest} heads"
            )
        if (hidden // heads) % 2:
            raise ParameterError(
                f"RoPE turns pairs, so the head size must be even, not {hidden}/{heads} = {hidden // heads}; "
                f"take hidden_size {hidden + heads}"
            )
        if groups > heads or heads % groups:
            nearest = _nearest_divisor(heads, groups)
            raise ParameterError(
                f"num_attention_heads {heads} does not divide by num_key_value_heads {groups}; take {nearest}"
            )
        window, longest = self.sliding_window, self.max_position_embeddings
        if window is not None and not (_whole(window) and 1 <= window <= longest):
            raise ParameterError(
                f"sliding_window must be a whole number in 1..{longest} (max_position_embeddings), not {window!r}; "
                "None means no window"
            )
        if self.initializer_range is None:
            object.__setattr__(self, "initializer_range", hidden**-0.5)
        for name in ("rope_theta", "norm_epsilon", "initializer_range"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise ParameterError(f"{name} must be a positive number, not {value!r}")

    # --- derived shapes

    @property
    def head_size(self) -> int:
        """Channels of one head, D."""
        return self.hidden_size // self.num_attention_heads

    @property
    def group_size(self) -> int:
        """Query heads that share one key-value head, G."""
        return self.num_attention_heads // self.num_key_value_heads

    # --- what the shape costs

    def parameter_table(self) -> dict[str, int]:
        """Parameters by part; the sum is `parameter_count`.

        Parts: embedding, attention, mlp, norms, head (0 when tied).
        """
        layers, hidden, ffn = self.num_hidden_layers, self.hidden_size, self.intermediate_size
        kv_size = self.num_key_value_heads * self.head_size
        bias = int(self.use_bias)
        attention = 2 * hidden * hidden + 2 * hidden * kv_size + bias * (2 * hidden + 2 * kv_size)
        mlp = 2 * hidden * ffn + bias * (ffn + hidden)
        return {
            "embedding": self.vocab_size * hidden,
            "attention": layers * attention,
            "mlp": layers * mlp,
            "norms": (2 * layers + 1) * 2 * hidden,
            "head": 0 if self.tie_word_embeddings else self.vocab_size * hidden,
        }

    def parameter_count(self) -> int:
        """Number of parameters; a tied matrix counts once."""
        return sum(self.parameter_table().values())

    def visible_keys(self, length: int) -> int:
        """Query-key pairs that a causal (and windowed) sequence of `length` tokens really needs."""
        window = min(self.sliding_window or length, length)
        return window * (window + 1) // 2 + (length - window) * window

    def forward_flops_per_token(self, length: int, windowed: bool = True) -> float:
        """FLOPs of one forward pass, per token of a sequence of `length`; a multiply-add counts as two.

        Matrix products only: projections, MLP, output head, and the two products of attention. With
        `windowed` those two count only visible keys (causal, within the window); without, all
        `length` keys of every query (the convention of PaLM's MFU and of `FlopCounterMode`).
        """
        hidden = self.hidden_size
        kv_size = self.num_key_value_heads * self.head_size
        block = 2 * hidden * hidden + 2 * hidden * kv_size + 2 * hidden * self.intermediate_size
        matrices = self.num_hidden_layers * block + self.vocab_size * hidden
        keys = self.visible_keys(length) / length if windowed else length
        attention = 2 * self.num_hidden_layers * hidden * keys
        return 2 * (matrices + attention)

    def flops_per_token(self, length: int, windowed: bool = True) -> float:
        """FLOPs of one training step per token: forward plus backward, which is twice the forward."""
        return 3 * self.forward_flops_per_token(length, windowed)

    def kv_cache_bytes(self, batch: int = 1, length: int | None = None, bytes_per_element: int = 2) -> int:
        """Bytes of the keys and values kept while generating, for `batch` rows of `length` tokens.

        A window caps the length. `length` None means `max_position_embeddings`.
        """
        tokens = self.max_position_embeddings if length is None else length
        tokens = min(tokens, self.sliding_window or tokens)
        per_token = 2 * self.num_hidden_layers * self.num_key_value_heads * self.head_size
        return batch * tokens * per_token * bytes_per_element

    def optimizer_bytes(self, bytes_per_parameter: int = 8) -> int:
        """Bytes of AdamW's state: two moments in fp32 per parameter; 12 with a master copy of bf16 weights."""
        return bytes_per_parameter * self.parameter_count()

    # docs: start-activations
    def block_activation_bytes(self, bytes_per_element: int = 2, tensor: int = 1) -> int:
        """Bytes that one block keeps for the backward pass, per token, with fused attention.

        Kept whole by each of `tensor` tensor-parallel ranks: the inputs and outputs of the two norms (4 E). Split
        over the ranks: query and attention output (2 E), key and value (2 K·D), input and output of GELU (2 F). In
        fp32: mean and deviation of each norm, and one logsumexp per head. The scores, T per head and token, never.
        """
        kv_size = self.num_key_value_heads * self.head_size
        split = 2 * self.hidden_size + 2 * kv_size + 2 * self.intermediate_size
        elements = 4 * self.hidden_size + split // tensor
        return bytes_per_element * elements + 4 * (4 + self.num_attention_heads // tensor)

    def activation_bytes(
        self, tokens: int, bytes_per_element: int = 2, tensor: int = 1, checkpointing: bool = False
    ) -> int:
        """Bytes kept between forward and backward for `tokens` tokens on one device, output head excluded.

        This is for weights of `bytes_per_element`; what autocast to bf16 adds over weights in fp32, about half of it,
        is in `sc2lib.scaling.memory`. A pipeline's first stage holds as many micro-batches as it has stages, each
        through its share of the layers: together one micro-batch through all layers, so a pipeline changes nothing.
        """
        block = self.block_activation_bytes(bytes_per_element, tensor)
        boundary = bytes_per_element * self.hidden_size
        layers = self.num_hidden_layers * boundary + block if checkpointing else self.num_hidden_layers * block
        return tokens * (layers + boundary + 2 * 4 + 8)
        # docs: end-activations

    def logit_bytes(self, tokens: int, tensor: int = 1) -> int:
        """Bytes of a plain cross-entropy at the start of its backward pass, when it needs most: three times the
        logits in fp32, for the log-softmax, its gradient, and the gradient of the logits."""
        return tokens * self.vocab_size * 3 * 4 // tensor

    # --- construction and conversion

    @classmethod
    def from_knobs(cls, knobs: Mapping[str, Any]) -> "ModelConfig":
        """The model of a profile: its knobs for the shape, the vocabulary and the context of the first stage."""
        shape = {name: knobs[name] for name in _SHAPE_KNOBS}
        return cls(vocab_size=knobs["vocabulary_size"], max_position_embeddings=knobs["sequence_length"], **shape)

    @classmethod
    def preset(cls, size: str, stage: str = "base", reading: str = "paper") -> "ModelConfig":
        """One of the paper's models: size "3b", "7b" or "15b", stage "base" (4k) or "long" (16k, window 4k).

        The sources disagree in places (`sc2lib.model.disagreements` lists them). `reading` "paper" is what the book
        trains: the paper's text, and the rule behind its numbers. "released" is the `config.json` of the published
        weights, which exists for the long stage only. "trained" is what is told of the real runs.

        Raises:
            ParameterError: no such size, stage or reading, or a base stage as released.
        """
        if size not in PRESETS:
            raise ParameterError(f"unknown model size {size!r}; choose one of {', '.join(PRESETS)}")
        if stage not in ("base", "long"):
            raise ParameterError(f"unknown stage {stage!r}; choose base or long")
        if reading not in READINGS:
            raise ParameterError(f"unknown reading {reading!r}; choose one of {', '.join(READINGS)}")
        if (stage, reading) == ("base", "released"):
            raise ParameterError(f"the {size} was released after the long stage only; choose stage long, or paper")
        changed: dict[str, Any] = {"max_position_embeddings": 4096, "rope_theta": 1e5, "sliding_window": None}
        if stage == "long":
            changed = {
                "max_position_embeddings": 16384,
                "rope_theta": LONG_ROPE_THETA[size],
                "sliding_window": 4096,
            }
        preset = cls(**PRESETS[size], **changed)
        return preset.replace(**DEPARTURES.get((size, stage, reading), {}))

    def replace(self, **changes: Any) -> "ModelConfig":
        """A copy with some fields changed, validated again."""
        _refuse_unknown(changes)
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """The fields as a flat dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ModelConfig":
        """The inverse of `to_dict`; an unknown key raises ParameterError."""
        _refuse_unknown(values)
        return cls(**values)

    def to_json(self) -> str:
        """The fields as JSON, one per line."""
        return json.dumps(self.to_dict(), indent=2) + "\n"

    def to_huggingface(self) -> dict[str, Any]:
        """The dictionary of a `config.json` that transformers, vLLM and llama.cpp read."""
        return {
            "architectures": ["Starcoder2ForCausalLM"],
            **_FIXED,
            **self.to_dict(),
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "attention_dropout": 0.0,
            "residual_dropout": 0.0,
            "embedding_dropout": 0.0,
            "bos_token_id": 0,
            "eos_token_id": 0,
            "use_cache": True,
        }

    @classmethod
    def from_huggingface(cls, values: dict[str, Any], where: str | Path = "config.json") -> "ModelConfig":
        """Read the dictionary of a `config.json`, with transformers' defaults for absent keys.

        Dropout rates are not taken over: the released 0.1 was added after training and acts only in
        training. Anything else that this model does not compute, and a shape that cannot work, raises InputError
        naming `where`.
        """
        for key, only in _FIXED.items():
            if values.get(key, only) != only:
                raise InputError(f"{where}: {key} is {values[key]!r}, this model computes only {only!r}")
        if values.get("quantization_config"):
            raise InputError(f"{where}: the weights are quantized; take the folder of the original weights")
        rope = values.get("rope_parameters") or values.get("rope_scaling") or {}
        kind = rope.get("rope_type", rope.get("type", "default"))  # older files say "type"
        if kind != "default":
            raise InputError(f"{where}: RoPE type {kind!r} is not supported, only 'default'")
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known.setdefault("initializer_range", 0.018042)
        theta = rope.get("rope_theta", values.get("rope_theta", 10000.0))
        known["rope_theta"] = float(theta) if isinstance(theta, int) else theta
        try:
            config = cls(**known)
        except ParameterError as error:
            raise InputError(f"{where}: {error}") from error
        if (values.get("head_dim") or config.head_size) != config.head_size:
            raise InputError(
                f"{where}: head_dim is {values['head_dim']}, this model computes only hidden_size / "
                f"num_attention_heads = {config.head_size}"
            )
        return config


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse_unknown(values: dict[str, Any]) -> None:
    names = [field.name for field in fields(ModelConfig)]
    unknown = sorted(set(values) - set(names))
    if unknown:
        raise ParameterError(f"unknown field {', '.join(unknown)}; the fields are {', '.join(names)}")


def _nearest_divisor(number: int, wanted: int) -> int:
    divisors = (candidate for candidate in range(1, number + 1) if number % candidate == 0)
    return min(divisors, key=lambda candidate: (abs(candidate - wanted), candidate))
