"""Where a file came from, in one line: a SWHID with qualifiers (SWHID specification, section on qualifiers)."""

from collections.abc import Mapping
from typing import Any

from sc2lib.archive.swhid import Swhid


def provenance(file: Mapping[str, Any], origin_url: str) -> str:
    """The qualified SWHID of a row of FILES: the content, and the origin, snapshot, anchor and path it was found at.

    The anchor is the revision where there is one, else the root directory. Semicolons and percent signs in
    values are escaped, as the specification asks.
    """
    if file["revision_id"]:
        anchor = Swhid("rev", file["revision_id"])
    else:
        anchor = Swhid("dir", file["directory_id"])
    qualifiers = {
        "origin": origin_url,
        "visit": str(Swhid("snp", file["snapshot_id"])),
        "anchor": str(anchor),
        "path": file["path"],
    }
    escaped = [f"{name}={value.replace('%', '%25').replace(';', '%3B')}" for name, value in qualifiers.items()]
    return ";".join([str(Swhid("cnt", file["content_id"])), *escaped])
