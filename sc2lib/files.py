"""Atomic files: a reader sees the old content or the new one, never a part."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sc2lib.errors import RunDirectoryError

if TYPE_CHECKING:  # the command line says its help without PyArrow
    import pyarrow as pa

ROW_GROUP = 8192  # rows; a reader of one row group holds no more
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it there on success, delete it on any error.

    Works for a file or a folder. A crash leaves at most a ``.tmp-`` entry, which `clear_temporary` removes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{uuid.uuid4().hex}-{path.name}")
    try:
        with space_for(path):
            yield temporary
            if temporary.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


@contextmanager
def space_for(path: Path) -> Iterator[None]:
    """Turn the error of a full disk while the body writes `path` into a RunDirectoryError with the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise RunDirectoryError(
            f"cannot write {path} ({os.strerror(error.errno)}): free some space and run the same command again; "
            "what was finished is kept"
        ) from error


def remove(path: Path) -> None:
    """Delete a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clear_temporary(folder: Path) -> None:
    """Delete what an interrupted `atomic` left below `folder`."""
    for leftover in sorted(folder.rglob(".tmp-*")):
        remove(leftover)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def copy(source: Path, path: Path) -> None:
    """Copy a file atomically."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)


def write_parquet(path: Path, table: "pa.Table") -> None:
    """Write a Parquet file atomically; the same table gives the same bytes."""
    import pyarrow.parquet as pq

    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=ROW_GROUP)


def write_parquet_parts(path: Path, parts: "Iterable[pa.Table]") -> None:
    """Write one Parquet file from parts, one at least: the bytes of `write_parquet` of them all, one part in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = iter(parts)
    rest = next(tables)
    with atomic(path) as temporary, pq.ParquetWriter(temporary, rest.schema, compression="zstd") as writer:
        written = 0
        for table in tables:
            whole = rest.num_rows // ROW_GROUP * ROW_GROUP
            if whole:
                writer.write_table(rest.slice(0, whole), ROW_GROUP)
            written += whole
            rest = pa.concat_tables([rest.slice(whole), table]).combine_chunks()
        if rest.num_rows or not written:
            writer.write_table(rest, ROW_GROUP)


def sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
