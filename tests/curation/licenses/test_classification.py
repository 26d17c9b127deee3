import pytest
from hypothesis import given
from hypothesis import strategies as st

from sc2lib.curation.licenses.classification import (
    UNKNOWN,
    UNKNOWN_REFERENCE,
    base_path,
    find_licenses,
    is_license_file,
    license_type,
    licenses_of_file,
    neutral_licenses,
    propagate,
)
from sc2lib.curation.licenses.spdx import reference_texts
from sc2lib.license_expressions import permissive_licenses


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/LICENSE", True),
        ("/a/license.txt", True),
        ("/COPYING.LESSER", True),
        ("/LICENCE-MIT", True),
        ("/README.md", True),
        ("/NOTICE", True),
        ("/gpl-3.0.txt", True),
        ("/__about__.py", True),
        ("/LICENSE/readme_first.c", True),
        ("/src/licenses/main.c", False),
        ("/relicense.py", False),
        ("/aplay.c", False),
    ],
)
def test_file_names_of_the_paper(path: str, expected: bool) -> None:
    assert is_license_file(path) == expected


class TestLicenseType:
    """Figure 1 of the paper, as get_license_type decides (sheet, section 1.5)."""

    @pytest.mark.parametrize(
        ("stated", "detected", "expected"),
        [
            ("MIT", ["GPL-3.0-only"], "permissive"),
            ("GPL-3.0-only", ["MIT"], "non_permissive"),
            (None, [], "no_license"),
            ("NOASSERTION", [], "non_permissive"),
            (None, ["MIT", "BSD-3-Clause"], "permissive"),
            ("NOASSERTION", ["MIT"], "permissive"),
            (None, ["MIT", "GPL-2.0-only"], "non_permissive"),
            (None, ["MIT", UNKNOWN_REFERENCE], "permissive"),
            (None, [UNKNOWN_REFERENCE], "non_permissive"),
            (None, ["MIT", UNKNOWN], "non_permissive"),
            (None, ["LicenseRef-scancode-dco-1.1"], "no_license"),
            (None, ["MIT", "LicenseRef-scancode-dco-1.1"], "permissive"),
            ("MIT OR GPL-2.0-only", [], "permissive"),
            ("MIT AND GPL-2.0-only", [], "non_permissive"),
        ],
    )
    def test_cases(self, stated: str | None, detected: list[str], expected: str) -> None:
        assert license_type(stated, detected) == expected

    @given(st.lists(st.sampled_from(["MIT", "Apache-2.0", "GPL-2.0-only", UNKNOWN, "LicenseRef-scancode-google-cla"])))
    def test_order_and_repetition_do_not_matter(self, detected: list[str]) -> None:
        assert license_type(None, detected) == license_type(None, [*reversed(detected), *detected])


def test_amendments_are_no_licenses() -> None:
    assert len(neutral_licenses()) == 10 and not neutral_licenses() & permissive_licenses()


def found(path: str, text: str) -> list[str]:
    return licenses_of_file(path, text, find_licenses(text, 0.85))


class TestDetection:
    def test_text_tag_and_mention(self) -> None:
        assert found("/LICENSE", "Copyright 2020 Me\n" + reference_texts()["ISC"]) == ["ISC"]
        assert found("/README.md", "# X\n\nX is distributed under the MIT license.\n") == ["MIT"]
        assert found("/notice.c", "// SPDX-License-Identifier: BSD-2-Clause\n") == ["BSD-2-Clause"]

    def test_every_kind_of_evidence_in_one_file_with_its_lines(self) -> None:
        mit = reference_texts()["MIT"]
        text = "SPDX-License-Identifier: Zlib\n\n" + mit + "\n\nParts are licensed under the Apache License 2.0.\n"
        lines = mit.count("\n")
        assert [(match.license, match.method) for match in find_licenses(text, 0.85)] == [
            ("Zlib", "tag"),
            ("MIT", "text"),
            ("Apache-2.0", "name"),
        ]
        assert find_licenses(text, 0.85)[1].first_line in (3, 7)
        assert find_licenses(text, 0.85)[2].first_line == lines + 5

    def test_names_inside_a_licence_text_belong_to_it(self) -> None:
        assert found("/LICENSE", "Title\n" + reference_texts()["Apache-2.0"]) == ["Apache-2.0"]
        assert found("/LICENSE", "Title\n" + reference_texts()["GPL-3.0-only"]) == ["GPL-3.0-only"]

    def test_unknown_license_is_not_taken_for_none(self) -> None:
        terms = "You may look at this program on Tuesdays if you promise to tell nobody what you have seen in it. "
        assert found("/LICENSE", terms * 3) == [UNKNOWN]
        assert found("/README", terms * 3) == []

    def test_pointer_to_other_files(self) -> None:
        text = "You may use it under either of the licenses found in LICENSE.APACHE or LICENSE.BSD, as you like it.\n"
        assert found("/LICENSE", text) == [UNKNOWN_REFERENCE]


class TestPropagation:
    def test_root_reaches_all_and_a_folder_only_what_is_below(self) -> None:
        found = {"/": ["MIT"], "/vendor/zlib/": ["Zlib"]}
        assert propagate("/main.c", found) == ["MIT"]
        assert propagate("/vendor/zlib/src/a.c", found) == ["MIT", "Zlib"]
        assert propagate("/vendor/zlib-ng/a.c", found) == ["MIT"]

    def test_a_wheel_keeps_the_root_license_with_its_metadata(self) -> None:
        assert base_path("/LICENSE") == "/"
        assert base_path("/a/b/COPYING") == "/a/b/"
        assert base_path("/x-1.0.dist-info/LICENSE") == "/"
        assert base_path("/x-1.0.dist-info/licenses/LICENSE") == "/"
        assert base_path("/x-1.0.dist-info/licenses/vendor/y/LICENSE") == "/x-1.0.dist-info/licenses/vendor/y/"

    @given(st.data())
    def test_same_as_comparing_every_prefix(self, data: st.DataObject) -> None:
        folders = st.lists(st.sampled_from(["a", "b", "ab"]), max_size=3).map(
            lambda names: "/" + "".join(n + "/" for n in names)
        )
        found = data.draw(st.dictionaries(folders, st.lists(st.sampled_from(["MIT", "ISC", "Zlib"]))))
        path = data.draw(folders) + "x.c"
        naive = {name for base, names in found.items() for name in names if path.startswith(base)}
        assert propagate(path, found) == sorted(naive)
