"""Licence expressions: what they say in SPDX's terms, and whether they leave a permissive choice.

The one list of permissive licences: what ScanCode puts into its categories Permissive and Public Domain, and what the
Blue Oak Council rates, as the paper says of its own. The archive orders the copies of a file by it,
curation gives every file its class. The paper's own list (appendix A.4) is not public; this is the same recipe with
ScanCode's index as `license-expression` ships it and Blue Oak's list of 2026 (`blue_oak.json`).
"""

import json
from functools import cache
from importlib import resources
from itertools import accumulate
from typing import Any

from license_expression import (
    OR,
    ExpressionError,
    LicenseWithExceptionSymbol,
    Licensing,
    get_license_index,
    get_spdx_licensing,
)

DEEPEST = 100


def parse(expression: str, validate: bool = True) -> Any:
    """A parsed licence expression with current SPDX keys (a ``license_expression`` node), or None.

    Without `validate`, licences that nobody knows may stand in it. None for more than DEEPEST parentheses in one
    another: the parser recurses, and what a stranger writes into his metadata must not end a run.
    """
    if max(accumulate((one == "(") - (one == ")") for one in expression), default=0) > DEEPEST:
        return None
    try:
        return licensing().parse(expression, validate=validate)
    except (ExpressionError, IndexError, AssertionError):  # the parser's own slips on "( )" and "( AND MIT"
        return None


def is_permissive(expression: str | None) -> bool:
    """Whether a licence expression leaves a permissive choice: one branch of OR, every part of AND and WITH.

    No expression, one that does not parse, and one that names a licence nobody knows leave none. Costs about 20 µs.
    """
    parsed = parse(expression) if expression else None
    return parsed is not None and _permits(parsed)


@cache
def permissive_licenses() -> frozenset[str]:
    """SPDX keys that ScanCode calls Permissive or Public Domain, and all that Blue Oak Council rates."""
    scancode = {
        key
        for entry in get_license_index()
        if entry["category"] in ("Permissive", "Public Domain")
        for key in (entry["spdx_license_key"], *entry["other_spdx_license_keys"])
        if key
    }
    blue_oak = json.loads(resources.files(__package__).joinpath("blue_oak.json").read_text(encoding="utf-8"))
    return frozenset(scancode.union(*blue_oak["ratings"].values()))


@cache
def licensing() -> Licensing:
    """The parser that knows SPDX's and ScanCode's keys; it takes a quarter of a second to make."""
    return get_spdx_licensing()


def _permits(node: object) -> bool:
    if isinstance(node, LicenseWithExceptionSymbol):
        parts = (node.license_symbol.key, node.exception_symbol.key)
        return all(part in permissive_licenses() for part in parts)
    arguments = getattr(node, "args", ())
    if arguments:
        return (any if isinstance(node, OR) else all)(_permits(part) for part in arguments)
    return getattr(node, "key", None) in permissive_licenses()
