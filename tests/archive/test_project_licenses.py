"""Licences as a project's metadata declares them."""

from email.message import Message

import pytest

from sc2lib.archive.project_licenses import CLASSIFIERS, NO_ASSERTION, PERMISSIVE, declared, is_permissive


def metadata(expression: str | None = None, classifiers: tuple[str, ...] = (), free: str | None = None) -> Message:
    message = Message()
    if expression:
        message["License-Expression"] = expression
    if free:
        message["License"] = free
    for classifier in classifiers:
        message["Classifier"] = classifier
    return message


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (metadata("MIT OR Apache-2.0", ("License :: OSI Approved :: BSD License",)), "MIT OR Apache-2.0"),
        (metadata(None, ("License :: OSI Approved :: MIT License", "Topic :: Utilities")), "MIT"),
        (metadata(None, ("License :: OSI Approved",)), None),
        (
            metadata(None, ("License :: OSI Approved :: MIT License", "License :: OSI Approved :: BSD License")),
            "BSD-3-Clause AND MIT",
        ),
        (metadata(None, ("License :: Other/Proprietary License",)), NO_ASSERTION),
        (
            metadata(None, ("License :: OSI Approved :: MIT License", "License :: Other/Proprietary License")),
            NO_ASSERTION,
        ),
        (metadata(free="BSD-2-Clause"), "BSD-2-Clause"),
        (metadata(free="Copyright (c) somebody\nall rights reserved"), None),
        (metadata(), None),
    ],
)
def test_what_is_declared(given: Message, expected: str | None) -> None:
    assert declared(given) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("MIT OR (Apache-2.0 AND 0BSD)", True),
        ("MIT AND GPL-3.0-only", False),
        ("NOASSERTION", False),
        ("", False),
        (None, False),
        ("AND", False),
    ],
)
def test_permissive_means_every_part_is(expression: str | None, expected: bool) -> None:
    assert is_permissive(expression) is expected


def test_copyleft_is_in_no_permissive_list() -> None:
    assert not [name for name in PERMISSIVE if name.startswith(("GPL", "LGPL", "AGPL", "MPL", "EPL", "EUPL"))]
    assert {"MIT", "Apache-2.0", "BSD-3-Clause", "ISC", "PSF-2.0"} <= PERMISSIVE & set(CLASSIFIERS.values())
