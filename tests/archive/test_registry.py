"""The source ``registry``: the real pip and npm against registries served on this machine over HTTP."""

import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from sc2lib.archive import registry, sources
from sc2lib.curation.languages import detector
from sc2lib.errors import InputError, TransferError
from sc2lib.files import sha256
from tests.archive import registry_paths


def packed(top: str, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


SETUP = b"raise SystemExit('a visit must never run what it archives')\n"
SDIST = packed(
    "demo-1.0", **{"setup.py": SETUP, "PKG-INFO": b"Name: demo\nVersion: 1.0\n", "demo.rs": b"fn main() {}\n"}
)
PACKAGE = packed(
    "package", **{"package.json": b'{"name": "@x/demo", "version": "2.0.0"}\n', "a.sol": b"contract A {}\n"}
)


class Registry:
    """A package index and an npm registry with one project each, and what they were asked."""

    def __init__(self) -> None:
        self.sdist, self.asked = SDIST, []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked.append(self.path)
                kind, body = owner.answer(self.path)
                self.send_response(200 if body else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> tuple[str, bytes]:
        digest = hashlib.sha256(SDIST).hexdigest()
        if path == "/simple/demo/":
            return "text/html", f'<a href="/files/demo-1.0.tar.gz#sha256={digest}">demo-1.0.tar.gz</a>'.encode()
        if path == "/files/demo-1.0.tar.gz":
            return "application/octet-stream", self.sdist
        if path.lower() == "/@x%2fdemo":
            dist = {"tarball": f"{self.url}/demo.tgz", "shasum": hashlib.sha1(PACKAGE).hexdigest()}
            version = {"name": "@x/demo", "version": "2.0.0", "dist": dist}
            tags = {"latest": "2.0.0"}
            packument = {"name": "@x/demo", "dist-tags": tags, "versions": {"2.0.0": version}}
            return "application/json", json.dumps(packument).encode()
        return "application/octet-stream", PACKAGE if path == "/demo.tgz" else b""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    running = Registry()
    settings = {
        "SC2_CACHE": str(tmp_path / "cache"),
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": f"{running.url}/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_RETRIES": "0",
        "npm_config_registry": running.url,
        "npm_config_cache": str(tmp_path / "npm"),
        "npm_config_fetch_retries": "0",
        "npm_config_update_notifier": "false",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield running
    running.server.shutdown()
    running.server.server_close()


def pin(data: bytes = SDIST, **fields: str) -> dict[str, str]:
    entry = {"registry": "pypi", "name": "demo", "version": "1.0", "license": "MIT"}
    return entry | {"sha256": hashlib.sha256(data).hexdigest()} | fields


def listed(folder: Path, *entries: dict[str, str]) -> Path:
    path = folder / "list.yaml"
    path.write_text(yaml.safe_dump(list(entries)))
    return path


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_pip_and_npm_fetch_what_the_list_pins(server: Registry, tmp_path: Path, produce) -> None:
    package = pin(PACKAGE, registry="npm", name="@x/demo", version="2.0.0")
    run = produce("registry", listed(tmp_path, pin(), package))
    assert run.paths() == {"/setup.py", "/PKG-INFO", "/demo.rs", "/package.json", "/a.sol"}
    assert set(run.files["repo_name"].to_pylist()) == {"pypi/demo", "npm/@x/demo"}
    assert sorted(run.graph["release"]["name"].to_pylist()) == [b"1.0", b"2.0.0"]
    assert set(run.files["gha_license_id"].to_pylist()) == {"MIT"}
    kept = sorted((tmp_path / "cache" / "registry").iterdir())
    assert [path.name for path in kept] == sorted(sha256(path) for path in kept)
    asked = len(server.asked)
    assert produce("registry", listed(tmp_path, pin(), package)).files == run.files
    assert len(server.asked) == asked, "a second run needs no network"


def test_a_truncated_file_is_refused_and_never_kept(server: Registry, tmp_path: Path) -> None:
    url = registry.Pin(**pin()).url
    server.sdist = SDIST[:-9]
    with pytest.raises(TransferError, match=r"pypi/demo 1\.0 has sha256 .* not .* as the list says"):
        list(sources.open_origin(url, "pypi-sdist").read([(b"demo.rs", "")]))
    assert not list((tmp_path / "cache" / "registry").iterdir())
    server.sdist = SDIST
    first, gone = sources.open_origin(url, "pypi-sdist").read([(b"demo.rs", ""), (b"gone", "")])
    assert first == b"fn main() {}\n" and isinstance(gone, FileNotFoundError)


def test_what_the_index_does_not_have_is_named(server: Registry) -> None:
    with pytest.raises(TransferError, match=r"demo 9\.9 cannot be fetched: .*no demo 9\.9"):
        registry.fetch(registry.Pin(**pin(version="9.9")))


def test_a_hostile_archive_fails_its_visit_and_the_others_go_on(tmp_path: Path, monkeypatch, produce) -> None:
    monkeypatch.setenv("SC2_CACHE", str(tmp_path / "cache"))
    evil, good = packed("demo-1.0/../..", a=b"x\n"), packed("good-1.0", **{"a.py": b"x = 1\n"})
    for data in (evil, good):
        path = tmp_path / "cache" / "registry" / hashlib.sha256(data).hexdigest()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run = produce("registry", listed(tmp_path, pin(evil, name="evil"), pin(good, name="good")))
    assert run.paths() == {"/a.py"}
    assert "climbs out of it" in run.removed["detail"][0].as_py()
    assert run.removed["repo_name"].to_pylist() == ["pypi/evil"]


def zipped(name: str, local: int = 0, central: int | None = None, value: bytes = b"") -> bytes:
    """A zip of one file, with `value` written over it at an offset, in the central directory's copy too if given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}-1.0/a.py", b"print(1)\n" * 200)
    data = bytearray(buffer.getvalue())
    again = [] if central is None else [data.index(b"PK\x01\x02") + central]
    for start in (local, *again):
        data[start : start + len(value)] = value
    return bytes(data)


# Where a zip keeps what: in the local header, in the central directory (APPNOTE, 4.3.7 and 4.3.12).
FLAGS, METHOD, CRC, SIZE = (6, 8), (8, 10), (14, 16), (22, 24)
DATA = (30 + len("evil-1.0/a.py"), None)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (CRC, b"\0\0\0\0", "damaged or no archive (Bad CRC-32 for file 'evil-1.0/a.py')"),
        (METHOD, b"\x09\0", "is refused: That compression method is not supported; take this distribution out"),
        (FLAGS, b"\x01", "is encrypted, password required for extraction; take this distribution out"),
        (SIZE, b"\x10\x27", "damaged or no archive ('evil-1.0/a.py' has not the 10,000 bytes that it announces)"),
        (SIZE, b"\x10\0", "damaged or no archive (Bad CRC-32 for file 'evil-1.0/a.py')"),
        (DATA, b"\xff" * 6, "damaged or no archive (Error -3 while decompressing data"),
    ],
)
def test_a_zip_that_cannot_be_read_fails_its_visit_and_the_others_go_on(
    tmp_path: Path, monkeypatch, produce, place: tuple[int, int | None], value: bytes, words: str
) -> None:
    """zipfile says so only while a member is read, by five different errors."""
    monkeypatch.setenv("SC2_CACHE", str(tmp_path / "cache"))
    evil, good = zipped("evil", *place, value), zipped("good")
    for data in (evil, good):
        path = tmp_path / "cache" / "registry" / hashlib.sha256(data).hexdigest()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run = produce("registry", listed(tmp_path, pin(evil, name="evil"), pin(good, name="good")), groups=1)
    assert run.files["repo_name"].to_pylist() == ["pypi/good"]
    (gone,) = run.removed.to_pylist()
    assert (gone["repo_name"], gone["reason"]) == ("pypi/evil", "unreadable")
    assert words in gone["detail"] and hashlib.sha256(evil).hexdigest() in gone["detail"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no list of distributions"),
        ("{a: 1", "cannot be read"),
        ("- {registry: pypi, name: a}", "entry 1: 'version'"),
        ("- {registry: cran, name: a, version: 1, sha256: ff}", r"entry 1 \(a\): registry must be pypi or npm"),
        ("- {registry: pypi, name: a, version: 1, sha256: ff}", "64 hexadecimal digits"),
        ("- {registry: pypi, name: a, version: 1, md5: ff, sha256: ff}", "unexpected keyword argument 'md5'"),
    ],
)
def test_a_list_that_cannot_be_used(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        sources.list_origins("registry", str(path))


def test_the_declared_languages_are_those_of_real_files() -> None:
    """Against file names of the very archives, stored by `registry_paths`: their names must allow the language."""
    stored = json.loads(registry_paths.STORED.read_text(encoding="utf-8"))
    pins = registry.read_list()
    assert set(stored) == {pin.sha256 for pin in pins}, "the list has changed: python -m tests.archive.registry_paths"
    paths = {pin.name: stored[pin.sha256]["paths"] for pin in pins}
    declared = [(pin.name, language) for pin in pins for language in pin.languages]
    assert [pair for pair in declared if pair[1] not in paths[pair[0]]] == []
    assert len({language for _, language in declared}) >= 20
    if detector() == "go-enry":
        unproved = [(name, one) for name, one in declared if not registry_paths.named(paths[name][one], one)]
        # Only a look inside tells these: a header of Objective-C from one of C, a contract from a Gerber image.
        assert unproved == [("react-native-svg", "Objective-C"), ("@openzeppelin/contracts", "Solidity")]


def test_the_list_of_the_book_is_complete_and_can_be_chosen_from(tmp_path: Path) -> None:
    pins = registry.read_list()
    assert {pin.registry for pin in pins} == {"pypi", "npm"} and all(pin.license for pin in pins)
    assert all(pin.languages for pin in pins)
    for found in pins:
        assert registry.Pin.parse(found.url).name == found.name
    chosen = sources.list_origins("registry", None, "npm/@*")["repo_name"].to_pylist()
    assert chosen == [
        "npm/@capacitor/android",
        "npm/@capacitor/ios",
        "npm/@openzeppelin/contracts",
        "npm/@rescript/core",
    ]
    with pytest.raises(InputError, match="matches none"):
        sources.list_origins("registry", None, "crates/*")
    with pytest.raises(InputError, match="stands there twice"):
        registry.read_list(listed(tmp_path, pin(), pin()))
