"""The folder that ``sc2 dedup`` writes to: only what an earlier run of the command made is ever written over."""

from dataclasses import dataclass
from pathlib import Path

from sc2lib import files
from sc2lib.errors import InputError, RunDirectoryError

MARK = ".sc2-dedup"  # in every folder of results; holds the lock, and the work of an unfinished run
RESULTS = ("report.json", "kept/part-*", "clusters/part-*", "pairs.parquet", "removed.parquet")


@dataclass(frozen=True)
class OutFolder:
    """A folder of results; `claim` it before anything else."""

    path: Path

    @property
    def mark(self) -> Path:
        """The folder that says who made the rest."""
        return self.path / MARK

    @property
    def work(self) -> Path:
        """What an interrupted run goes on from."""
        return self.mark / "work"

    def claim(self) -> None:
        """Mark a new or empty folder as one of results.

        Raises InputError for a file, and for a folder that holds anything but carries no mark: it is somebody's own.
        """
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"{self.path} is a file; give a folder with --out")
        if self.path.is_dir() and not self.mark.is_dir() and any(self.path.iterdir()):
            raise InputError(
                f"{self.path} is not empty and sc2 dedup did not make it; give a new folder with --out, "
                "so that nothing of yours is written over"
            )
        try:
            self.mark.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(
                f"cannot write to {self.path} ({error.strerror}); give another folder with --out"
            ) from error

    def clear(self) -> None:
        """Delete the results of an earlier run, and nothing beside them."""
        for pattern in RESULTS:
            for path in sorted(self.path.glob(pattern)):
                files.remove(path)
        for folder in (self.path / "kept", self.path / "clusters"):
            files.clear_temporary(folder)
