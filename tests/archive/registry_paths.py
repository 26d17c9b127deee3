"""For every distribution of `registry.yaml` one file per language that go-enry finds in it, as `registry_paths.json`.

Made with ``python -m tests.archive.registry_paths``, which fetches the archives; again whenever the list changes.
"""

import json
from pathlib import Path

from sc2lib.archive import archives, contents, registry
from sc2lib.curation.languages import label

STORED = Path(__file__).with_suffix(".json")
LONGEST = 60_000  # bytes of a file that is read


def found(pin: registry.Pin) -> dict[str, str]:
    """Language to the shortest path of a file in it, of one whose name says so if there is any."""
    paths: dict[str, str] = {}
    for member in archives.members(registry.fetch(pin)):
        if member.length < LONGEST:
            path = "/" + member.path.decode("utf-8", "replace")
            text = contents.decode(member.open().read()).text
            language = label(path, text).language if text else None
            if language:
                best = min(paths.get(language, path), path, key=lambda one: (not named(one, language), len(one), one))
                paths[language] = best
    return dict(sorted(paths.items()))


def named(path: str, language: str) -> bool:
    """Whether a file of that name, content unseen, may be in the language; go-enry is asked by the name alone."""
    import enry  # no wheel for Linux on Arm, where the stored file must still be readable

    return language in enry.get_languages(path, b"")


def main() -> None:
    """Write what is found in every archive under the checksum of the archive."""
    stored = {pin.sha256: {"name": pin.name, "paths": found(pin)} for pin in registry.read_list()}
    STORED.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
