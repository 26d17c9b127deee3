"""One definition of permissive, for the order of copies and for the class of a file."""

import pytest

from sc2lib.license_expressions import DEEPEST, is_permissive, parse, permissive_licenses


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("MIT OR (Apache-2.0 AND 0BSD)", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("MPL-2.0 AND MIT", False),
        ("(MIT OR GPL-3.0-only) AND BSD-3-Clause", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("MIT OR LicenseRef-Acme", False),  # what nobody knows cannot be weighed
        ("NOASSERTION", False),
        ("not a licence", False),
        ("AND", False),
        ("", False),
        (None, False),
    ],
)
def test_a_permissive_choice_must_be_left(expression: str | None, expected: bool) -> None:
    assert is_permissive(expression) is expected


def test_lists() -> None:
    assert {"MIT", "Apache-2.0", "PSF-2.0", "CC0-1.0", "Unlicense", "CC-BY-4.0"} <= permissive_licenses()
    assert not {"GPL-3.0-only", "MPL-2.0", "LGPL-2.1-only", "CC-BY-SA-4.0"} & permissive_licenses()
    assert not [name for name in permissive_licenses() if name.startswith(("GPL-", "LGPL-", "AGPL-", "EUPL-"))]


def test_every_permissive_license_is_permissive_as_an_expression() -> None:
    refused = [name for name in permissive_licenses() if not is_permissive(name)]
    assert refused == []


def test_unknown_licenses_parse_where_they_may() -> None:
    assert parse("MIT OR LicenseRef-Acme") is None
    assert parse("MIT OR LicenseRef-Acme", validate=False) is not None


def test_no_depth_of_parentheses_ends_a_run() -> None:
    def nested(depth: int) -> str:
        return "(MIT AND (ISC OR " * (depth // 2) + "MIT" + "))" * (depth // 2)

    assert is_permissive(nested(DEEPEST))
    assert not is_permissive(nested(10_000))
