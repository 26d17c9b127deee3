import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sc2lib.curation.licenses.names import (
    MOST_MENTIONS,
    UNKNOWN_REFERENCE,
    UNKNOWN_SPDX,
    data,
    licenses_of,
    mentions,
    resolve,
    tags,
)
from sc2lib.curation.licenses.spdx import reference_names
from sc2lib.license_expressions import parse


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MIT License", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
        ("3-Clause BSD License", "BSD-3-Clause"),
        ("ISC License (ISCL)", "ISC"),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
        ("Dual License", None),
        ("license", None),
        ("", None),
    ],
)
def test_names_as_people_write_them(name: str, expected: str | None) -> None:
    assert resolve(name) == expected


def test_every_spdx_identifier_and_name_resolves_to_a_license() -> None:
    known = set(reference_names())
    for identifier, name in reference_names().items():
        assert resolve(identifier) is not None
        assert resolve(name) is not None, name
    assert {alias for alias in data()["aliases"].values() if not alias.startswith("LicenseRef-")} <= known


def test_expressions_give_each_symbol_once() -> None:
    assert licenses_of("MIT OR (GPL-2.0-only WITH Classpath-exception-2.0 AND MIT)") == [
        "MIT",
        "GPL-2.0-only",
        "Classpath-exception-2.0",
    ]
    assert licenses_of("MIT/Apache") is None
    assert licenses_of("") is None


@given(st.lists(st.sampled_from(["MIT", "AND", "OR", "WITH", "(", ")", "+"]), max_size=6).map(" ".join))
@example("( )")
@example("( AND MIT")
def test_any_row_of_symbols_parses_or_is_refused(expression: str) -> None:
    parsed = parse(expression)
    assert parsed is None or set(licenses_of(expression) or ()) == {"MIT"}


@given(st.text(alphabet="MITandOR WITH()+-.0 \n", max_size=40) | st.text(max_size=20))
def test_any_text_parses_or_is_refused(text: str) -> None:
    assert parse(text) is None or licenses_of(text)
    resolve(text)
    mentions(text)


def test_tags_with_their_lines() -> None:
    text = "/* SPDX-License-Identifier: MIT OR GPL-2.0-only */\n\n# SPDX-License-Identifier: Apache-2.0\n"
    found = [(match.license, match.method, match.first_line) for match in tags(text)]
    assert found == [("MIT", "tag", 1), ("GPL-2.0-only", "tag", 1), ("Apache-2.0", "tag", 3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SPDX-License-Identifier: GPL-3.0-only OR LicenseRef-Qt-Commercial", ["GPL-3.0-only", UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: Apache-2.0 OR LicenseRef-Foo", ["Apache-2.0", UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: GPL-2.0-only WITH LicenseRef-mine", ["GPL-2.0-only", UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: LicenseRef-Proprietary", [UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: DocumentRef-x:LicenseRef-y", [UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: something of ours", [UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: MIT/Apache-2.0", [UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: MIT, Apache-2.0", [UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: NONE", [UNKNOWN_SPDX]),
        ("SPDX-License-Identifier: LicenseRef-scancode-public-domain", ["LicenseRef-scancode-public-domain"]),
        ("spdx-license-identifier: GPL-3.0-only", ["GPL-3.0-only"]),
        ("SPDX-Licence-Identifier:mit or apache-2.0", ["MIT", "Apache-2.0"]),
        ("**SPDX-License-Identifier:** `MIT`", ["MIT"]),
        ("<!-- SPDX-License-Identifier: GPL-2.0+ -->", ["GPL-2.0-or-later"]),
        ("SPDX-License-Identifier: <identifier>", []),
    ],
)
def test_a_tag_says_that_there_is_a_license_though_nobody_knows_it(text: str, expected: list[str]) -> None:
    """Each with the verdict of ScanCode 32.5.0."""
    assert [match.license for match in tags(text + "\n")] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is released under the terms of the Apache License, Version\n2.0 (see LICENSE).", ["Apache-2.0"]),
        ("Project\n=======\n\nLicense\n-------\n\nMIT\n", ["MIT"]),
        ("Licensed under the 3-clause BSD license.", ["BSD-3-Clause"]),
        ("The author has dedicated all copyright to the public domain.", ["LicenseRef-scancode-public-domain"]),
        ("See <https://opensource.org/licenses/MIT>.", ["MIT"]),
        ("Apache 2.0\n", ["Apache-2.0"]),
        (
            '__version__ = "2.0"\n__license__ = "Apache-2.0"\n__author__ = "Some people, and others"\n' * 2,
            ["Apache-2.0", "Apache-2.0"],
        ),
        (
            "Classifier: License :: OSI Approved :: MIT License\nClassifier: Topic :: Software Development\n",
            ["MIT"],
        ),
        ("We took the license question seriously.", []),
    ],
)
def test_mentions_in_prose(text: str, expected: list[str]) -> None:
    assert [match.license for match in mentions(text)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is not licensed under MIT.", [UNKNOWN_REFERENCE]),
        ("It is not licensed under the [MIT license](https://opensource.org/licenses/MIT).", [UNKNOWN_REFERENCE]),
        ("It is no longer released\nunder the terms of the MIT license.", [UNKNOWN_REFERENCE]),
        ("It isn\u2019t distributed under the Apache License 2.0.", [UNKNOWN_REFERENCE]),
        ("Trademarks are not licensed under the GNU General Public License version 2.", [UNKNOWN_REFERENCE]),
        ("It has not been placed in the public domain.", [UNKNOWN_REFERENCE]),
        ("It is licensed under MIT, not under the GNU General Public License.", [UNKNOWN_REFERENCE, "MIT"]),
        ("It is not licensed under MIT but released under GPL-3.0.", [UNKNOWN_REFERENCE, "GPL-3.0-only"]),
        ("This is NOT licensed under LGPL-2.1. It is licensed under MIT.", [UNKNOWN_REFERENCE, "MIT"]),
        ("It is not only licensed under the MIT license but also under Apache-2.0.", ["MIT"]),
        ("Do not change it. It is licensed under the MIT license.", ["MIT"]),
    ],
)
def test_a_license_that_a_text_denies_is_none_that_it_is_under(text: str, expected: list[str]) -> None:
    found = {match.license for match in mentions(text + "\n" + "word " * 30)}
    assert found - {UNKNOWN_REFERENCE} == set(expected) - {UNKNOWN_REFERENCE}
    assert (UNKNOWN_REFERENCE in found) == (UNKNOWN_REFERENCE in expected)


def test_a_mention_stands_on_its_line() -> None:
    text = "# Project\n\nWords.\n\nIt is released under the MIT license.\nSee https://opensource.org/licenses/MIT\n"
    assert [(match.method, match.first_line) for match in mentions(text)] == [("name", 5), ("link", 6)]


@pytest.mark.parametrize(
    "piece",
    ["\n", " ", "license\n", "licensed under ", "https://", "placed in ", "License: a", "é", "not under ", "never be "],
)
def test_no_text_stalls_the_search_for_names(piece: str) -> None:
    """Steps, not seconds: a pattern that goes back over its text would try each of the 300,000 places again."""
    text = piece * (300_000 // len(piece))
    assert len(mentions(text) + tags(text)) <= 5 * MOST_MENTIONS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "under the terms of the GNU General Public License as published by\n# the Free Software Foundation; either "
            "version 2 of the\n# License, or (at your option) any later version.",
            "GPL-2.0-or-later",
        ),
        ("under the terms of version 2.1 of the GNU Lesser General Public License", "LGPL-2.1-only"),
        (
            "under the terms of the GNU Library General Public License as published by the Free Software Foundation; "
            "either version 2 of the License, or (at your option) any later version",
            "LGPL-2.0-or-later",
        ),
        ("under the GNU Affero General Public License v3 or later", "AGPL-3.0-or-later"),
        ("licensed under the GNU General Public License version 3", "GPL-3.0-only"),
        ("under the terms of the GNU General Public License", "GPL-1.0-or-later"),
    ],
)
def test_gnu_notices_differ_in_a_word_and_a_number(text: str, expected: str) -> None:
    notice = "This program is free software; you can redistribute it and/or modify it\n# " + text + ".\n" + "word " * 20
    assert [match.license for match in mentions(notice)] == [expected]


def test_debian_points_to_the_texts_it_installs() -> None:
    text = (
        "On Debian systems, the complete text can be found in the file\n`/usr/share/common-licenses/Apache-2.0'. " * 2
    )
    assert {match.license for match in mentions(text)} == {"Apache-2.0"}
