"""A stretch of a text that must not reach the model, and how overlapping ones are settled."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import re2

KINDS = ("KEY", "PASSWORD", "NAME", "EMAIL", "IP_ADDRESS")  # of two overlapping spans the kind named first wins


@dataclass(frozen=True)
class Span:
    """Characters ``start`` to ``end`` of a text, what they are, and the rule that says so. Never their content."""

    start: int
    end: int
    kind: str
    rule: str


def settle(spans: Iterable[Span]) -> list[Span]:
    """Drop spans that overlap a preferred one: by kind, then the earlier, then the longer. Sorted by position."""
    preferred = sorted(spans, key=lambda span: (KINDS.index(span.kind), span.start, -span.end, span.rule))
    kept: list[Span] = []
    for span in preferred:
        if all(span.end <= other.start or other.end <= span.start for other in kept):
            kept.append(span)
    return sorted(kept, key=lambda span: span.start)


def compile_linear(expression: str) -> Any:
    """Compile an expression for RE2, whose time is linear in the text, with room for its automaton.

    With RE2's default of 8 MB, expressions with long bounded repeats fall back to a ten times slower engine.
    """
    options = re2.Options()
    options.max_mem = 1 << 28
    options.log_errors = False
    return re2.compile(expression, options)
