"""The files that ``sc2 dedup`` is given: which they are, what they are called, and the columns that matter."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sc2lib.errors import InputError

PARQUET = ".parquet"
PLAIN_LINES = (".jsonl", ".ndjson")
PACKED_LINES = (".jsonl.gz", ".ndjson.gz", ".jsonl.zst", ".ndjson.zst")
ENDINGS = (PARQUET, *PLAIN_LINES, *PACKED_LINES)


@dataclass(frozen=True)
class Columns:
    """The columns that matter; without an id a row is called after its file and number."""

    text: str
    id: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class InputFile:
    """A file as it was when the run began; its name is the path below the folder that was given."""

    path: Path
    name: str
    size: int
    modified_ns: int

    @property
    def is_parquet(self) -> bool:
        """Parquet, else JSON Lines."""
        return self.path.name.endswith(PARQUET)

    @property
    def is_packed(self) -> bool:
        """JSON Lines that must be unpacked first."""
        return self.path.name.endswith(PACKED_LINES)


def find_inputs(paths: Sequence[Path], out: Path) -> list[InputFile]:
    """The Parquet and JSON Lines files among `paths` and in the folders among them, each once, sorted by path.

    Names are relative to the folder that was given, or to the one that holds everything given: no two are the same.
    The folder of the results may lie within an input and is left out. Raises InputError for an input that lies in it,
    for a path that is missing or of another kind, and for a folder without such files.
    """
    found: dict[Path, Path] = {}  # where a file lies: where it was found
    for path in map(Path, map(os.path.abspath, paths)):
        if path.resolve().is_relative_to(out):
            raise InputError(f"{path} lies in {out}, where the results go; give another folder with --out")
        inside = [path]
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.is_file() and one.name.endswith(ENDINGS))
            inside = [one for one in inside if not one.resolve().is_relative_to(out)]
            if not inside:
                raise InputError(
                    f"{path} holds no file that ends in {', '.join(ENDINGS)}; give the folder that holds them"
                )
        elif not path.is_file():
            raise InputError(
                f"{path} does not exist; give files that end in {', '.join(ENDINGS)}, or a folder that holds some"
            )
        elif not path.name.endswith(ENDINGS):
            raise InputError(
                f"{path} is neither Parquet nor JSON Lines: its name ends in none of {', '.join(ENDINGS)}; "
                "rename it if it is, else convert it"
            )
        for one in inside:
            found.setdefault(one.resolve(), one)
    folders = [os.path.abspath(path if path.is_dir() else path.parent) for path in paths]
    base = Path(os.path.commonpath(folders))
    return [_as_it_is(path, seen.relative_to(base).as_posix()) for path, seen in found.items()]


def _as_it_is(path: Path, name: str) -> InputFile:
    state = path.stat()
    name = os.fsencode(name).decode("utf-8", "backslashreplace")  # any bytes may be a file's name
    return InputFile(path, name, state.st_size, state.st_mtime_ns)
