"""Where a file came from, in one line: a qualified SWHID."""

from collections.abc import Mapping
from typing import Any

from sc2lib.archive.qualifiers import QualifiedSwhid
from sc2lib.archive.swhid import Swhid


def provenance(file: Mapping[str, Any], origin_url: str, lines: tuple[int, int | None] | None = None) -> QualifiedSwhid:
    """The qualified SWHID of a row of FILES: the content, and the origin, snapshot, anchor and path it was found at.

    The anchor is the revision where there is one, else the root directory. `lines` marks a part of the file, counted
    from one.
    """
    if file["revision_id"]:
        anchor = Swhid("rev", file["revision_id"])
    else:
        anchor = Swhid("dir", file["directory_id"])
    visit = Swhid("snp", file["snapshot_id"])
    path = file["path"].encode("utf-8", "surrogateescape")
    return QualifiedSwhid(Swhid("cnt", file["content_id"]), origin_url, visit, anchor, path, lines)
