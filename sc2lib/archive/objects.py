"""Bytes of contents by their identifier, for a graph that came without its origins.

Three places are tried: the column ``data`` of the table ``content``; a folder ``objects`` with files named by SHA-1 as
in Software Heritage's bucket (flat, or below folders of two digits; plain or gzip); and a table ``contents``
(blob_id, content) as the first chapter writes it, for texts in UTF-8.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from sc2lib.archive import exported, exported_files

_HASH = re.compile(r"[0-9a-f]{40}")


class Objects:
    """The contents that lie beside the tables of an exported graph."""

    def __init__(self, folder: str) -> None:
        self.url = self.folder = folder
        self._path = Path(folder)

    def read(self, wanted: Iterable[tuple[bytes, str]]) -> Iterator[bytes | OSError]:
        """The bytes of files given as (path, content identifier), or the error of each."""
        identifiers = [identifier for _, identifier in wanted]
        sha1s, found = self._inline(set(identifiers))
        missing = {sha1s[i] for i in identifiers if i in sha1s and i not in found}
        texts = self._texts(missing)
        for identifier in identifiers:
            sha1 = sha1s.get(identifier)
            if identifier in found:
                yield found[identifier]
            elif sha1 is None:
                yield OSError("the table content does not have it")
            elif sha1 in texts:
                yield texts[sha1]
            else:
                yield self._object(sha1)

    def _inline(self, wanted: set[str]) -> tuple[dict[str, str], dict[str, bytes]]:
        """SHA-1 by identifier, and the bytes of those that the table ``content`` carries."""
        sha1s: dict[str, str] = {}
        found: dict[str, bytes] = {}
        chosen = pa.array(sorted(wanted), pa.string())
        for path in exported_files.files_of(self._path, "content"):
            there = exported_files.columns_of(path)
            names = [name for name in ("sha1", "sha1_git", "data") if name in there]
            for piece in exported_files.read_file(path, names):
                table = piece.filter(pc.is_in(piece["sha1_git"], chosen))
                sha1s.update(zip(table["sha1_git"].to_pylist(), table["sha1"].to_pylist()))
                if "data" in names:
                    pairs = zip(table["sha1_git"].to_pylist(), table["data"].to_pylist())
                    found.update((identifier, data) for identifier, data in pairs if data is not None)
        return sha1s, found

    def _texts(self, wanted: set[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        chosen = pa.array(sorted(wanted), pa.string())
        for path in exported_files.files_of(self._path, "contents") if wanted else []:
            for piece in exported_files.read_file(path, ["blob_id", "content"]):
                table = piece.filter(pc.is_in(piece["blob_id"], chosen))
                pairs = zip(table["blob_id"].to_pylist(), table["content"].to_pylist())
                found.update((blob_id, text.encode()) for blob_id, text in pairs)
        return found

    def _object(self, sha1: str) -> bytes | OSError:
        folder = self._path / "objects"
        if not _HASH.fullmatch(sha1):
            return OSError(f"{sha1!r} is no SHA-1")
        for place in (folder / sha1, folder / sha1[:2] / sha1):
            for path in (place, place.with_name(sha1 + ".gz")):
                try:
                    data = path.read_bytes()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    return error
                return _unpacked(data, sha1, path)
        return OSError(f"no bytes: neither in a column data of content, nor in {folder}, nor in a table contents")


def _unpacked(data: bytes, sha1: str, path: Path) -> bytes | OSError:
    """The content itself; a file that is gzip by its own right stays as it is."""
    if not data.startswith(b"\x1f\x8b") or exported.sha1(data) == sha1:
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        return OSError(f"{path} is damaged: {error}; fetch it again")
