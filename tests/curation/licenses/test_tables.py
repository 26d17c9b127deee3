import pyarrow as pa

from sc2lib import tables
from sc2lib.curation.licenses.spdx import reference_texts
from sc2lib.curation.licenses.tables import (
    BASE_PATHS,
    LICENSE_FILES,
    LICENSE_MATCHES,
    assign_licenses,
    count_deciders,
    find_license_files,
    gather_base_paths,
    label_files,
)

MIT, GPL = reference_texts()["MIT"], reference_texts()["GPL-3.0-only"]


def archive(rows: list[tuple[str, str, str, str]], stated: dict[str, str] | None = None) -> tuple[pa.Table, ...]:
    """FILES, REMOVED (exact duplicates) and CONTENTS of rows (blob, repository, path, text), as 01 leaves them."""
    files, removed, contents = [], [], {}
    for blob, repository, path, text in rows:
        row = {"blob_id": blob, "repo_name": repository, "path": path, "length_bytes": len(text)}
        if blob in contents:
            removed.append(row | {"reason": "exact_duplicate"})
        else:
            files.append(row | {"gha_license_id": (stated or {}).get(repository)})
        contents[blob] = text
    return (
        pa.Table.from_pylist(files, tables.FILES),
        pa.Table.from_pylist(removed, tables.REMOVED),
        pa.Table.from_pylist([{"blob_id": b, "content": t} for b, t in contents.items()], tables.CONTENTS),
    )


def test_a_duplicate_license_still_counts_for_its_repository() -> None:
    files, removed, contents = archive(
        [
            ("b1", "one", "/LICENSE", MIT),
            ("b1", "two", "/LICENSE", MIT),
            ("b2", "one", "/a.py", "x = 1\n"),
            ("b3", "two", "/b.py", "y\n"),
        ]
    )
    found, matches = find_license_files(files, removed, contents, similarity=0.85)
    assert found.schema == LICENSE_FILES
    assert found["repo_name"].to_pylist() == ["one", "two"]
    assert matches.schema == LICENSE_MATCHES
    (match,) = matches.to_pylist()  # one text, read once
    assert (match["blob_id"], match["license"], match["method"]) == ("b1", "MIT", "text")
    base_paths = gather_base_paths(found)
    assert base_paths.schema == BASE_PATHS
    assigned = assign_licenses(files, base_paths)
    assert assigned["license_type"].to_pylist() == ["permissive"] * 3
    assert assigned["detected_licenses"].to_pylist() == [["MIT"]] * 3


def test_only_exact_duplicates_are_read_from_the_removed() -> None:
    files, removed, contents = archive([("b1", "one", "/LICENSE", MIT)])
    unreadable = pa.Table.from_pylist(
        [{"blob_id": "b9", "repo_name": "two", "path": "/LICENSE", "reason": "binary"}], tables.REMOVED
    )
    found, _ = find_license_files(files, pa.concat_tables([removed, unreadable]), contents, similarity=0.85)
    assert found["repo_name"].to_pylist() == ["one"]


def test_a_license_too_large_to_read_is_no_permission() -> None:
    files, removed, contents = archive([("b1", "one", "/sub/a.py", "x"), ("b2", "two", "/a.py", "y")])
    rows = [
        {"blob_id": "b8", "repo_name": "one", "path": "/sub/LICENSE", "reason": "too_large"},
        {"blob_id": "b8", "repo_name": "three", "path": "/COPYING", "reason": "exact_duplicate"},
        {"blob_id": "b9", "repo_name": "two", "path": "/README.md", "reason": "too_large"},
    ]
    removed = pa.concat_tables([removed, pa.Table.from_pylist(rows, tables.REMOVED)])
    found, _ = find_license_files(files, removed, contents, similarity=0.85)
    assert found.schema == LICENSE_FILES
    assert found["repo_name"].to_pylist() == ["one", "three"]
    types = assign_licenses(files, gather_base_paths(found))["license_type"].to_pylist()
    assert types == ["non_permissive", "no_license"]


def test_one_repository_does_not_lend_its_license_to_another() -> None:
    files, removed, contents = archive(
        [
            ("b1", "one", "/LICENSE", MIT),
            ("b2", "two", "/a.py", "x = 1\n"),
            ("b3", "three", "/sub/COPYING", GPL),
            ("b4", "three", "/sub/a.py", "a\n"),
            ("b5", "three", "/b.py", "b\n"),
        ]
    )
    base_paths = gather_base_paths(find_license_files(files, removed, contents, similarity=0.85)[0])
    kept, gone = label_files(files, contents, base_paths)
    assert dict(zip(kept["blob_id"].to_pylist(), kept["license_type"].to_pylist())) == {
        "b1": "permissive",
        "b2": "no_license",
        "b5": "no_license",
    }
    assert dict(zip(gone["blob_id"].to_pylist(), gone["detail"].to_pylist())) == {
        "b3": "GPL-3.0-only",
        "b4": "GPL-3.0-only",
    }
    assert kept.schema == tables.FILES and gone.schema == tables.REMOVED


def test_every_file_is_kept_or_has_a_reason() -> None:
    files, removed, contents = archive(
        [
            ("b1", "one", "/a.py", "x = 1\n"),
            ("b2", "one", "/data.what", "?\n"),
            ("b3", "two", "/a.c", "int x;\n"),
            ("b4", "three", "/c.c", "int z;\n"),
        ],
        stated={"two": "MPL-2.0", "three": "NOASSERTION"},
    )
    kept, gone = label_files(
        files, contents, gather_base_paths(find_license_files(files, removed, contents, similarity=0.85)[0])
    )
    assert sorted(kept["blob_id"].to_pylist() + gone["blob_id"].to_pylist()) == ["b1", "b2", "b3", "b4"]
    assert gone.select(["blob_id", "reason", "detail"]).to_pylist() == [
        {"blob_id": "b2", "reason": "unknown_language", "detail": None},
        {"blob_id": "b3", "reason": "non_permissive", "detail": "MPL-2.0"},
        {"blob_id": "b4", "reason": "non_permissive", "detail": "NOASSERTION"},
    ]


def test_who_decided_is_counted_by_class() -> None:
    kept = pa.Table.from_pylist(
        [
            {"gha_license_id": "MIT", "license_type": "permissive"},
            {"gha_license_id": None, "license_type": "no_license"},
        ],
        tables.FILES,
    )
    refused = pa.Table.from_pylist([{"gha_license_id": "NOASSERTION"}, {"gha_license_id": "NOASSERTION"}], tables.FILES)
    assert count_deciders(kept, refused) == {
        ("the repository's statement", "permissive"): 1,
        ("licence files: nothing stated", "no_license"): 1,
        ("licence files: statement unclear", "non_permissive"): 2,
    }
