"""Languages: what each file is written in, and whether it is vendored or generated.

The detector is go-enry, GitHub linguist's rules in Go, given the path and the content, as the paper does
(V). enry-python has no wheel for Linux on Arm: there a table of file names and
extensions stands in (`language_names.json`, made from go-enry's own answers). It cannot tell C from C++ in a
``.h``, sees no shebang and calls no file generated; `detector` says which of the two is at work.
"""

import json
import posixpath
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from types import ModuleType
from typing import NamedTuple

import pyarrow as pa

from sc2lib.columns import contents_of, replace_columns

# go-enry breaks a tie between languages by the order of a Go map, which differs from call to call. Ties arise where a
# file with an extension of several languages holds hardly a word; there the first in the alphabet is taken.
TIE_BYTES = 4096
TIE_CALLS = 16

# A short list for the fallback; go-enry knows about 150 patterns.
VENDORED = re.compile(r"(^|/)(_?vendor(ed|s)?|node_modules|third[_-]?party|bower_components|extern(al)?s?)/")


class Label(NamedTuple):
    """What is said of one file; `language` is linguist's name, None when no rule applies."""

    language: str | None
    is_vendor: bool
    is_generated: bool


def detector() -> str:
    """Name of the detector at work on this machine: ``go-enry`` or ``name table``."""
    return "go-enry" if _enry() else "name table"


# docs: start-label
def label(path: str, content: str) -> Label:
    """Label one file. Costs about 0.4 ms for go-enry, most of it for names that several languages share."""
    enry = _enry()
    if enry is None:
        return Label(language_by_name(path), VENDORED.search(path) is not None, False)
    data = content.encode("utf-8", "surrogatepass")
    return Label(
        language=_settled(enry, path, data) or None,
        is_vendor=enry.is_vendor(path.removeprefix("/")),
        is_generated=enry.is_generated(path, data),
    )


def label_languages(files: pa.Table, contents: pa.Table) -> pa.Table:
    """Fill `language`, `is_vendor` and `is_generated` of a FILES table; `contents` holds at least its blobs."""
    paths = files["path"].to_pylist()
    labels = [label(path, text) for path, text in zip(paths, contents_of(files, contents), strict=True)]
    return replace_columns(
        files,
        language=pa.array([one.language for one in labels], pa.string()),
        is_vendor=pa.array([one.is_vendor for one in labels], pa.bool_()),
        is_generated=pa.array([one.is_generated for one in labels], pa.bool_()),
    )


# docs: end-label


def language_by_name(path: str) -> str | None:
    """The language of a file name, else of its longest known extension; None when neither is known.

    This is how The Stack v1 labelled files, and the fallback of `label`. Where several languages share an
    extension it gives the one go-enry takes an empty file for.
    """
    table = _name_table()
    name = posixpath.basename(path)
    if name in table["names"]:
        return table["names"][name]
    parts = name.lower().split(".")[1:]
    for start in range(len(parts)):
        found = table["extensions"].get("." + ".".join(parts[start:]))
        if found:
            return found
    return None


def extension(path: str) -> str:
    """The extension without its dot, as The Stack v2's column has it; empty for ``Makefile`` and ``.bashrc``."""
    return posixpath.splitext(posixpath.basename(path))[1].removeprefix(".")


def is_excluded(language: str | None, extension: str) -> bool:
    """Whether the visual inspection dropped the language, or this extension of it (sheet, section 1.8).

    The list is the released table of the pull-request pipeline, the closest public stand-in for the paper's
    appendices A.1 and A.2.
    """
    table = exclusions()
    return language in table["languages"] or extension.lower() in table["extensions"].get(language or "", ())


@cache
def exclusions() -> dict:
    """The inspection's blacklist: ``languages`` (a list) and ``extensions`` (a list per language).

    ``starcoder_extensions`` is that of the first StarCoder's inspection.
    """
    return _data("language_exclusions.json")


def make_name_table(languages: Iterable[str], names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Ask go-enry for the language of every extension of these languages and of these file names.

    `language_names.json` was made from the languages and names it holds, and a test makes it again. Raises
    ModuleNotFoundError where there is no go-enry.
    """
    import enry

    extensions = {found.lower() for language in languages for found in enry.get_language_extensions(language)}
    by_extension = {one: _settled(enry, "x" + one, b"") for one in sorted(extensions)}
    by_name = {name: _settled(enry, name, b"") for name in sorted(set(names))}
    return {
        "extensions": {key: value for key, value in by_extension.items() if value},
        "names": {key: value for key, value in by_name.items() if value},
    }


def _settled(enry: ModuleType, path: str, data: bytes) -> str:
    """go-enry's answer, the same at every call."""
    answer = enry.get_language(path, data)
    if len(data) > TIE_BYTES or not _is_shared(extension(path)):
        return answer
    return min({answer, *(enry.get_language(path, data) for _ in range(TIE_CALLS - 1))})


@cache
def _is_shared(extension: str) -> bool:
    """Whether several languages have this extension."""
    enry = _enry()
    return enry is not None and len(enry.get_languages("x." + extension, b"")) > 1


@cache
def _enry() -> ModuleType | None:
    # Imported late: a Go runtime must not be started before a process forks.
    try:
        import enry
    except ImportError:
        return None
    return enry


@cache
def _name_table() -> dict[str, dict[str, str]]:
    return _data("language_names.json")


def _data(name: str) -> dict:
    return json.loads(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
