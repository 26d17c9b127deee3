"""Is a stage of a run up to date? A pure look at manifests, parameters and code."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sc2lib.errors import ParameterError
from sc2lib.path_digests import path_digest
from sc2lib.workflow import manifest as manifests
from sc2lib.workflow import profiles
from sc2lib.workflow.code_version import code_version
from sc2lib.workflow.project import Notebook, notebooks, root
from sc2lib.workflow.run_directory import RunDirectory

__all__ = ["code_version", "input_digests", "key", "path_digests", "problem", "resolve"]


def resolve(notebook: Notebook, profile: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs a notebook declares, from the profile and the overrides that are not None.

    Raises ParameterError for an override that the notebook does not declare.
    """
    names = dict.fromkeys((*notebook.knobs, *profiles.COMMON))
    for name in overrides:
        if name not in names:
            raise ParameterError(
                f"notebooks/{notebook.path.name} has no parameter {name!r}{profiles.nearest(name, names)}; "
                f"it has {', '.join(names)}"
            )
    values = profiles.load(profile, overrides)
    for name in names:
        if name not in values:
            profiles.knob(name)
            raise ParameterError(f"the profile {profile!r} has no value for {name!r}; add one")
    return {name: values[name] for name in names}


def input_digests(notebook: Notebook, run: RunDirectory) -> dict[str, str]:
    """Digests of the manifests a stage reads; an absent one is the empty string."""
    found = {name: manifests.load(run.stage(name)) for name in notebook.reads}
    return {name: entry.digest if entry else "" for name, entry in found.items()}


def path_digests(params: Mapping[str, Any]) -> dict[str, str]:
    """Digests of the files that the parameters name, such as rules or benchmarks, as far as they are there."""
    named = [name for name, value in params.items() if value and profiles.knob(name).path]
    found = {name: path_digest(root() / Path(params[name]).expanduser()) for name in named}
    return {name: digest for name, digest in found.items() if digest}


def key(notebook: Notebook, params: Mapping[str, Any], run: RunDirectory, paths: Mapping[str, str]) -> str:
    """SHA-256 of all that decides a stage's outputs: parameters and the files they name, inputs, code."""
    affecting = {name: value for name, value in params.items() if profiles.knob(name).affects_output}
    content = [manifests.SCHEMA, affecting, input_digests(notebook, run), code_version(notebook), dict(paths)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def problem(
    stage: str, run: RunDirectory, params: Mapping[str, Any] | None = None, known: dict[str, str | None] | None = None
) -> str | None:
    """Why a stage must run (again), as the end of a sentence; None when it is up to date.

    `params` are the knobs it should have; None accepts those it was made with. The stages it reads count too;
    `known` remembers what was found about them. Files that a knob names and that are gone are no reason: the stage
    could not be made again.
    """
    notebook = notebooks()[stage]
    found = manifests.load(run.stage(stage))
    if found is None:
        return "has not finished" if run.stage(stage).exists() else "has not run"
    for entry in (entry for entries in found.outputs.values() for entry in entries):
        path = run.stage(stage) / entry["path"]
        if not path.exists() or path.stat().st_size != entry["bytes"]:
            return f"lost its output {entry['path']}"
    if found.code != code_version(notebook):
        return "was made by other code"
    for name, value in (params or {}).items():
        if profiles.knob(name).affects_output and found.params.get(name) != value:
            return f"was made with {name}={found.params.get(name)!r}, not {value!r}"
    for name, digest in path_digests(params or found.params).items():
        if found.paths.get(name) != digest:
            return f"was made before the files at {name}={found.params.get(name)!r} changed"
    known = {} if known is None else known
    digests = input_digests(notebook, run)
    for name in notebook.reads:
        if found.inputs.get(name) != digests[name]:
            return f"was made from another {name}"
        if name not in known:
            known[name] = problem(name, run, known=known)
        if known[name] is not None:
            return f"stands on {name}, which {known[name]}"
    return None
