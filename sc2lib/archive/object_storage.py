"""The Software Heritage content bucket: one gzip object per file, named by the SHA-1 of the bytes.

Read over plain HTTPS without signing (``s3://softwareheritage/content/<sha1>``, bigcode-project/the-stack-v2). What
comes is believed only when it unpacks, has the announced length and hashes to its name. The released code took a
truncated object for a finished one; here such an object is fetched again and, in the end, stops the run.
"""

import hashlib
import itertools
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sc2lib.archive import swhid
from sc2lib.archive.cache import folder
from sc2lib.archive.slots import Slots
from sc2lib.errors import TransferError

SOFTWARE_HERITAGE = "https://softwareheritage.s3.amazonaws.com/content/"
CONNECTIONS = 16  # of all processes of a machine together
WINDOW = 2 * CONNECTIONS  # answers of a process that wait to be taken: what a slow object holds up stays in memory
ATTEMPTS = 6
FIRST_WAIT = 0.5  # seconds, doubled after every failure
TIMEOUT = 60.0  # seconds without a byte, as in the released code
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class Wanted(NamedTuple):
    """An object by its SHA-1, with what else is known about it."""

    blob_id: str
    content_id: str | None = None
    length: int | None = None


class MissingObject(OSError):
    """The storage answers that it does not have the object, or holds another one under its name."""


class ObjectStorage:
    """Objects below one URL. Safe to use from many threads; nothing is fetched before the first `read`.

    With a folder `kept`, the processes that name the same one ask for `CONNECTIONS` objects at once together.
    """

    def __init__(
        self, url: str, attempts: int = ATTEMPTS, first_wait: float = FIRST_WAIT, kept: Path | None = None
    ) -> None:
        import urllib3

        self.url = url.rstrip("/") + "/"
        self._slots = None if kept is None else Slots(kept / "slots", CONNECTIONS)
        self._attempts, self._first_wait = attempts, first_wait
        timeout = urllib3.Timeout(connect=TIMEOUT, read=TIMEOUT)
        self._pool = urllib3.PoolManager(maxsize=CONNECTIONS, block=True, timeout=timeout, retries=False)
        self._workers = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="objects")

    # docs: start-read
    def read(self, wanted: Wanted) -> bytes:
        """The bytes of an object; tries again, after longer and longer waits, whatever may be a passing trouble.

        Raises MissingObject (an OSError) when the storage does not have it, TransferError when it cannot be had whole.
        """
        problem, wrong = "", None
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(self._first_wait * 2 ** (attempt - 1))
            status, packed, problem = self._get(wanted.blob_id)
            if status in (404, 410):
                raise MissingObject(f"{self.url}{wanted.blob_id} is not there (HTTP {status})")
            if status != 200:
                if status and status not in _AGAIN:
                    break
                continue
            data, problem = _unpack(packed, wanted.length)
            if data is not None:
                problem = _difference(data, wanted)
                if not problem:
                    return data
                if problem == wrong:  # whole and twice the same wrong answer: it will not change
                    raise MissingObject(f"{self.url}{wanted.blob_id} holds another object: {problem}")
                wrong = problem
        raise TransferError(
            f"{self.url}{wanted.blob_id} could not be read whole: {problem}; run the same command again, "
            "it goes on with the first part that is missing"
        )

    # docs: end-read

    def read_many(self, wanted: Iterable[Wanted]) -> Iterator[bytes | OSError]:
        """Objects in order, `CONNECTIONS` at a time; an error stands in the place of an object that is not there.

        The first requests start at once. Of `wanted` no more is taken, and no more is held, than `WINDOW` objects
        ahead of the answer that was taken last.
        """
        coming = iter(wanted)
        asked = deque(self._workers.submit(self.read, one) for one in itertools.islice(coming, WINDOW))

        def answers() -> Iterator[bytes | OSError]:
            try:
                while asked:
                    yield _answer(asked.popleft())
                    asked.extend(self._workers.submit(self.read, one) for one in itertools.islice(coming, 1))
            finally:
                for future in asked:
                    future.cancel()

        return answers()

    def _get(self, blob_id: str) -> tuple[int, bytes, str]:
        """One request: status (0 for none), body, and what went wrong."""
        import urllib3

        try:
            with self._slots.one() if self._slots else nullcontext():
                reply = self._pool.request("GET", self.url + blob_id, headers={"Accept-Encoding": "identity"})
        except urllib3.exceptions.HTTPError as error:  # refused, timed out, or cut before Content-Length was reached
            return 0, b"", f"{type(error).__name__}: {error}"
        if reply.status == 403:
            return 403, b"", "HTTP 403, forbidden: reading in bulk needs an agreement with Software Heritage"
        return reply.status, reply.data, f"HTTP {reply.status}"


@cache
def storage(url: str) -> ObjectStorage:
    """The storage at a URL, one per process, so that all origins share its connections."""
    return ObjectStorage(url, kept=folder("objects"))


def _answer(future: Future[bytes]) -> bytes | MissingObject:
    try:
        return future.result()
    except MissingObject as error:
        return error


def _unpack(packed: bytes, length: int | None) -> tuple[bytes | None, str]:
    """The bytes of one gzip object, or None and why: never more than announced, never a part."""
    limit = 0 if length is None else length + 1
    unpacker: Any = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        data = unpacker.decompress(packed, limit)
        if limit and len(data) == limit:
            return data, ""  # longer than announced: `_difference` says so
        data += unpacker.flush()
    except zlib.error as error:
        return None, f"its gzip is damaged ({error})"
    if not unpacker.eof:
        return None, f"it ends after {len(packed):,} bytes, in the middle of its gzip"
    return data, ""


def _difference(data: bytes, wanted: Wanted) -> str:
    if wanted.length is not None and len(data) != wanted.length:
        return f"{len(data):,} bytes instead of {wanted.length:,}"
    found = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    if found != wanted.blob_id:
        return f"its SHA-1 is {found}"
    if wanted.content_id is not None and (git := swhid.content(data)) != wanted.content_id:
        return f"its git identifier is {git}, not {wanted.content_id}"
    return ""
