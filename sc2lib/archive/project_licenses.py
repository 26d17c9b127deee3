"""The licence a project declares about itself, in the form GHArchive would give it: one SPDX expression.

GitHub recognises about forty licences from a repository's licence file. A distribution says it in its metadata
instead: ``License-Expression`` (PEP 639), or one of the trove classifiers, which name families rather than
licences ("BSD License"); the family's common member stands for it.
"""

from typing import Any

from sc2lib.license_expressions import permissive_licenses
from sc2lib.license_refusals import is_refusal, is_reservation

# Trove classifier (last part) to SPDX identifier.
CLASSIFIERS = {
    "Academic Free License (AFL)": "AFL-3.0",
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic-2.0",
    "BSD License": "BSD-3-Clause",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    "Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
    "European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License (GPL)": "GPL-2.0-or-later",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.1-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-2.1-or-later",
    "Historical Permission Notice and Disclaimer (HPND)": "HPND",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "Universal Permissive License (UPL)": "UPL-1.0",
    "University of Illinois/NCSA Open Source License": "NCSA",
    "Zero-Clause BSD (0BSD)": "0BSD",
    "Zope Public License": "ZPL-2.1",
    "zlib/libpng License": "Zlib",
}
# What GHArchive says of a licence that is there and that GitHub does not know.
NO_ASSERTION = "NOASSERTION"


def declared(metadata: Any) -> str | None:
    """The SPDX expression a distribution's metadata declares; None when it declares nothing.

    Several classifiers are joined with AND, because nothing says whether the user may choose. The free-text field
    ``License`` counts only when it is exactly an identifier (of the table above, or of a permissive licence), or when
    it refuses ("Proprietary", "All rights reserved"): then something is stated that nobody can look up.
    """
    if expression := (metadata["License-Expression"] or "").strip():
        return expression
    classifiers = [line for line in metadata.get_all("Classifier") or () if line.startswith("License :: ")]
    names = [line.split(" :: ")[-1] for line in classifiers]
    found = sorted({CLASSIFIERS.get(name, NO_ASSERTION) for name in names if name != "OSI Approved"})
    if found:
        return NO_ASSERTION if NO_ASSERTION in found else " AND ".join(found)
    free = (metadata["License"] or "").strip()
    if is_refusal(free) or is_reservation(free):
        return NO_ASSERTION
    return free if free in permissive_licenses() or free in CLASSIFIERS.values() else None
