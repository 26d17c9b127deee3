"""The source ``registry``: a pinned list of source distributions, fetched through pip and npm.

Each entry names registry, project, version, SHA-256 and licence. A file is kept under its checksum and used only when
it has it, so an interrupted download never counts, and a second run needs no network. The archive is read as a
stream (`archives`), never unpacked, and nothing of it is executed.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote

import yaml

from sc2lib import files
from sc2lib.archive import archives, cache, swhid
from sc2lib.archive.graph import Graph
from sc2lib.archive.swhid import Branch
from sc2lib.errors import InputError, TransferError, UnsupportedError

DEFAULT_LIST = Path(__file__).with_name("registry.yaml")
MAX_ARCHIVE_BYTES = 256 << 20
PAGES = {
    "pypi": "https://pypi.org/project/{name}/{version}/",
    "npm": "https://www.npmjs.com/package/{name}/v/{version}",
}
VISIT_TYPES = {"pypi": "pypi-sdist", "npm": "npm"}
_URL = re.compile(r"pkg:(pypi|npm)/([^?]+)@([^@?]+)\?checksum=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Pin:
    """One distribution of the list."""

    registry: str
    name: str
    version: str
    sha256: str
    license: str | None = None
    languages: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """A package URL (purl) with the checksum: all that a visit needs."""
        return f"pkg:{self.registry}/{quote(self.name, safe='/')}@{self.version}?checksum=sha256:{self.sha256}"

    @classmethod
    def parse(cls, url: str) -> "Pin":
        """The pin behind an origin's URL, without licence and languages."""
        match = _URL.fullmatch(url)
        if match is None:
            raise InputError(f"{url!r} is no pinned package URL: pkg:(pypi|npm)/NAME@VERSION?checksum=sha256:...")
        return cls(match[1], unquote(match[2]), match[3], match[4])


class Distribution:
    """An origin that is one source distribution; its snapshot has one release, as Software Heritage's loaders make."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pin = Pin.parse(url)
        self.visit_type = VISIT_TYPES[self.pin.registry]

    def visit(self, graph: Graph) -> None:
        """Fetch the archive if it is not kept yet, and add every file. Raises InputError for a hostile archive."""
        found = {}
        for member in archives.members(fetch(self.pin)):
            hashes = swhid.hash_content(cast(BinaryIO, member.open()), member.length)
            found[member.path] = (member.mode, graph.add_content(hashes))
        if not found:
            raise InputError(f"{self.pin.name} {self.pin.version} is an archive without files; take it out of the list")
        root = graph.add_tree(found)
        name, version = self.pin.name, self.pin.version
        release = graph.add_release(version.encode(), root, f"Source distribution {name} {version}\n".encode())
        branch = b"releases/" + version.encode()
        branches = {b"HEAD": Branch("alias", branch), branch: Branch("release", release)}
        graph.add_visit(self.url, self.visit_type, branches)

    def read(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[bytes | OSError]:
        """The bytes of files given as (path, content identifier), or the error of each."""
        paths = [path for path, _ in wanted]
        asked = set(paths)
        data = {m.path: m.open().read() for m in archives.members(fetch(self.pin)) if m.path in asked}
        for path in paths:
            yield data.get(path, FileNotFoundError(f"{path!r} is not in the archive"))


def read_list(path: Path = DEFAULT_LIST) -> list[Pin]:
    """The pins of a YAML list; InputError names the entry that is incomplete or stands there twice."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"the list of distributions {path} cannot be read: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path} is no list of distributions; look at {DEFAULT_LIST} for the form")
    pins = [_pin(path, number, entry) for number, entry in enumerate(entries, 1)]
    seen: set[tuple[str, str]] = set()
    for pin in pins:
        if (pin.registry, pin.name) in seen:
            raise InputError(f"{path}: {pin.registry}/{pin.name} stands there twice; keep one version")
        seen.add((pin.registry, pin.name))
    return pins


def _pin(path: Path, number: int, entry: Any) -> Pin:
    known = set(Pin.__dataclass_fields__)
    try:
        pin = Pin(**{**entry, "version": str(entry["version"]), "languages": tuple(entry.get("languages", ()))})
    except (TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path}, entry {number}: {error}; an entry has the keys {', '.join(sorted(known))}"
        ) from error
    if _URL.fullmatch(pin.url) is None or pin.name.startswith("-"):
        raise InputError(
            f"{path}, entry {number} ({pin.name}): registry must be pypi or npm, sha256 64 hexadecimal digits"
        )
    return pin


def repositories(lists: list[Path]) -> Iterator[dict[str, Any]]:
    """The rows of REPOSITORY for every pin of the lists (none: the list that comes with the book)."""
    for path in lists or [DEFAULT_LIST]:
        for pin in read_list(path):
            yield {
                "origin_url": pin.url,
                "repo_name": f"{pin.registry}/{pin.name}",
                "visit_type": VISIT_TYPES[pin.registry],
                "version": pin.version,
                "html_url": PAGES[pin.registry].format(name=pin.name, version=pin.version),
                "gha_license_id": pin.license,
            }


# docs: start-fetch
def fetch(pin: Pin) -> Path:
    """The archive of a pin in the cache, fetched if need be; TransferError when it cannot be had whole.

    It gets its name only after its SHA-256 was found right, so a file that is there is the file that was pinned.
    """
    kept = cache.folder("registry") / pin.sha256
    if kept.exists():
        return kept
    with files.atomic(kept) as temporary:
        (_from_pypi if pin.registry == "pypi" else _from_npm)(pin, temporary)
        size, found = temporary.stat().st_size, files.sha256(temporary)
        if found != pin.sha256:
            raise TransferError(
                f"{pin.registry}/{pin.name} {pin.version} has sha256 {found} ({size:,} bytes), not {pin.sha256} "
                "as the list says: cut short on its way, or published anew; try again, then check the list"
            )
    return kept


# docs: end-fetch


def _from_pypi(pin: Pin, target: Path) -> None:
    command = [sys.executable, "-m", "sc2lib.archive.pip_client", pin.name, pin.version, pin.sha256]
    _run(pin, [*command, str(target), str(MAX_ARCHIVE_BYTES)])
    if not target.exists():
        raise TransferError(f"pip fetched no file for {pin.name} {pin.version}; try again")


def _from_npm(pin: Pin, target: Path) -> None:
    if shutil.which("npm") is None:
        raise UnsupportedError(
            f"npm/{pin.name} is fetched with npm, which is not installed; "
            "install Node.js, or leave npm out: --set origins_include='pypi/*'"
        )
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".tmp-npm-") as folder:
        # npm verifies the registry's own SHA-512 as well; no script of the package runs
        options = ["--ignore-scripts", "--silent", "--pack-destination", folder]
        _run(pin, ["npm", "pack", *options, f"{pin.name}@{pin.version}"])
        packed = sorted(Path(folder).glob("*.tgz"))
        if len(packed) != 1:
            raise TransferError(f"npm packed {len(packed)} files for {pin.name} {pin.version}, not one; try again")
        packed[0].replace(target)


def _run(pin: Pin, command: list[str]) -> None:
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as error:
        raise TransferError(
            f"{pin.registry}/{pin.name} {pin.version} did not come within ten minutes; try again, "
            "what was fetched is kept"
        ) from error
    if finished.returncode:
        last = "; ".join((finished.stderr or finished.stdout).strip().splitlines()[-3:]) or "no message"
        raise TransferError(
            f"{pin.registry}/{pin.name} {pin.version} cannot be fetched: {last}; "
            "check the network and the index, then try again: what was fetched is kept"
        )
