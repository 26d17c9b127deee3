"""Profiles: one word that sets every knob of the book.

``sc2lib/profiles/knobs.yaml`` says which knobs there are; each profile is a flat YAML file that may extend another.
"""

import contextlib
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sc2lib.errors import ParameterError

FOLDER = Path(__file__).resolve().parent.parent / "profiles"
COMMON = ("seed", "shards", "workers", "executor")
NULL = "null"  # an override of this value is null whatever the profile says
TYPES: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Knob:
    """One parameter of the book: its type, range and meaning."""

    name: str
    type: str
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    optional: bool = False
    affects_output: bool = True
    path: bool = False  # names files: what they hold decides the results too

    def check(self, value: Any) -> Any:
        """Return `value` in the knob's type, or raise ParameterError with what is allowed; `NULL` stands for None."""
        if value in (None, NULL) and self.optional:
            return None
        expected: Any = TYPES[self.type]
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise ParameterError(f"{self.name}={value!r} is a {type(value).__name__}; give {self.allowed()}")
        if self.choices and value not in self.choices:
            raise ParameterError(f"{self.name}={value!r} is not known{nearest(value, self.choices)}; {self.allowed()}")
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise ParameterError(f"{self.name}={value!r} is out of range; give {self.allowed()}")
        return value

    def parse(self, text: str) -> Any:
        """The value that `text` from a command line stands for; `check` judges it.

        It is never None, which means what the profile says: that an optional knob is to be null is `NULL`.
        """
        if self.type == "str":
            return NULL if self.optional and not text else text
        if self.type == "float":
            with contextlib.suppress(ValueError):
                return float(text)
        value = yaml.safe_load(text)
        return NULL if value is None else value

    def allowed(self) -> str:
        """What the knob takes, in words."""
        words = f"one of {', '.join(map(str, self.choices))}" if self.choices else f"a value of type {self.type}"
        if self.low is not None:
            words += f", at least {self.low:g}"
        if self.high is not None:
            words += f", at most {self.high:g}"
        if self.unit:
            words += f" ({self.unit})"
        return words + (", or null" if self.optional else "")


def nearest(name: object, known: Iterable[object]) -> str:
    """A hint like ``; did you mean 'laptop'?``, empty when nothing is near."""
    close = difflib.get_close_matches(str(name), [str(entry) for entry in known], n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


@cache
def knobs() -> dict[str, Knob]:
    """Every knob by name."""
    table = yaml.safe_load((FOLDER / "knobs.yaml").read_text(encoding="utf-8"))
    return {
        name: Knob(name=name, **{**entry, "choices": tuple(entry.get("choices", ()))}) for name, entry in table.items()
    }


def names() -> list[str]:
    """The profiles, smallest first."""
    order = ["smoke", "laptop", "workstation"]
    found = [path.stem for path in FOLDER.glob("*.yaml") if path.stem != "knobs"]
    return sorted(found, key=lambda name: (order.index(name) if name in order else 9, len(name), name))


def knob(name: str) -> Knob:
    """The knob of that name; an unknown one is refused with the nearest known name."""
    if name not in knobs():
        raise ParameterError(f"no parameter {name!r}{nearest(name, knobs())} (all are in {FOLDER / 'knobs.yaml'})")
    return knobs()[name]


def load(name: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All knobs of a profile, checked; `overrides` win where they are not None."""
    if name not in names():
        raise ParameterError(f"no profile {name!r}{nearest(name, names())}; there are {', '.join(names())}")
    values = _read(name)
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    return {key: knob(key).check(value) for key, value in values.items()}


@cache
def _table(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def _read(name: str) -> dict[str, Any]:
    table = dict(_table(name))
    parent = table.pop("extends", None)
    return (_read(parent) if parent else {}) | table
