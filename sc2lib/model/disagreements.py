"""Where the sources on StarCoder2's configuration disagree, and what the book takes.

Values of the preset are asked of `ModelConfig.preset`; what no configuration of ours holds is said here. Marks: V
verified, V2 second-hand, R recalled, I inferred; see book/fidelity.md.
"""

from dataclasses import dataclass
from typing import Any

from sc2lib.model.config import ModelConfig
from sc2lib.model.presets import PRESETS


@dataclass(frozen=True)
class Claim:
    """What one source says of some sizes: the value, the source and its mark."""

    sizes: tuple[str, ...]
    value: Any
    source: str
    mark: str


@dataclass(frozen=True)
class Disagreement:
    """One setting on which sources differ; `field` is its name in `ModelConfig`, None where that has none."""

    topic: str
    field: str | None
    stage: str
    claims: tuple[Claim, ...]
    why: str

    def taken(self) -> dict[str, Any]:
        """The value that the book trains with, by size."""
        if self.field is None:
            return dict.fromkeys(SIZES, "none")
        return {size: getattr(ModelConfig.preset(size, self.stage), self.field) for size in SIZES}

    def row(self) -> list[str]:
        """Topic, claims, what the book takes and why, for a table."""
        said = "; ".join(f"{_names(c.sizes)}: {_show(c.value)}, {c.source} ({c.mark})" for c in self.claims)
        taken = self.taken()
        values = [_show(value) for value in taken.values()]
        return [self.topic, said, values[0] if len(set(values)) == 1 else ", ".join(values), self.why]


SIZES = tuple(PRESETS)

DISAGREEMENTS = (
    Disagreement(
        "RoPE base, first stage",
        "rope_theta",
        "base",
        (
            Claim(SIZES, 1e5, "the paper's text", "V"),
            Claim(("15b",), 1e5, "training script", "V"),
            Claim(("15b",), 1e4, "a configuration parsed wrongly", "V2"),
        ),
        "the intention; the accident is an exercise",
    ),
    Disagreement(
        "RoPE base, second stage",
        "rope_theta",
        "long",
        (
            Claim(("3b",), 999999.4420358813, "released", "V"),
            Claim(("7b",), 1e6, "released", "V"),
            Claim(("15b",), 1e5, "released", "V"),
        ),
        "the weights fit no other",
    ),
    Disagreement(
        "initialisation, standard deviation",
        "initializer_range",
        "long",
        (
            Claim(("3b",), 0.018042, "released", "V"),
            Claim(("7b",), 0.018042, "released", "V"),
            Claim(("7b",), 0.0147, "training script", "V"),
            Claim(("15b",), 0.01275, "released", "V"),
        ),
        "all three are then 1/√E (I)",
    ),
    Disagreement(
        "tied embeddings",
        "tie_word_embeddings",
        "long",
        (
            Claim(("3b", "7b"), True, "no key, so the library's default", "V"),
            Claim(("3b", "7b"), False, "training scripts, ported later", "V"),
            Claim(("15b",), False, "released", "V"),
        ),
        "the sizes of the released files fit",
    ),
    Disagreement(
        "dropout",
        None,
        "base",
        (
            Claim(SIZES, 0.1, "released, added after training", "V"),
            Claim(("15b",), 0.0, "training script", "V"),
            Claim(("3b", "7b"), 0.1, "training scripts, ported later", "V"),
            Claim(("3b", "7b"), 0.0, "training", "R"),
        ),
        "the 15B's own script has none",
    ),
)


def _names(sizes: tuple[str, ...]) -> str:
    return "all" if sizes == SIZES else ", ".join(size.upper() for size in sizes)


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "tied" if value else "untied"
    return value if isinstance(value, str) else f"{value:,.9g}"
