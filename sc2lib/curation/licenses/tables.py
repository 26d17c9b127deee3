"""Licences as steps over tables: find the licence files, gather what they say per folder, class every file.

Exact deduplication keeps one copy of a licence text for the whole archive, but every repository needs its own. So the
licence files of a repository are those among the kept files and among the removed exact duplicates; a shard holds
all copies of a blob, and each text is read once.
"""

from collections import defaultdict
from dataclasses import asdict

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib import queries, tables
from sc2lib.columns import contents_of, replace_columns
from sc2lib.curation.languages import label_languages
from sc2lib.curation.licenses.classification import (
    NON_PERMISSIVE_TYPE,
    UNKNOWN,
    base_path,
    find_licenses,
    is_license_file,
    license_type,
    licenses_of_file,
    promises_license,
    propagate,
)
from sc2lib.curation.licenses.names import NOASSERTION
from sc2lib.curation.licenses.texts import Match
from sc2lib.queries import Stored

UNREAD = ("too_large", "undecodable")  # reasons of chapter 01

# One row per licence file of a repository, duplicates included.
LICENSE_FILES = pa.schema(
    [
        ("blob_id", pa.string()),
        ("repo_name", pa.string()),
        ("path", pa.string()),
        ("base_path", pa.string()),
        ("licenses", pa.list_(pa.string())),
    ]
)
# One row for every place of a licence text or name in a text, each text once.
LICENSE_MATCHES = pa.schema(
    [
        ("blob_id", pa.string()),
        ("license", pa.string()),
        ("method", pa.string()),
        ("similarity", pa.float32()),
        ("first_line", pa.int32()),
        ("last_line", pa.int32()),
    ]
)
# What the licence files directly responsible for a folder say together.
BASE_PATHS = pa.schema([("repo_name", pa.string()), ("base_path", pa.string()), ("licenses", pa.list_(pa.string()))])


def find_license_files(
    files: pa.Table, removed: pa.Table, contents: pa.Table, *, similarity: float
) -> tuple[pa.Table, pa.Table]:
    """LICENSE_FILES and LICENSE_MATCHES of one shard: `files`, `contents`, and `removed` for its exact duplicates.

    A file whose name promises a licence, and which chapter 01 could not read, counts as a licence that nobody knows.
    """
    duplicates = removed.filter(pc.equal(removed["reason"], "exact_duplicate"))
    columns = ["blob_id", "repo_name", "path"]
    listed = pa.concat_tables([files.select(columns), duplicates.select(columns)])
    listed = listed.filter(pa.array([is_license_file(path) for path in listed["path"].to_pylist()], pa.bool_()))
    # A duplicate of a file that was itself removed (binary, too large) has no text anywhere.
    listed = listed.filter(pc.is_in(listed["blob_id"], contents["blob_id"].combine_chunks()))
    listed = listed.sort_by([(name, "ascending") for name in columns])
    matches: dict[str, list[Match]] = {}
    licenses = []
    for row, text in zip(listed.to_pylist(), contents_of(listed, contents), strict=True):
        blob = row["blob_id"]
        if blob not in matches:
            matches[blob] = find_licenses(text, similarity)
        licenses.append(licenses_of_file(row["path"], text, matches[blob]))
    base_paths = [base_path(path) for path in listed["path"].to_pylist()]
    rows = [{"blob_id": blob, **asdict(match)} for blob, found in matches.items() for match in found]
    license_files = pa.table([*listed.columns, base_paths, licenses], schema=LICENSE_FILES)
    license_files = pa.concat_tables([license_files, _unread(removed)])
    return license_files, pa.Table.from_pylist(rows, schema=LICENSE_MATCHES)


def _unread(removed: pa.Table) -> pa.Table:
    """LICENSE_FILES of the removed rows, duplicates included, whose name promises a licence and which were not read."""
    unread = removed.filter(pc.is_in(removed["reason"], pa.array(UNREAD)))["blob_id"].combine_chunks()
    rows = removed.filter(pc.is_in(removed["blob_id"], unread)).select(["blob_id", "repo_name", "path"]).to_pylist()
    found = [
        row | {"base_path": base_path(row["path"]), "licenses": [UNKNOWN]}
        for row in rows
        if promises_license(row["path"])
    ]
    found.sort(key=lambda row: (row["blob_id"], row["repo_name"], row["path"]))
    return pa.Table.from_pylist(found, schema=LICENSE_FILES)


def gather_base_paths(license_files: pa.Table) -> pa.Table:
    """BASE_PATHS: the union of the licences found per repository and base path, sorted."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in license_files.to_pylist():
        found[row["repo_name"], row["base_path"]].update(row["licenses"])
    rows = [
        {"repo_name": repository, "base_path": base, "licenses": sorted(licenses)}
        for (repository, base), licenses in sorted(found.items())
        if licenses
    ]
    return pa.Table.from_pylist(rows, schema=BASE_PATHS)


def assign_licenses(files: pa.Table, base_paths: pa.Table) -> pa.Table:
    """Fill `detected_licenses` and `license_type` of a FILES table from BASE_PATHS and `gha_license_id`."""
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for row in base_paths.to_pylist():
        found[row["repo_name"]][row["base_path"]] = row["licenses"]
    columns = (files[name].to_pylist() for name in ("repo_name", "path", "gha_license_id"))
    detected, types = [], []
    for repository, path, stated in zip(*columns, strict=True):
        detected.append(propagate(path, found[repository]) if repository in found else [])
        types.append(license_type(stated, detected[-1]))
    return replace_columns(
        files,
        detected_licenses=pa.array(detected, pa.list_(pa.string())),
        license_type=pa.array(types, pa.string()),
    )


def label_files(files: pa.Table, contents: pa.Table, base_paths: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Language and licence of every file of a shard; returns the kept FILES and the REMOVED rows.

    Removed are files under a licence that is not permissive (``non_permissive``, with the licences as detail), and
    files in no known language (``unknown_language``), which no later step could treat.
    """
    labelled = assign_licenses(label_languages(files, contents), base_paths)
    forbidden = pc.equal(labelled["license_type"], NON_PERMISSIVE_TYPE)
    unknown = pc.and_(pc.is_null(labelled["language"]), pc.invert(forbidden))
    kept = labelled.filter(pc.invert(pc.or_(forbidden, unknown)))
    refused = labelled.filter(forbidden)
    details = [
        stated if stated and stated != "NOASSERTION" else " AND ".join(detected) or stated
        for stated, detected in zip(
            refused["gha_license_id"].to_pylist(), refused["detected_licenses"].to_pylist(), strict=True
        )
    ]
    removed = pa.concat_tables(
        [
            tables.removed(refused, "non_permissive", pa.array(details, pa.string())),
            tables.removed(labelled.filter(unknown), "unknown_language"),
        ]
    )
    return kept, removed.sort_by([("blob_id", "ascending")])


# Who decides a file's class, by what its repository states about itself.
DECIDERS = {None: "licence files: nothing stated", NOASSERTION: "licence files: statement unclear"}
STATEMENT = "the repository's statement"


def count_deciders(kept: Stored, refused: Stored) -> dict[tuple[str, str], int]:
    """Files by who decided their class and by class; `refused` are the files that left for their licence."""
    sql = f"""
        SELECT gha_license_id, license_type, count(*) FROM kept GROUP BY ALL
        UNION ALL SELECT gha_license_id, '{NON_PERMISSIVE_TYPE}', count(*) FROM refused GROUP BY ALL
    """
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for stated, kind, count in queries.rows(sql, kept=kept, refused=refused):
        counts[DECIDERS.get(stated, STATEMENT), kind] += count
    return dict(counts)
