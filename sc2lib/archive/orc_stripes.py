"""Stripes of ORC files, read by a process of their own: Arrow's reader ends its process on some damaged files.

``python -m sc2lib.archive.orc_stripes`` answers each line on its standard input (a list of path and columns, JSON) with
frames: a letter, a length of eight bytes, and an Arrow stream (``T``, one for each stripe), the words of an error
(``E``), or nothing (``D``, done). `read` is the other end; it starts the process when it is first needed.
"""

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.orc as orc
import pyorc

from sc2lib.tables import TIMESTAMP

YEAR_1, YEAR_10000 = -62_135_596_800, 253_402_300_800
_processes: dict[int, subprocess.Popen[bytes]] = {}  # at most one, by the number of the process that started it


def read(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Columns of a file, stripe by stripe. Raises OSError when it is damaged."""
    process = _process()
    assert process.stdin is not None and process.stdout is not None
    letter = b""
    try:
        process.stdin.write(json.dumps([os.fspath(path), list(columns)]).encode() + b"\n")
        process.stdin.flush()
        while letter not in (b"D", b"E"):
            letter = process.stdout.read(1)
            length = int.from_bytes(process.stdout.read(8), "big")
            payload = process.stdout.read(length)
            if not letter or len(payload) < length:
                raise OSError("it ends its reader, as some damaged files do")
            if letter == b"T":
                yield pa.ipc.open_stream(payload).read_all()
        if letter == b"E":
            raise OSError(payload.decode())
    finally:
        if letter not in (b"D", b"E"):  # dead, or in the middle of an answer that nobody wants
            _stop()


def _process() -> subprocess.Popen[bytes]:
    process = _processes.get(os.getpid())
    if process is None or process.poll() is not None:
        command = [sys.executable, "-m", "sc2lib.archive.orc_stripes"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        _processes.clear()
        _processes[os.getpid()] = process
    return process


@atexit.register
def _stop() -> None:
    process = _processes.pop(os.getpid(), None)
    if process is not None:
        process.kill()
        process.communicate()


def stripes(path: Path, columns: list[str]) -> Iterator[pa.Table]:
    """The same in this process, which a damaged file may end."""
    file = orc.ORCFile(path)
    for stripe in range(file.nstripes):
        try:
            yield _table(file.read_stripe(stripe, columns=columns))
        except (pa.ArrowException, OSError) as error:
            if "out of range for nanosecond" not in str(error):
                raise
            yield _with_wild_dates(path, file, stripe, columns)


class Seconds(pyorc.converters.ORCConverter):
    """A timestamp of any year as microseconds since 1970; None outside the years 1 to 9999."""

    @staticmethod
    def from_orc(seconds: int, nanoseconds: int, timezone: Any) -> int | None:
        return seconds * 1_000_000 + nanoseconds // 1000 if YEAR_1 <= seconds < YEAR_10000 else None

    @staticmethod
    def to_orc(obj: int, timezone: Any) -> tuple[int, int]:
        seconds, microseconds = divmod(obj, 1_000_000)
        return seconds, microseconds * 1000


def _with_wild_dates(path: Path, file: orc.ORCFile, stripe: int, columns: list[str]) -> pa.Table:
    """A stripe whose dates Arrow's nanoseconds cannot hold: commits of the year 1 or 9999 exist."""
    wild = [name for name in columns if pa.types.is_timestamp(file.schema.field(name).type)]
    table = _table(file.read_stripe(stripe, columns=[name for name in columns if name not in wild]))
    with path.open("rb") as stream:
        kinds = (pyorc.TypeKind.TIMESTAMP, pyorc.TypeKind.TIMESTAMP_INSTANT)
        converters: dict[pyorc.TypeKind, type[pyorc.converters.ORCConverter]] = dict.fromkeys(kinds, Seconds)
        rows = list(pyorc.Reader(stream, column_names=wild, converters=converters).read_stripe(stripe))
    for index, name in enumerate(wild):
        table = table.append_column(name, pa.array([row[index] for row in rows], TIMESTAMP))
    return table.select(columns)


def _table(stripe: pa.Table | pa.RecordBatch) -> pa.Table:
    return stripe if isinstance(stripe, pa.Table) else pa.Table.from_batches([stripe])


def _answer(output: IO[bytes], letter: bytes, payload: bytes | pa.Buffer = b"") -> None:
    output.write(letter + len(payload).to_bytes(8, "big"))
    output.write(payload)
    output.flush()


def main() -> None:
    """Answer until the standard input ends."""
    output = sys.stdout.buffer
    for line in sys.stdin.buffer:
        path, columns = json.loads(line)
        try:
            for table in stripes(Path(path), columns):
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, table.schema) as writer:
                    writer.write_table(table)
                _answer(output, b"T", sink.getvalue())
        except (pa.ArrowException, pyorc.ORCError, OSError) as error:
            _answer(output, b"E", str(error).encode())
        else:
            _answer(output, b"D")


if __name__ == "__main__":
    main()
