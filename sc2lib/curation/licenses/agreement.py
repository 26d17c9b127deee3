"""How far our licence detector agrees with others: with ScanCode, and with what people say of their own files.

ScanCode's verdicts on real licence files are kept in `scancode_verdicts.json`, blob by blob, since ScanCode is too
heavy and too slow to run with the book. The file was made from the table `license_files` of a run, with
``python -m benchmarks.licenses RUN verdicts.json``; it says which version gave them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from sc2lib.curation.licenses import dep5
from sc2lib.curation.licenses.classification import find_licenses, license_type
from sc2lib.curation.licenses.words import words

DEBIAN = Path("/usr/share/doc")
SHORTEST_TEXT = 20  # words; a shorter stanza names its licence and does not hold it


@dataclass
class Agreement:
    """Two sources on the same texts: how often they name the same licences, and how often the same class follows."""

    texts: int = 0
    same_licenses: int = 0
    same_class: int = 0
    differ: list[tuple[str, list[str], list[str]]] = field(default_factory=list)  # key, theirs, ours

    def add(self, key: str, theirs: Iterable[str], ours: Iterable[str], same: bool | None = None) -> None:
        """Count one text; `same` overrules the comparison of the two sets."""
        theirs, ours = sorted(set(theirs)), sorted(set(ours))
        equal = theirs == ours if same is None else same
        self.texts += 1
        self.same_licenses += equal
        self.same_class += license_type(None, theirs) == license_type(None, ours)
        if not equal:
            self.differ.append((key, theirs, ours))


@cache
def scancode_verdicts() -> dict:
    """``version``, ``verdicts`` (blob to SPDX identifiers) and ``deadline_100`` (what differs with that argument)."""
    return json.loads(resources.files(__package__).joinpath("scancode_verdicts.json").read_text(encoding="utf-8"))


def with_scancode(licenses: Mapping[str, Iterable[str]]) -> Agreement:
    """Compare licences by blob with ScanCode's verdicts on the blobs that both know."""
    verdicts = scancode_verdicts()["verdicts"]
    agreement = Agreement()
    for blob in sorted(set(licenses) & set(verdicts)):
        agreement.add(blob, verdicts[blob], licenses[blob])
    return agreement


def scancode_at_deadline(blobs: Iterable[str]) -> Agreement:
    """Compare ScanCode with itself: without a deadline, and with the released code's ``deadline=100``."""
    known = scancode_verdicts()
    agreement = Agreement()
    for blob in sorted(set(blobs) & set(known["verdicts"])):
        verdict = known["verdicts"][blob]
        agreement.add(blob, verdict, known["deadline_100"].get(blob, verdict))
    return agreement


def copyright_files(folder: Path = DEBIAN) -> list[Path]:
    """The copyright files of the installed Debian packages; empty on other systems."""
    return sorted(path for path in folder.glob("*/copyright") if path.is_file())


def with_dep5(paths: Iterable[Path], similarity: float, most: int = 300) -> Agreement:
    """Compare with the short names of DEP-5 stanzas that carry their text: the first `most` different texts.

    Ours agrees when the named licence is among those found; ``or later`` is not looked at, since most stanzas hold
    the text of the licence, which is the same for both.
    """
    seen: set[bytes] = set()
    agreement = Agreement()
    for path in paths:
        for name, text in dep5.stanzas(path.read_text(encoding="utf-8", errors="replace")):
            named, found = dep5.spdx(name), words(text)
            if named is None or len(found) < SHORTEST_TEXT or found.digest in seen:
                continue
            seen.add(found.digest)
            ours = {match.license for match in find_licenses(text, similarity)}
            same = _family(named) in {_family(license) for license in ours}
            agreement.add(f"{path.parent.name}: {name}", [named], ours, same)
            if agreement.texts == most:
                return agreement
    return agreement


def _family(license: str) -> str:
    return license.removesuffix("-only").removesuffix("-or-later")
