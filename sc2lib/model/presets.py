"""The paper's three models, as the fields of `ModelConfig`; `ModelConfig.preset` makes them."""

from typing import Any

# Section 6.1. The released 7B configuration says 0.018042, copied from the 3B; 0.0147 = 1/sqrt(4608) fits the others.
PRESETS: dict[str, dict[str, Any]] = {
    "3b": {
        "num_hidden_layers": 30,
        "hidden_size": 3072,
        "intermediate_size": 12288,
        "num_attention_heads": 24,
        "num_key_value_heads": 2,
        "initializer_range": 0.018042,
        "tie_word_embeddings": True,
    },
    "7b": {
        "num_hidden_layers": 32,
        "hidden_size": 4608,
        "intermediate_size": 18432,
        "num_attention_heads": 36,
        "num_key_value_heads": 4,
        "initializer_range": 0.0147,
        "tie_word_embeddings": True,
    },
    "15b": {
        "num_hidden_layers": 40,
        "hidden_size": 6144,
        "intermediate_size": 24576,
        "num_attention_heads": 48,
        "num_key_value_heads": 4,
        "initializer_range": 0.01275,
        "tie_word_embeddings": False,
    },
}
LONG_ROPE_THETA = {"3b": 999999.4420358813, "7b": 1e6, "15b": 1e5}

READINGS = ("paper", "released", "trained")

# Where a reading departs from the paper's (both are listed in book/fidelity.md).
DEPARTURES: dict[tuple[str, str, str], dict[str, float]] = {
    ("7b", "long", "released"): {"initializer_range": 0.018042},
    ("15b", "base", "trained"): {"rope_theta": 1e4},
}
