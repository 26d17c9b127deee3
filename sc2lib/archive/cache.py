"""Where fetched files are kept between runs: one folder of this machine, named by what the files must hash to."""

import os
from pathlib import Path


def folder(name: str) -> Path:
    """The folder for one kind of files below ``SC2_CACHE``, else below the user's cache folder."""
    given = os.environ.get("SC2_CACHE")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sc2"
    return base.expanduser().resolve() / name
