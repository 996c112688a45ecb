"""Files behind an address (http, https, file): their sizes, and a seekable file to read them through broken connections.

requests and urllib3 do proxies, certificates, redirects, and retries with growing pauses until an answer begins. Resuming an
answer whose body breaks off is our own code: requests, remotezip and fsspec raise then, or fetch the whole range again. So
is reading on in one answer where wanted members of a zip follow each other; remotezip sends a request for each.
"""

from __future__ import annotations

import io
import re
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from litemono.utils.errors import UserError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TIMEOUT_S = 60.0
RETRIES = Retry(
    total=5,
    backoff_factor=1.0,  # pauses of 0, 2, 4, 8 and 16 s
    status_forcelist=(408, 429, 500, 502, 503, 504),
    raise_on_status=False,
    respect_retry_after_header=False,  # it may ask for hours
)
# Reading on over a gap is cheaper than a new request up to about this many bytes.
SKIP_BYTES = 4 << 20
PIECE_BYTES = 1 << 16
Stream = io.BufferedReader | urllib3.BaseHTTPResponse
PARTS_REMEDY = "fetch the archives first (python -m litemono.prepare download) and pack from their folder"


class NotThere(Exception):
    """The address has no such file."""


def is_address(text: str) -> bool:
    return re.match(r"(https?|file)://", text) is not None


def local_path(address: str) -> Path | None:
    """The path of a file:// address."""
    parts = urllib.parse.urlsplit(address)
    return Path(urllib.request.url2pathname(parts.path)) if parts.scheme == "file" else None


def size_of(address: str) -> int | None:
    """Bytes of the file, None where the server does not say.  Raises NotThere and UserError."""
    path = local_path(address)
    if path is not None:
        if not path.is_file():
            raise NotThere(address)
        return path.stat().st_size
    with _session() as session:
        try:
            response = _request(session, "HEAD", address)
        except UserError:  # a server that answers GET alone
            response = _request(session, "GET", address)
        with response:
            length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _session() -> requests.Session:
    """A session for one file: connections are not shared by processes."""
    session = requests.Session()
    session.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
    return session


def _request(session: requests.Session, method: str, address: str, start: int = 0) -> requests.Response:
    """An answer whose body is still to be read, from byte `start` on if the server can.  Raises NotThere and UserError."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        response = session.request(
            method, address, headers=headers, stream=True, timeout=TIMEOUT_S, allow_redirects=True
        )
    except requests.RequestException as error:
        raise _unreadable(address, error) from None
    if response.ok:
        return response
    response.close()
    status = f"HTTP {response.status_code} {response.reason}"
    if response.status_code in (403, 404, 410):  # S3 says 403 for a file it does not have
        raise NotThere(f"{address} ({status})")
    if response.status_code in RETRIES.status_forcelist:
        raise UserError(f"{address}: cannot be read ({status}); run the same command again later")
    raise UserError(f"{address}: the server answers {status}")


def _unreadable(address: str, error: Exception) -> UserError:
    """The innermost reason, which urllib3 writes behind the last colon."""
    cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
    reason = str(getattr(cause, "reason", cause)).rpartition(": ")[2]
    return UserError(f"{address}: cannot be read ({reason}); run the same command again later")


class RemoteFile(io.RawIOBase):
    """A file behind an address, readable and seekable.  Reading forward stays in one answer of the server.

    skip_bytes: a gap up to this size is read over instead of requested again. Default: SKIP_BYTES. A longer gap raises
    UserError where the server ignores ranges.
    Where the server does not say the file's size, seeking from its end raises UserError, and a broken body is its end.
    Raises NotThere when made, and UserError.
    """

    def __init__(self, address: str, skip_bytes: int | None = None) -> None:
        super().__init__()
        self.name = address
        self._skip_bytes = SKIP_BYTES if skip_bytes is None else skip_bytes
        self._size = size_of(address)
        self._session = _session()
        self._position = 0
        self._stream: Stream | None = None
        self._stream_position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self._size is None:
            raise UserError(f"{self.name}: the server does not tell the file's size; {PARTS_REMEDY}")
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size or 0}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Some bytes at the position, 0 at the end; a request that brings a byte starts the retries anew."""
        target = memoryview(buffer).cast("B")
        retries = RETRIES
        while self._size is None or self._position < self._size:
            try:
                content = self._stream_at_position().read1(len(target))
                if not content and self._size is not None:
                    raise urllib3.exceptions.ProtocolError("the file ends early")
            except urllib3.exceptions.HTTPError as error:
                self._hang_up()
                try:
                    retries = retries.increment("GET", self.name, error=error)
                except urllib3.exceptions.MaxRetryError:
                    raise _unreadable(self.name, error) from None
                retries.sleep()
                continue
            target[: len(content)] = content
            self._position += len(content)
            self._stream_position = self._position
            return len(content)
        return 0

    def close(self) -> None:
        if not self.closed:
            self._hang_up()
            self._session.close()
        super().close()

    def _stream_at_position(self) -> Stream:
        """Raises urllib3's HTTPError where the connection breaks."""
        stream = self._stream
        if stream is None or not 0 <= self._position - self._stream_position <= self._skip_bytes:
            self._hang_up()
            stream = self._open()
        while self._stream_position < self._position:
            skipped = stream.read1(min(PIECE_BYTES, self._position - self._stream_position))
            if not skipped:
                raise urllib3.exceptions.ProtocolError("the file ends early")
            self._stream_position += len(skipped)
        return stream

    def _open(self) -> Stream:
        """A stream from the position, or from a little before it."""
        path = local_path(self.name)
        try:
            if path is not None:
                file = path.open("rb")
                self._stream, self._stream_position = file, self._position
                file.seek(self._position)
                return file
            response = _request(self._session, "GET", self.name, self._position)
        except (NotThere, OSError):
            raise UserError(f"{self.name}: is no longer there") from None
        sent = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        start = 0 if response.status_code == 200 else int(sent[1]) if sent else -1
        if start < 0 or not 0 <= self._position - start <= self._skip_bytes:
            response.close()
            raise UserError(f"{self.name}: the server does not send parts of files; {PARTS_REMEDY}")
        self._stream, self._stream_position = response.raw, start
        return response.raw

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
