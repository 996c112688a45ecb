"""Fetching KITTI's archives: a plan first, then in parallel, through dropped connections, whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from litemono.data.kitti.paths import KITTI_ADDRESS
from litemono.data.packing import http, requirements
from litemono.data.stores import packed
from litemono.utils.archives import DAMAGED
from litemono.utils.atomic_files import DISK_FULL
from litemono.utils.errors import UserError, require

CHUNK_BYTES = 1 << 20
# Every member of a zip up to this size is checked; of larger ones the table of contents (packing checks what it reads).
TEST_BYTES = 64 << 20
ASKED_AT_ONCE = 8


class Interrupted(Exception):
    """The disk is full, or the user pressed Ctrl-C."""


@dataclass(frozen=True)
class Archive:
    """One archive to have."""

    address: str
    target: Path
    size: int | None  # bytes, None where the server does not tell
    there: int  # bytes that are on disk already

    @property
    def complete(self) -> bool:
        if not self.target.is_file():
            return False
        return self.there == self.size if self.size is not None else what_is_wrong(self.target, None) is None

    @property
    def partial(self) -> Path:
        return self.target.with_name(self.target.name + ".part")


def plan(base: str, paths: Iterable[str], folder: Path) -> list[Archive]:
    """Ask the server for each archive's size and look what is on disk."""
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        return list(threads.map(lambda path: _look(base, path, folder), paths))


def _look(base: str, path: str, folder: Path) -> Archive:
    target = folder / path.rsplit("/", 1)[-1]
    for address in requirements.addresses(base, path):
        try:
            size = http.size_of(address)
        except http.NotThere:
            continue
        archive = Archive(address, target, size, 0)
        on_disk = target if target.is_file() else archive.partial
        return Archive(address, target, size, on_disk.stat().st_size if on_disk.is_file() else 0)
    raise UserError(f"{requirements.addresses(base, path)[0]}: there is no such archive; is --base_url right?")


def check_place(folder: Path) -> None:
    """Raise UserError where `folder` cannot be made or written, before a server is asked."""
    place = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    usable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    require(
        usable,
        f"--output {folder}: {place} {'cannot be written' if place.is_dir() else 'is no folder'}; choose another",
    )


def check_room(archives: list[Archive], folder: Path) -> None:
    """Raise UserError if the disk has less room than the plan needs."""
    need = sum(max(0, archive.size - archive.there) for archive in archives if archive.size is not None)
    free = free_bytes(folder)
    if need > free:
        raise UserError(
            f"--output {folder}: {need / 1e9:.1f} GB are still to be fetched, {free / 1e9:.1f} GB are free. Packing straight "
            f"from the server needs room for the frames alone: "
            f"python -m litemono.prepare pack --from {KITTI_ADDRESS}"
        )


def free_bytes(folder: Path) -> int:
    """Room on the disk that will hold `folder`."""
    return shutil.disk_usage(next(path for path in (folder, *folder.absolute().parents) if path.is_dir())).free


def fetch_all(archives: list[Archive], parallel: int, tick: Callable[[int], None]) -> list[str]:
    """Fetch what is not complete; returns what went wrong.  `tick(bytes)` is called as they arrive (from threads)."""
    stop = threading.Event()
    problems = []
    with ThreadPoolExecutor(parallel) as threads:
        futures = {threads.submit(fetch, archive, stop, tick): archive for archive in archives if not archive.complete}
        try:
            for future in as_completed(futures):
                problem = _problem(future.exception(), futures[future], stop)
                if problem is not None:
                    problems.append(problem)
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise
    return problems


def _problem(error: BaseException | None, archive: Archive, stop: threading.Event) -> str | None:
    if error is None or isinstance(error, Interrupted):
        return None
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        stop.set()  # the others would fail as well
        return f"{archive.partial}: the disk is full, or your quota on it; what is fetched is kept"
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{archive.partial}: cannot be written ({error.strerror or error})"
    raise error


def fetch(archive: Archive, stop: threading.Event, tick: Callable[[int], None]) -> None:
    """Fetch one archive next to its place, continue where an earlier try ended, and move it there when it is whole."""
    target, partial = archive.target, archive.partial
    if target.is_file():  # of another size than the server's: perhaps another program's unfinished download
        os.replace(target, partial)
    for last_try in (False, True):
        _fetch_bytes(archive, stop, tick)
        problem = what_is_wrong(partial, archive.size)
        if problem is None:
            os.replace(partial, target)
            return
        tick(-partial.stat().st_size)
        partial.unlink()
        if last_try:
            raise UserError(f"{archive.address}: arrives damaged ({problem}); is the server's file whole?")


def what_is_wrong(path: Path, size: int | None) -> str | None:
    """Why a downloaded zip cannot be right, if so."""
    there = path.stat().st_size
    if size is not None and there != size:
        return f"{there} bytes instead of {size}"
    if there <= TEST_BYTES:
        return None if packed.zip_is_whole(path) else "not a whole zip"
    try:
        zipfile.ZipFile(path).close()
    except DAMAGED as error:
        return str(error)
    return None


def _fetch_bytes(archive: Archive, stop: threading.Event, tick: Callable[[int], None]) -> None:
    """Append to the partial file until it has the archive's size or the server says that it is over."""
    archive.partial.parent.mkdir(parents=True, exist_ok=True)
    with open(archive.partial, "ab") as file:
        if archive.size is None or file.tell() > archive.size:
            tick(-file.tell())
            file.truncate(0)
        if file.tell() == archive.size:
            return
        try:
            remote = http.RemoteFile(archive.address, skip_bytes=sys.maxsize)  # a server without ranges sends all again
        except http.NotThere:
            raise UserError(f"{archive.address}: is no longer there") from None
        with remote:
            remote.seek(file.seek(0, os.SEEK_END))
            while content := remote.read(CHUNK_BYTES):
                if stop.is_set():
                    raise Interrupted
                file.write(content)
                tick(len(content))
