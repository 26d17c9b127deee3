"""Licences as a project's metadata declares them."""

from email.message import Message

import pytest

from sc2lib.archive.project_licenses import CLASSIFIERS, NO_ASSERTION, declared
from sc2lib.license_expressions import parse


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
        (metadata(free="MPL-2.0"), "MPL-2.0"),
        (metadata(free="BSD"), None),
        (metadata(free="Proprietary"), NO_ASSERTION),
        (metadata(free="UNLICENSED"), NO_ASSERTION),
        (metadata(free="Copyright (c) somebody\nall rights reserved"), NO_ASSERTION),
        (metadata(free="Copyright (c) somebody\nall rights reserved\n\nRedistribution and use are permitted"), None),
        (metadata(free="See the file LICENSE"), None),
        (metadata(), None),
    ],
)
def test_what_is_declared(given: Message, expected: str | None) -> None:
    assert declared(given) == expected


def test_every_classifier_stands_for_a_known_license() -> None:
    assert [name for name in CLASSIFIERS.values() if parse(name) is None] == []
