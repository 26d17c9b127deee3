"""One folder per run: stage outputs, executed notebooks, the lock, the progress of the stage that runs."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sc2lib.errors import RunDirectoryError
from sc2lib.files import remove, write_text
from sc2lib.workflow.manifest import SCHEMA, Manifest, load
from sc2lib.workflow.project import root

_last_report = 0.0


@dataclass(frozen=True)
class RunDirectory:
    """Paths and small records of a run."""

    path: Path

    @classmethod
    def of(cls, profile: str, run_dir: str | Path | None = None) -> Self:
        """The run in `run_dir`, or the profile's own below ``runs/`` (``SC2_RUNS`` moves that folder)."""
        if run_dir is not None:
            return cls(Path(run_dir).expanduser().resolve())
        return cls(Path(os.environ.get("SC2_RUNS", root() / "runs")).resolve() / profile)

    def stage(self, name: str) -> Path:
        return self.path / name

    @property
    def lasting(self) -> Path:
        """What outlives the folders of the stages (`Stage.lasting`)."""
        return self.path / "lasting"

    def superseded(self, name: str) -> Path:
        """Where the folder of a stage is set aside; one generation of each."""
        return self.path / "superseded" / name

    def set_aside(self, name: str) -> None:
        """Take the folder of a stage away, so that all of it is made anew."""
        if self.stage(name).exists():
            aside = self.superseded(name)
            aside.parent.mkdir(parents=True, exist_ok=True)
            remove(aside)
            self.stage(name).rename(aside)

    def notebook(self, name: str) -> Path:
        """The executed copy of a stage's notebook."""
        return self.path / "notebooks" / f"{name}.ipynb"

    def failed(self, name: str) -> Path:
        """Where a failed notebook is kept for a look; the book never reads there."""
        return self.path / "failed" / f"{name}.ipynb"

    def command(self, stage: str) -> str:
        """The command that makes a stage and what it needs."""
        profile = self.record().get("profile", "laptop")
        option = "" if self == RunDirectory.of(profile) else f" --run-dir {self.path}"
        return f"sc2 run --profile {profile}{option} --to {stage[:2]}"

    def initialise(self, profile: str, overrides: dict[str, Any] | None = None) -> None:
        """Create the folder and its record."""
        record = self.record()
        fresh = {"schema": SCHEMA, "profile": profile, "overrides": record.get("overrides", {})}
        if overrides is not None:
            fresh["overrides"] = overrides
        if fresh != record:
            try:
                write_text(self.path / "run.json", json.dumps(fresh, indent=1) + "\n")
            except OSError as error:
                raise RunDirectoryError(
                    f"cannot write to {self.path} ({error.strerror}); choose another --run-dir"
                ) from error

    def record(self) -> dict[str, Any]:
        """``run.json``: schema, profile and overrides of the last run; empty before the first.

        Raises RunDirectoryError for the folder of another version, so that no verb reads or reports on it.
        """
        path = self.path / "run.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RunDirectoryError(f"cannot read {path} ({error.strerror}); choose another --run-dir") from error
        except ValueError as error:
            raise RunDirectoryError(f"{path} cannot be read ({error}); delete it and run again") from error
        if record and record.get("schema") != SCHEMA:
            raise RunDirectoryError(
                f"{self.path} was written with schema {record.get('schema')}, this version of the book uses {SCHEMA}; "
                "choose another --run-dir, or delete this one"
            )
        return record

    def report(self, stage: str, label: str, done: float, total: float) -> None:
        """Leave word of how far a step is, at most five times a second."""
        global _last_report
        now = time.monotonic()
        if now - _last_report < 0.2 and done < total:
            return
        _last_report = now
        write_text(
            self.path / ".progress.json",
            json.dumps({"stage": stage, "label": label, "done": done, "total": total}),
        )

    def forget_progress(self) -> None:
        """Before a stage starts: what is left of another one says nothing about it."""
        (self.path / ".progress.json").unlink(missing_ok=True)

    def manifests(self) -> dict[str, Manifest]:
        """Manifests of the finished stages, in order."""
        found = {path.name: load(path) for path in sorted(self.path.glob("[0-9][0-9]_*"))}
        return {name: manifest for name, manifest in found.items() if manifest is not None}

    def progress(self) -> dict[str, Any]:
        """The last report, or an empty dictionary."""
        try:
            return json.loads((self.path / ".progress.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
