"""A web server for a folder, on this machine, that can be told to misbehave."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Behaviour:
    """What the server does; change it while it runs."""

    root: Path
    ranges: bool = True
    head: bool = True
    lengths: bool = True
    drop_after: int | None = None  # bytes of an answer's body before the connection breaks
    drops: int = 1_000_000  # how many answers break so
    cut: int = 0  # bytes that every large file lacks at its end, as if it were complete
    busy: int = 0  # how many requests are answered 503 first
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    sent: int = 0  # bytes of bodies

    def gets(self, name: str) -> list[str]:
        """Range headers of the GET requests for a file."""
        return [asked for method, path, asked in self.requests if method == "GET" and path.endswith(name)]


@contextlib.contextmanager
def serve(root: Path) -> Iterator[tuple[str, Behaviour]]:
    """(address, behaviour) of a server for `root`."""
    behaviour = Behaviour(root)

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            if behaviour.head:
                self.answer(body=False)
            else:
                behaviour.requests.append(("HEAD", self.path, ""))
                self.send_error(405)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            asked = self.headers.get("Range", "")
            behaviour.requests.append((self.command, self.path, asked))
            if behaviour.busy > 0:
                behaviour.busy -= 1
                return self.send_error(503)
            path = behaviour.root / self.path.lstrip("/")
            if not path.is_file():
                return self.send_error(404)
            content = path.read_bytes()
            if len(content) > 100_000:
                content = content[: len(content) - behaviour.cut]
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and behaviour.ranges else 0
            if start >= len(content) > 0:
                return self.send_error(416)
            self.send_response(206 if asked and behaviour.ranges else 200)
            if asked and behaviour.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if behaviour.lengths:
                self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            if body:
                self.send_body(content[start:])

        def send_body(self, content: bytes) -> None:
            limit = behaviour.drop_after
            dropping = limit is not None and behaviour.drops > 0 and len(content) > limit
            if dropping:
                behaviour.drops -= 1
                content = content[:limit]
            with contextlib.suppress(ConnectionError):  # the client may have enough
                for begin in range(0, len(content), 1 << 16):
                    self.wfile.write(content[begin : begin + (1 << 16)])
                    behaviour.sent += len(content[begin : begin + (1 << 16)])
            if dropping:
                self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
