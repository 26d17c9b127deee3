"""What a checkpoint, or a finished model, says of the run that made it."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from sc2lib.errors import InputError
from sc2lib.files import write_text
from sc2lib.workflow.code_version import version_of


@cache
def training_code() -> str:
    """The version of the code that trains: `sc2lib.training.run` and what it imports, without pictures and tables."""
    return version_of("from sc2lib.training.run import run")


@dataclass(frozen=True)
class Lineage:
    """What decided the losses (`TrainingConfig.decisive`), and the versions of the code that computed them, in turn.

    A long run outlives changes of the code that trains it: it goes on, and says which versions had a part. It also says
    which samples it was told to skip (`DataConfig.skip_samples`).
    """

    decisive: Mapping[str, Any]
    code: tuple[str, ...]
    skip_samples: str | None = None

    @classmethod
    def now(cls, decisive: Mapping[str, Any], skip_samples: str | None = None) -> Self:
        """The lineage of a run that begins now, by the code as it is; values are those that JSON can hold."""
        return cls(json.loads(json.dumps(decisive)), (training_code(),), skip_samples)

    def after(self, before: Self) -> Self:
        """The lineage of this run when it goes on from a checkpoint that has the lineage `before`."""
        code = before.code if before.code[-1:] == self.code else before.code + self.code
        return replace(self, code=code)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps(vars(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Raises InputError when it is missing or damaged."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(dict(values["decisive"]), tuple(values["code"]), values["skip_samples"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is missing or damaged ({error!r})") from error


def set_aside(folder: Path) -> Path:
    """Give a run's folder another name beside it, ``-before-1`` and so on, so that the run can begin anew."""
    names = (folder.with_name(f"{folder.name}-before-{number}") for number in itertools.count(1))
    return folder.rename(next(name for name in names if not name.exists()))
