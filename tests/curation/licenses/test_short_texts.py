"""Licence files and READMEs of a line or two: where a licence that forbids is most easily taken for none.

The verdicts are those of ScanCode 32.5.0, asked with ``benchmarks/peers/scancode_licenses.py``.
"""

import pytest

from sc2lib.curation.licenses.classification import UNKNOWN, UNKNOWN_REFERENCE, find_licenses, licenses_of_file
from sc2lib.curation.licenses.names import PROPRIETARY, UNKNOWN_SPDX
from sc2lib.curation.licenses.spdx import reference_texts

FORBIDS = "LicenseRef-scancode-proprietary-license"
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
        ("/LICENSE", "Copyright (c) 2020 Foo Inc. All rights reserved.", []),
        ("/LICENSE", "Copyright (c) 2020 Foo Inc.\nAll rights reserved.", []),
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
        ("For internal use only. Do not distribute.", [UNKNOWN]),
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


@pytest.mark.parametrize("license", ["MIT", "BSD-3-Clause", "Apache-2.0", "IJG", "Zlib", "PSF-2.0", "GPL-2.0-only"])
def test_a_license_that_permits_forbids_a_little_and_is_not_taken_for_a_prohibition(license: str) -> None:
    assert PROPRIETARY.search(reference_texts()[license].encode()) is None
