"""The Software Heritage content bucket: one gzip object per file, named by the SHA-1 of the bytes.

Read over plain HTTPS without signing (``s3://softwareheritage/content/<sha1>``, bigcode-project/the-stack-v2). What
comes is believed only when it unpacks, has the announced length and hashes to its name. The released code took a
truncated object for a finished one; here such an object is fetched again and, in the end, stops the run. What was
fetched by then is kept, so that the next run asks for the rest alone.
"""

import hashlib
import itertools
import random
import zlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sc2lib import files
from sc2lib.archive import swhid
from sc2lib.archive.cache import folder
from sc2lib.archive.slots import Slots
from sc2lib.errors import ParameterError, TransferError

SOFTWARE_HERITAGE = "https://softwareheritage.s3.amazonaws.com/content/"
CONNECTIONS = 16  # of all processes of a machine together
WINDOW = 2 * CONNECTIONS  # answers of a process that wait to be taken: what a slow object holds up stays in memory
ATTEMPTS = 12
FIRST_WAIT = 0.5  # seconds, doubled after every failure
LONGEST_WAIT = 60.0  # seconds; all waits of one object together are five minutes at most
RETRY_AFTER = 300.0  # seconds; a server that asks for a longer wait stops the run
TIMEOUT = 60.0  # seconds without a byte, as in the released code
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_EMPTY = hashlib.sha1(b"", usedforsecurity=False).hexdigest()  # a bucket of files has the empty one


class Wanted(NamedTuple):
    """An object by its SHA-1, with what else is known about it."""

    blob_id: str
    content_id: str | None = None
    length: int | None = None


class MissingObject(OSError):
    """The storage answers that it does not have the object, or holds another one under its name."""


class DeniedObject(MissingObject):
    """The storage denies the object: S3 says so too of what is not there, to those who may not list the bucket."""


class Reply(NamedTuple):
    """One answer: status (0 for none), body, what went wrong, and the seconds that the server asks to wait."""

    status: int
    body: bytes
    problem: str
    retry_after: float = 0.0


def checked(url: str) -> str:
    """The URL of a bucket; ParameterError, with the URL to give instead, when it cannot be read over HTTP."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.hostname:
        return url
    host, path = parts.netloc or "NAME", parts.path.strip("/") or "content"
    raise ParameterError(
        f"content_bucket {url!r} is no URL that begins with https:// or http://; objects are read over HTTP: "
        f"a bucket of S3 is https://{host}.s3.amazonaws.com/{path}/"
    )


class ObjectStorage:
    """Objects below one URL. Safe to use from many threads; nothing is fetched before the first `read`.

    With a folder `kept`, what was found right is kept there under its SHA-1 and not asked for again, and the processes
    that name the same folder ask for `CONNECTIONS` objects at once together.
    """

    def __init__(
        self, url: str, attempts: int = ATTEMPTS, first_wait: float = FIRST_WAIT, kept: Path | None = None
    ) -> None:
        import urllib3

        self.url = checked(url).rstrip("/") + "/"
        self._kept, self._has_served = kept, False
        self._slots = None if kept is None else Slots(kept / "slots", CONNECTIONS)
        self._attempts, self._first_wait = attempts, first_wait
        timeout = urllib3.Timeout(connect=TIMEOUT, read=TIMEOUT)
        self._pool = urllib3.PoolManager(maxsize=CONNECTIONS, block=True, timeout=timeout, retries=False)
        self._workers = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="objects")

    # docs: start-read
    def read(self, wanted: Wanted, given_up: Event | None = None) -> bytes:
        """The bytes of an object; tries again, after longer and longer waits, whatever may be a passing trouble.

        Raises MissingObject (an OSError) when the storage does not have it, TransferError when it cannot be had whole,
        or when `given_up` is set while it waits.
        """
        if (data := self._from_kept(wanted)) is not None:
            return data
        reply, wrong = Reply(0, b"", ""), None
        for attempt in range(self._attempts):
            if attempt and wait(self._pause(attempt, reply.retry_after), given_up):
                break
            reply = self._get(wanted.blob_id)
            if reply.status in (404, 410):
                raise MissingObject(f"{self.url}{wanted.blob_id} is not there (HTTP {reply.status})")
            if reply.status == 403 and b"<Code>AccessDenied</Code>" in reply.body:
                raise DeniedObject(f"{self.url}{wanted.blob_id} is not there, or not for everybody (HTTP 403)")
            if reply.status != 200:
                if reply.retry_after > RETRY_AFTER or (reply.status and reply.status not in _AGAIN):
                    break
                continue
            data, problem = _unpack(reply.body, wanted.length)
            if data is not None:
                problem = _difference(data, wanted)
                if not problem:
                    self._keep(wanted.blob_id, reply.body)
                    return data
                if problem == wrong:  # whole and twice the same wrong answer: it will not change
                    raise MissingObject(f"{self.url}{wanted.blob_id} holds another object: {problem}")
                wrong = problem
            reply = reply._replace(problem=problem)
        remedy = "run the same command again, what was fetched is kept"
        if reply.status == 200 and wanted.content_id is not None:  # the bucket may have no better one
            remedy += f"; if it never comes whole, leave it out: swh:1:cnt:{wanted.content_id} in a list for opt_out"
        raise TransferError(f"{self.url}{wanted.blob_id} could not be read whole: {reply.problem}; {remedy}")

    # docs: end-read

    def _pause(self, attempt: int, retry_after: float) -> float:
        """Seconds before an attempt; not the same for all, so that a busy server does not meet everybody at once."""
        longest = min(self._first_wait * 2 ** (attempt - 1), LONGEST_WAIT)
        return max(random.uniform(longest / 2, longest), retry_after)

    def read_many(self, wanted: Iterable[Wanted]) -> Iterator[bytes | OSError]:
        """Objects in order, `CONNECTIONS` at a time; an error stands in the place of an object that is not there.

        The first requests start at once. Of `wanted` no more is taken, and no more is held, than `WINDOW` objects
        ahead of the answer that was taken last.
        """
        coming, given_up, found = iter(wanted), Event(), Counter[type]()

        def asked_for(count: int) -> list[Future[bytes]]:
            return [self._workers.submit(self.read, one, given_up) for one in itertools.islice(coming, count)]

        asked = deque(asked_for(WINDOW))

        def answers() -> Iterator[bytes | OSError]:
            try:
                while asked:
                    answer = _answer(asked.popleft())
                    found[type(answer)] += 1
                    yield answer
                    del answer
                    asked.extend(asked_for(1))
            finally:
                given_up.set()
                for future in asked:
                    future.cancel()
            if found[DeniedObject] == found.total() > 0 and not self._serves():
                raise TransferError(
                    f"{self.url} denies all {found.total():,} objects that were asked for (HTTP 403): reading in bulk "
                    "needs an agreement with Software Heritage; for another bucket look at content_bucket"
                )

        return answers()

    def _serves(self) -> bool:
        """Whether the storage gave anything to this process, or gives the empty file."""
        return self._has_served or self._get(_EMPTY).status in (200, 404, 410)

    def _from_kept(self, wanted: Wanted) -> bytes | None:
        """An object that was fetched before; None when it was not, or its file is not what it was."""
        if self._kept is None:
            return None
        try:
            packed = self._place(wanted.blob_id).read_bytes()
        except FileNotFoundError:
            return None
        data, _ = _unpack(packed, wanted.length)
        return None if data is None or _difference(data, wanted) else data

    def _keep(self, blob_id: str, packed: bytes) -> None:
        """Keep an object as it came; it has been hashed, so `blob_id` is the name of a file and nothing else."""
        self._has_served = True
        if self._kept is not None:
            with files.atomic(self._place(blob_id)) as temporary:
                temporary.write_bytes(packed)

    def _place(self, blob_id: str) -> Path:
        assert self._kept is not None
        return self._kept / blob_id[:2] / blob_id

    def _get(self, blob_id: str) -> Reply:
        """One request."""
        import urllib3

        try:
            with self._slots.one() if self._slots else nullcontext():
                headers = {"Accept-Encoding": "identity"}  # and what a server calls encoded all the same stays as it is
                reply = self._pool.request("GET", self.url + blob_id, headers=headers, decode_content=False)
        except urllib3.exceptions.HTTPError as error:  # refused, timed out, or cut before Content-Length was reached
            return Reply(0, b"", f"{type(error).__name__}: {error}")
        if reply.status == 403:
            problem = "HTTP 403, forbidden: reading in bulk needs an agreement with Software Heritage"
            return Reply(403, reply.data, problem)
        try:
            retry_after = urllib3.Retry().get_retry_after(reply) or 0.0
        except urllib3.exceptions.InvalidHeader:
            retry_after = 0.0
        asks = f", the server asks for a wait of {retry_after:,.0f} seconds" if retry_after else ""
        return Reply(reply.status, reply.data, f"HTTP {reply.status}{asks}", retry_after)


def wait(seconds: float, given_up: Event | None) -> bool:
    """Sleep, but no longer than somebody wants the answer; returns whether nobody does."""
    return (given_up or Event()).wait(seconds)


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
