"""A bucket over HTTP on this machine: gzip objects by SHA-1, with the troubles of a real one on demand."""

import gzip
import hashlib
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ObjectServer:
    """Serves ``/content/<sha1>``; `troubles` maps a SHA-1 to what goes wrong, one entry per request."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.troubles: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        self.retry_after = ""  # what a 5xx asks for
        self.at_once, self.most_at_once = 0, 0
        self._lock = threading.Lock()
        self._accompanied = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with owner._lock:
                    owner.at_once += 1
                    owner.most_at_once = max(owner.at_once, owner.most_at_once)
                    if owner.at_once > 1:
                        owner._accompanied.set()
                try:
                    self.answer(self.path.removeprefix("/content/"))
                finally:
                    with owner._lock:
                        owner.at_once -= 1

            def answer(self, name: str) -> None:
                owner.asked[name] += 1
                waiting = owner.troubles.get(name, [])
                trouble = waiting.pop(0) if waiting else ""
                body = owner.objects.get(name)
                if trouble == "denied":  # as S3 says it
                    body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
                    return self.send(403, body, len(body))
                if trouble.isdigit() or body is None:
                    return self.send(int(trouble or 404), b"<Error/>", 8)
                if trouble == "wait for another":
                    owner._accompanied.wait(timeout=30)
                if trouble == "slow":
                    time.sleep(0.02)
                if trouble == "hang up":
                    self.close_connection = True
                    return None
                if trouble == "cut body":  # fewer bytes than Content-Length says
                    self.close_connection = True
                    return self.send(200, body[: len(body) // 2], len(body))
                if trouble == "truncated object":  # a whole answer with half an object
                    body = body[: len(body) // 2]
                if trouble == "other object":
                    body = gzip.compress(b"something else\n", mtime=0)
                return self.send(200, body, len(body), "gzip" if trouble == "called encoded" else "")

            def send(self, status: int, body: bytes, announced: int, encoding: str = "") -> None:
                self.send_response(status)
                if encoding:
                    self.send_header("Content-Encoding", encoding)
                if status >= 500 and owner.retry_after:
                    self.send_header("Retry-After", owner.retry_after)
                self.send_header("Content-Length", str(announced))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/content/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def put(self, data: bytes) -> str:
        name = hashlib.sha1(data).hexdigest()
        self.objects[name] = gzip.compress(data, mtime=0)
        return name

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
