"""The bytes of JSON Lines files, packed or not: a file that ends too early is refused, never taken for a short one."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from sc2lib.errors import InputError

PACKED_BYTES = 1 << 14  # read at a time: what they unpack to is in memory, text that repeats itself a thousandfold
ERRORS = (EOFError, OSError, zlib.error, zstandard.ZstdError)


def open_lines(path: Path) -> Any:
    """A stream of the bytes of a file, unpacked; reading it raises one of ERRORS if the file is damaged."""
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    if path.name.endswith(".zst"):
        return io.BufferedReader(ZstandardFrames(path.open("rb")))
    return path.open("rb")


def read_some(stream: Any, path: Path) -> bytes:
    """The next megabyte. Raises InputError if it cannot be read or unpacked."""
    try:
        return stream.read(1 << 20)
    except ERRORS as error:
        raise damaged(path, error) from error


def damaged(path: Path, error: Exception) -> InputError:
    """What to say of one of ERRORS."""
    return InputError(f"{path} cannot be read to its end ({error}); fetch it again")


class ZstandardFrames(io.RawIOBase):
    """All frames of a Zstandard file, one after the other.

    The reader of the library ends after the first frame, and says nothing where a file breaks off.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as bytes are there; 0 at the end. Raises EOFError if the last frame is not whole."""
        while not self._ready:
            self._packed = self._packed or self._file.read(PACKED_BYTES)
            if not self._packed:
                if self._frame is not None:
                    raise EOFError("its last frame is not whole")
                return 0
            self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
            self._ready = memoryview(self._frame.decompress(self._packed))
            self._packed = b""
            if self._frame.eof:
                self._packed, self._frame = self._frame.unused_data, None
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()
