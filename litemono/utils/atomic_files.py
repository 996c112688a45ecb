"""Files and folders that are complete or absent: written under another name, then renamed. Also locks and listings."""

from __future__ import annotations

import errno
import fnmatch
import json
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO

from litemono.utils.errors import UserError
from networks.errors import DISK_FULL, may_pass
from networks.replaced_folders import made_folder as made_folder
from networks.replaced_folders import remove as remove
from networks.replaced_folders import replacing_folder as replacing_folder
from networks.replaced_folders import sweep as sweep

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LEFTOVER = re.compile(r"\..+\.\d+\.tmp")  # .NAME.PID.tmp
LARGEST_TEXT = 32 * 2**20  # bytes; an index of half a million frames
ENOTSUPP = 524  # the kernel's own, which NFS lets through and Python has no name for
WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, ENOTSUPP}


def listing(folder: Path, pattern: str) -> list[Path]:
    """What is in `folder` under names like `pattern`, sorted; nothing where there is no such folder.

    OSError where it cannot be read. (Path.glob finds nothing then, as if the folder were empty.)
    """
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if fnmatch.fnmatchcase(name, pattern)]


class Unusable(OSError):
    """What cannot be read as a file of its kind."""

    def __str__(self) -> str:
        return str(self.strerror)


def check_is_file(path: Path | str, most: int | None = None) -> None:
    """OSError for what is no file (opening a pipe would block, a device would not end), and for one of more than `most` bytes."""
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise Unusable(errno.EINVAL, "not a file", str(path))
    if most is not None and found.st_size > most:
        raise Unusable(errno.EFBIG, f"{found.st_size / 1e9:.1f} GB, too large for its kind", str(path))


def read_text(path: Path, encoding: str | None = None, errors: str | None = None) -> str:
    """A text file's content. OSError as check_is_file."""
    check_is_file(path, LARGEST_TEXT)
    return path.read_text(encoding, errors)


def read_json(path: Path) -> dict[str, Any]:
    """A file's object; {} where there is none that can be read."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one on each line; lines that are none are left out, and [] where there is no file."""
    found = []
    with suppress(OSError, UnicodeDecodeError):
        for line in read_text(path).splitlines():
            with suppress(ValueError, RecursionError):
                found.append(json.loads(line))
    return [content for content in found if isinstance(content, dict)]


class NoLocks(Exception):
    """The file system has no locks (Lustre mounted without flock)."""


def try_lock(file: IO, timeout: float = 0.0) -> bool:
    """Lock the file until it is closed; False if another process still has it after `timeout` seconds. Raises NoLocks."""
    return _try_lock(file, "LOCK_EX", timeout)


def try_shared_lock(file: IO, timeout: float = 0.0) -> bool:
    """The same beside others that take a shared lock."""
    return _try_lock(file, "LOCK_SH", timeout)


def _try_lock(file: IO, kind: str, timeout: float) -> bool:
    if fcntl is None:
        raise NoLocks
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(file, getattr(fcntl, kind) | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        except OSError as error:
            if error.errno in WITHOUT_LOCKS:
                raise NoLocks from None
            raise


@contextmanager
def writable(path: Path | str) -> Iterator[None]:
    """Around what makes or opens `path`: a place where nothing can be written is a UserError."""
    try:
        yield
    except OSError as error:
        if may_pass(error):
            raise
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place for it") from None


@contextmanager
def full_disk_explained(
    place: Path | str, advice: str = "free some space, then run the same command"
) -> Iterator[None]:
    """Around what writes at `place`: a full disk is a UserError, because a second try would end the same way."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise UserError(f"{error.filename or place}: cannot be written ({error.strerror}); {advice}") from None


def remove_leftovers(folder: Path, below: Iterable[Path] = ()) -> None:
    """Delete what `replacing` left in `folder`, and anywhere in the folders `below`, when its process was killed.

    No living process may write there. Other subfolders are left alone: a user may choose a home folder for a pack.
    """
    for leftover in (*listing(folder, ".*.tmp"), *(path for tree in below for path in tree.rglob(".*.tmp"))):
        if LEFTOVER.fullmatch(leftover.name):
            leftover.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file to write; what was written becomes `path` when the block ends, and vanishes when it fails.

    Missing parent folders are made; a link stays one, to the new file. A device or pipe gets all at the end. A
    place where nothing can be written, or a full disk, is a UserError.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file() and not path.is_dir():
        with writable(path):
            device = open(path, "wb")
        with full_disk_explained(path), device, tempfile.TemporaryFile() as whole:  # archives are not written in one go
            yield whole
            whole.seek(0)
            shutil.copyfileobj(whole, device)
        return
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    with ExitStack() as stack:
        with writable(path):
            stack.enter_context(made_folder(path.parent))
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            file = open(temporary, "wb")  # closed by the block below
        stack.callback(temporary.unlink, missing_ok=True)
        with full_disk_explained(path, "free some space or choose another disk"):
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)


def write_atomically(path: Path | str, data: bytes) -> None:
    """Make `data` the content of `path`: readers find the old or the new, even after a power cut."""
    with replacing(path) as file:
        file.write(data)


def write_json(path: Path | str, content: Any, indent: int | None = 1) -> None:
    """The same with JSON and a newline."""
    write_atomically(path, (json.dumps(content, indent=indent) + "\n").encode())
