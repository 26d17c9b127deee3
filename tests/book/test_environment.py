"""One environment, described three times: pyproject.toml, requirements.lock, environment.yml."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import sc2lib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The oracles live in an environment of their own, which the lock does not describe.
EXTRAS = {name: lines for name, lines in PROJECT["project"]["optional-dependencies"].items() if name != "oracles"}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))

INSTALLERS = {"pip", "setuptools", "wheel"}  # what pip freeze leaves out


def lock() -> dict[str, Version]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    return {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in pins}


def direct(without: str = "") -> list[Requirement]:
    extras = [line for name, lines in EXTRAS.items() for line in lines if name != without]
    return [Requirement(line) for line in PROJECT["project"]["dependencies"] + extras]


def test_every_line_of_the_lock_is_one_exact_public_version() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    names = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+( ?; ?.+)?", line), line
            names.append(canonicalize_name(Requirement(line).name))
    assert len(names) == len(set(names)), "a package is pinned twice"


@pytest.mark.parametrize("wanted", direct(), ids=lambda wanted: wanted.name)
def test_the_lock_has_what_the_project_asks_for(wanted: Requirement) -> None:
    if wanted.marker and not wanted.marker.evaluate():
        pytest.skip(f"not for this machine: {wanted.marker}")
    pins = lock()
    name = canonicalize_name(wanted.name)
    assert name in pins, f"{name} has no pin; run: make lock"
    assert pins[name] in wanted.specifier


def test_the_lock_is_complete_and_is_what_runs() -> None:
    """Every package that the book and the tests need, directly or not, is pinned, and installed in that version."""
    pins, seen = lock(), set()
    pending = [(wanted, frozenset(wanted.extras)) for wanted in direct(without="bench")]
    wrong = []
    while pending:
        wanted, extras = pending.pop()
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in (*extras, "")):
            continue
        name = canonicalize_name(wanted.name)
        own = frozenset(wanted.extras)
        if (name, own) in seen or name in INSTALLERS:
            continue
        seen.add((name, own))
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is needed but not installed")
            continue
        version = Version(Version(installed.version).public)
        if pins.get(name) != version:
            wrong.append(f"{name} {version} is installed, the lock says {pins.get(name)}")
        pending += [(Requirement(line), own) for line in installed.requires or ()]
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_conda_describes_the_same_environment() -> None:
    entries = {entry for entry in CONDA["dependencies"] if isinstance(entry, str)}
    python = next(entry for entry in entries if entry.startswith("python=")).partition("=")[2]
    assert Version(python) in SpecifierSet(PROJECT["project"]["requires-python"])
    assert python == PROJECT["tool"]["mypy"]["python_version"]
    (pip,) = [entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-c requirements.lock", "-e .[book]"]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "-c requirements.lock\n" in recipe and "$(PIP_INSTALL) -e '.[book]'" in recipe


def test_the_readme_names_what_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"\]\((?!https?:)([^)#]+)\)", readme):
        assert (ROOT / path).exists(), path
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert f"notebooks/{notebook.name}" in readme
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for command in re.findall(r"^make ([a-z]+)", readme, re.MULTILINE):
        assert command in targets
    for folder in re.findall(r"^  ([a-z]+)/ ", readme, re.MULTILINE):
        assert (ROOT / "sc2lib" / folder).is_dir(), folder
    packages = re.search(r"^System packages: .*$", readme, re.MULTILINE)
    installed = re.search(r"apt-get install .* (chromium .*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert packages and installed
    assert set(installed.group(1).split()) == set(re.findall(r"`([a-z-]+)`", packages.group(0)))


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["project"]["version"] == sc2lib.__version__
    assert citation["license"] == PROJECT["project"]["license"]


def test_the_marker_environment_is_this_python() -> None:
    assert Version(default_environment()["python_version"]) in SpecifierSet(PROJECT["project"]["requires-python"])
