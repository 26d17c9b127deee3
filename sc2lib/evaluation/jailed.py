"""The program inside the sandbox: load the candidate, then answer calls until the pipe closes.

It runs as ``python -c`` with the source of `literals` in front; nothing of the package is there. Whatever the
candidate does to this process, all it can send is answers, which the trusted side judges. Frames on the pipe are a
4-byte big-endian length and tagged JSON.
"""

import os
import sys

from sc2lib.evaluation.literals import dumps, loads  # jail: cut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _limit(cpu_seconds: int, memory_bytes: int, file_bytes: int) -> None:
    import resource

    wanted = {
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for limit, value in wanted.items():
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            if sys.platform == "linux":  # macOS refuses RLIMIT_AS; there is no jail there anyway
                raise


def _read(descriptor: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(descriptor, count - len(data))
        if not part:
            os._exit(0)
        data += part
    return data


def _receive(descriptor: int) -> "Any":
    return loads(_read(descriptor, int.from_bytes(_read(descriptor, 4), "big")))


def _send(descriptor: int, message: list[object]) -> None:
    _write(descriptor, dumps(message))


def _write(descriptor: int, data: bytes) -> None:
    data = len(data).to_bytes(4, "big") + data
    while data:
        data = data[os.write(descriptor, data) :]


def _failure(error: BaseException) -> list[object]:
    kind = "oom" if isinstance(error, MemoryError) else "exception"
    try:
        text = str(error)[:200]
    except BaseException:
        text = ""
    return [kind, type(error).__name__[:80], text]


def _answer(value: object) -> bytes:
    try:
        return dumps(["value", value])
    except RecursionError:  # a cycle, or too deep a nest: equal to nothing
        return dumps(["value", object()])


def main(limits: list[int]) -> None:
    """Serve one candidate: its source and name arrive first, then (arguments, keywords) of each call."""
    _limit(*limits)
    incoming, outgoing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    _send(outgoing, ["ready"])
    source, entry_point = _receive(incoming)
    try:
        code = compile(source, "<candidate>", "exec", optimize=0)
    except BaseException as error:
        _send(outgoing, ["no_parse", *_failure(error)[1:]])
        return
    module = sys.modules["candidate"] = type(sys)("candidate")  # where dataclasses and pickle look a name up
    namespace = vars(module)
    try:
        exec(code, namespace)
        candidate = namespace[entry_point]
    except BaseException as error:
        _send(outgoing, _failure(error))
        return
    _send(outgoing, ["loaded"])
    while True:
        arguments, keywords = _receive(incoming)
        try:
            answer = _answer(candidate(*arguments, **keywords))
        except BaseException as error:
            answer = dumps(_failure(error))
        _write(outgoing, answer)
