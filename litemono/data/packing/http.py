"""Files behind an address (http, https, file), read from any position and through dropped connections."""

from __future__ import annotations

import http.client
import io
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from litemono.utils.errors import UserError

TIMEOUT_S = 60.0
RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
# Reading on over a gap is cheaper than a new request up to about this many bytes.
SKIP_BYTES = 4 << 20

DROPPED = (ConnectionError, TimeoutError, http.client.HTTPException, urllib.error.URLError, ssl.SSLError)
Result = TypeVar("Result")


class NotThere(Exception):
    """The address has no such file."""


class Opened(NamedTuple):
    stream: BinaryIO
    start: int  # position of the stream's first byte in the file: 0 where a server ignores ranges
    size: int | None  # of the whole file, if the server tells


def is_address(text: str) -> bool:
    return re.match(r"(https?|file)://", text) is not None


def local_path(address: str) -> Path | None:
    """The path of a file:// address."""
    parts = urllib.parse.urlsplit(address)
    return Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else None


def open_at(address: str, start: int) -> Opened:
    """Open at byte `start`.  Raises NotThere, one of DROPPED (worth another try), or UserError (is not)."""
    path = local_path(address)
    if path is not None:
        try:
            stream = path.open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotThere(address) from None
        stream.seek(start)
        return Opened(stream, start, path.stat().st_size)
    request = urllib.request.Request(address, headers={"Range": f"bytes={start}-"} if start else {})
    response = _request(request)
    length = response.headers.get("Content-Length")
    if response.status == 206:
        begin, total = _content_range(response)
        return Opened(response, begin, total)
    return Opened(response, 0, int(length) if length and length.isdecimal() else None)


def size_of(address: str) -> int | None:
    """Bytes of the file, or None where the server does not tell.  Raises as open_at."""
    path = local_path(address)
    if path is not None:
        if not path.is_file():
            raise NotThere(address)
        return path.stat().st_size
    try:
        with _request(urllib.request.Request(address, method="HEAD")) as response:
            length = response.headers.get("Content-Length")
    except UserError:  # a server that answers GET alone
        with open_at(address, 0).stream as response:
            length = response.headers.get("Content-Length")
    return int(length) if length and length.isdecimal() else None


def _request(request: urllib.request.Request) -> http.client.HTTPResponse:
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (403, 404, 410):  # S3 says 403 for a file it does not have
            raise NotThere(f"{request.full_url} (HTTP {error.code})") from None
        if error.code in (408, 429) or error.code >= 500:
            raise
        raise UserError(f"{request.full_url}: the server answers HTTP {error.code} {error.reason}") from None


def _content_range(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if match is None:
        raise http.client.HTTPException("a partial answer without Content-Range")
    return int(match[1]), int(match[2]) if match[2] != "*" else None


def delays() -> Iterator[float]:
    """Seconds to wait before each further try."""
    yield from RETRY_DELAYS_S


def persistently(action: Callable[[], Result], address: str) -> Result:
    """`action`, tried again after dropped connections."""
    waits = delays()
    while True:
        try:
            return action()
        except DROPPED as error:
            wait(waits, address, error)


def wait(waits: Iterator[float], address: str, error: Exception) -> None:
    """Sleep before the next try, or raise UserError when there have been enough."""
    pause = next(waits, None)
    if pause is None:
        raise UserError(f"{address}: cannot be read ({reason(error)}); run the same command again later") from None
    time.sleep(pause)


def reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error) or type(error).__name__


class RemoteFile(io.RawIOBase):
    """A seekable file over HTTP ranges.  Reading forward goes on in one answer of the server."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.name = address
        size = persistently(lambda: size_of(address), address)
        if size is None:
            raise UserError(f"{address}: the server does not tell the file's size; {self._remedy()}")
        self._size = size
        self._position = 0
        self._stream: BinaryIO | None = None
        self._stream_position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        if self._position >= self._size or len(buffer) == 0:
            return 0
        waits = delays()
        while True:
            try:
                self._go_to_position()
                count = self._stream.readinto(buffer)
                if count:
                    self._position += count
                    self._stream_position += count
                    return count
                raise http.client.IncompleteRead(b"")
            except DROPPED as error:
                self._hang_up()
                wait(waits, self.name, error)

    def close(self) -> None:
        self._hang_up()
        super().close()

    def _go_to_position(self) -> None:
        gap = self._position - self._stream_position
        if self._stream is None or not 0 <= gap <= SKIP_BYTES:
            self._hang_up()
            opened = open_at(self.name, self._position)
            if opened.start != self._position:
                opened.stream.close()
                raise UserError(f"{self.name}: the server does not send parts of files; {self._remedy()}")
            self._stream, self._stream_position = opened.stream, self._position
            return
        while self._stream_position < self._position:
            skipped = self._stream.read(min(1 << 16, self._position - self._stream_position))
            if not skipped:
                raise http.client.IncompleteRead(b"")
            self._stream_position += len(skipped)

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    @staticmethod
    def _remedy() -> str:
        return "fetch the archives first (python -m litemono.prepare download) and pack from their folder"
