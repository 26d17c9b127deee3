"""Licence files and READMEs of a line or two: where a licence that forbids is most easily taken for none.

The verdicts are those of ScanCode 32.5.0, asked with ``benchmarks/peers/scancode_licenses.py``.
"""

import pytest

from sc2lib.curation.licenses.classification import (
    UNKNOWN,
    UNKNOWN_REFERENCE,
    find_licenses,
    license_type,
    licenses_of_file,
)
from sc2lib.curation.licenses.names import FORBIDDEN as FORBIDS
from sc2lib.curation.licenses.names import UNKNOWN_SPDX
from sc2lib.curation.licenses.spdx import reference_texts
from sc2lib.license_expressions import permissive_licenses
from sc2lib.license_refusals import HEADED_REFUSAL, PROPRIETARY, REFUSALS

ACME = """This is the proprietary license of ACME corp, you may not copy, modify, merge, publish or distribute the
software without a contract signed by ACME corp and yourself."""


def found(path: str, text: str) -> list[str]:
    return licenses_of_file(path, text + "\n", find_licenses(text + "\n", 0.85))


@pytest.mark.parametrize(
    ("path", "text", "scancode"),
    [
        (
            "/LICENSE",
            "Proprietary and confidential. Unauthorized copying of this file, via any medium is strictly prohibited.",
            [FORBIDS],
        ),
        ("/LICENSE", "Unauthorized copying of this file, via any medium is strictly prohibited.", [FORBIDS]),
        ("/LICENSE", "Confidential and proprietary.", [FORBIDS]),
        ("/LICENSE", "Non-commercial use only", [FORBIDS]),
        ("/LICENSE", "It is not licensed for commercial use.", [FORBIDS]),
        ("/LICENSE", "No commercial use.", [FORBIDS]),
        ("/LICENSE-PROPRIETARY", ACME, [FORBIDS]),
        ("/LICENSE_COMMERCIAL.txt", ACME, [FORBIDS]),
        ("/LICENSE.en.txt", ACME, [FORBIDS]),
        ("/README", ACME, [FORBIDS]),
        ("/README.md", "# Foo\n\nThis code is proprietary and confidential.", [FORBIDS]),
        ("/README.md", "# Foo\n\nYou may use it for academic, non-commercial purposes only.", [FORBIDS]),
        ("/README.md", "# Foo\n\nNot for commercial use or redistribution.", [FORBIDS]),
        ("/README.md", "# Foo\n\nFree for non-commercial purposes.", [FORBIDS]),
        ("/README.md", "# Foo\n\n## License\n\nProprietary", [FORBIDS]),
        ("/README.md", "# Foo\n\nWe reverse engineered a proprietary protocol.", []),
        ("/README.md", "# Foo\n\nReads proprietary formats, writes confidential data.", []),
        ("/README.md", "# Foo\n\nUnlike proprietary software, Foo is free.", []),
        ("/README.md", "# Foo\n\nA commercial license is available from Foo.", []),
        ("/README.md", "# Foo\n\nAll rights reserved.", []),
        ("/LICENSE", "Copyright (c) 2020 Foo Inc.", []),
        ("/NOTICE", "Copyright (c) 2020 Foo Inc. All rights reserved.", []),
        ("/LICENSE", "SPDX-License-Identifier: LicenseRef-Proprietary", [UNKNOWN_SPDX]),
        ("/LICENSE", "See LICENSE.md for details.", [UNKNOWN_REFERENCE]),
        ("/LICENSE", "See LICENSE", [UNKNOWN_REFERENCE]),
        ("/LICENSE", "For license information see LICENSE.txt", [UNKNOWN_REFERENCE]),
        ("/LICENSE", "Please see the accompanying license agreement.", [UNKNOWN_REFERENCE]),
        ("/LICENSE", "Licensed under the same terms as the project.", [UNKNOWN_REFERENCE]),
        ("/LICENSE", "../../packages/core/LICENSE", []),
        ("/LICENSE", "MIT License", ["MIT"]),
        ("/LICENSE", "Beerware", ["Beerware"]),
        ("/LICENSE", "TODO", []),
    ],
)
def test_the_verdict_is_that_of_scancode(path: str, text: str, scancode: list[str]) -> None:
    assert found(path, text) == scancode


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("All rights reserved. You may not use this code.", [FORBIDS]),
        ("All Rights Reserved. No permission is granted to use, copy or distribute.", [FORBIDS]),
        ("For internal use only. Do not distribute.", [FORBIDS]),
        ("Strictly confidential", [FORBIDS]),
        ("Copyright 2020 Foo Inc. All rights reserved. Proprietary.", [FORBIDS]),
        ("Copyright (c) 2020 Foo Inc. All rights reserved.", [UNKNOWN_REFERENCE]),
        ("Copyright (c) 2020 Foo Inc.\nAll rights reserved.", [UNKNOWN_REFERENCE]),
        ("This software is commercial. You may not use or redistribute it without a paid license.", [UNKNOWN]),
        ("This code may be used for research purposes only.", [UNKNOWN]),
        ("Это программное обеспечение нельзя копировать.", [UNKNOWN]),
        ("See the LICENSE file in the root of the repository.", [UNKNOWN_REFERENCE]),
    ],
)
def test_stricter_than_scancode_which_finds_nothing_in_these(text: str, ours: list[str]) -> None:
    """A file that calls itself a licence and says something is one; the book rather loses a file."""
    assert found("/LICENSE", text) == ours


@pytest.mark.parametrize("path", ["/license.py", "/licenses.json", "/license-check.yml", "/README", "/NOTICE"])
def test_only_a_file_that_is_nothing_but_a_license_is_an_unknown_one(path: str) -> None:
    assert found(path, "You may look at this program on Tuesdays.") == []
    assert found("/LICENSE.acme", "You may look at this program on Tuesdays.") == [UNKNOWN]


@pytest.mark.parametrize("path", ["/README.md", "/NOTICE"])
@pytest.mark.parametrize(
    "text",
    [
        "Proprietary software. Do not redistribute.",
        "Confidential - internal use only",
        "This repository is private and confidential.",
        "Copyright 2020 Foo Inc. All rights reserved.\nReproduction is prohibited without written consent.",
        "This software is the property of Foo Inc. and may not be used or copied without permission.",
        "This is not open-source software; you may not use, copy or modify it.",
    ],
)
def test_a_refusal_in_running_text_counts_wherever_it_stands(path: str, text: str) -> None:
    assert found(path, f"# Foo\n\nA tool.\n\n{text}\n") == [FORBIDS]


@pytest.mark.parametrize(
    "condition",
    [
        "This software may not be used for commercial purposes.",
        '"Commons Clause" License Condition v1.0\n\nThe License does not grant to you, the right to Sell the Software.',
    ],
)
def test_a_condition_beside_the_text_of_a_license_that_permits_forbids(condition: str) -> None:
    assert found("/LICENSE", condition + "\n\n" + reference_texts()["MIT"]) == [FORBIDS, "MIT"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Internal use only.", [FORBIDS]),
        ("UNLICENSED", [FORBIDS]),
        ("Private - All Rights Reserved", [FORBIDS]),
        ("For internal use at Foo only.", [FORBIDS]),
        ("Closed source.", [FORBIDS]),
        ("© 2020 Foo Inc. All rights reserved.", [UNKNOWN_REFERENCE]),
        ("MIT. All rights reserved.", ["MIT"]),
        ("Use of this software is allowed.", []),
        ("Private keys are checked on arrival.", []),
    ],
)
def test_below_the_heading_license_one_refusal_is_enough(text: str, expected: list[str]) -> None:
    assert found("/README.md", f"# Foo\n\n## License\n\n{text}\n\n## Usage\n") == expected


@pytest.mark.parametrize(
    "text",
    [
        "This package is for internal use only.",
        "Because the vendor's software is proprietary, we wrote this.",
        "- Open source software\n- Proprietary software",
        "Files:\n\n- secret.pem: private, do not share",
        "Do not copy. Do not modify.",
        "Reads confidential data. Do not publish it.",
        "Confidential computing for everyone. Do not use it on Tuesdays.",
    ],
)
def test_a_readme_may_speak_of_such_things_in_passing(text: str) -> None:
    assert found("/README.md", f"# Foo\n\n{text}\n") == []


def test_rights_reserved_beside_a_license_that_permits_are_permitted() -> None:
    reserved = found("/LICENSE", "Copyright (c) 2020 Foo Inc. All rights reserved.")
    assert license_type(None, reserved) == "non_permissive"
    assert license_type(None, [*reserved, "MIT"]) == "permissive"


def test_a_license_that_permits_forbids_a_little_and_is_not_taken_for_a_prohibition() -> None:
    texts = {name: text.encode() for name, text in reference_texts().items() if name in permissive_licenses()}
    assert len(texts) > 300
    patterns = (PROPRIETARY, REFUSALS, HEADED_REFUSAL)
    assert [name for name, text in texts.items() if any(pattern.search(text) for pattern in patterns)] == []
