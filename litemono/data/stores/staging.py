"""--stage: a pack on the node's own disk, copied once per node while training already reads from the share.

    FOLDER/litemono-UID/PACK/         the files of one pack, each complete or absent; PACK is made of the index and its checksums
    FOLDER/litemono-UID/PACK.users    locked shared by each process that reads PACK
    FOLDER/litemono-UID/PACK.copying  locked by the one that copies

A thread copies file by file, compares each frame with its checksum, and lets the store read from the copy from then on. Other
processes and jobs on the node wait for the same files. Whoever ends last removes the folder; what killed processes left is
removed by the next one. A job that is requeued to another node stages anew there. What cannot be copied is read from the share.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import shutil
import stat
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from litemono.utils.atomic_files import NoLocks, try_lock, try_shared_lock, writable
from litemono.utils.errors import UserError, require

VARIABLES = ("SLURM_TMPDIR", "TMPDIR")
AUTO = "auto"
POLL_SECONDS = 1.0  # between two looks at what another process copies


class Part(NamedTuple):
    """A file of a pack, made of pieces with a checksum each."""

    path: Path
    lengths: list[int]
    """Bytes of each piece."""
    crc32: list[int]
    use: Callable[[Path], None]
    """Lets the store read a copy instead."""

    @property
    def bytes(self) -> int:
        return sum(self.lengths)


def staging_folder(flag: str) -> Path:
    """The folder that --stage names. UserError where there is none."""
    if flag != AUTO:
        folder = Path(flag)
        require(
            folder.is_dir(), f"--stage {flag}: no such folder on this node; give one on its own disk, or leave it out"
        )
        return folder
    found = next((os.environ[name] for name in VARIABLES if os.environ.get(name)), None)
    if found is None or not Path(found).is_dir():
        raise UserError(
            f"--stage {AUTO}: neither {' nor '.join(VARIABLES)} is a folder on this node; give one on its own disk: --stage DIR"
        )
    return Path(found)


class Staging:
    """Copies the parts of a pack to `folder` in a thread, from `start` to `close`."""

    def __init__(self, root: Path, parts: list[Part], index: Path, flag: str) -> None:
        """index: the pack's, which has all checksums and so names its content. flag: the value of --stage."""
        self.root, self.parts, self._started = root, parts, False
        self._flag, self._index = flag, index
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="staging", daemon=True)
        self._users: IO | None = None

    def start(self) -> None:
        """At the first read: a check before the job, on another machine, copies nothing.

        UserError where there is no such folder, or the pack has no room in it.
        """
        with self._lock:
            if self._started:
                return
            self._started = True
        base = private_folder(staging_folder(self._flag))
        name = hashlib.sha256(self._index.read_bytes()).hexdigest()[:16]
        self.target, self._copying = base / name, base / f"{name}.copying"
        remove_unused(base, keep=name)
        self._users = open(base / f"{name}.users", "a")
        try_shared_lock(self._users)
        self._check_space()
        atexit.register(self.close)
        self._thread.start()

    def close(self) -> None:
        """Stop copying; the last process that uses the copy removes it."""
        self._stop.set()
        if self._users is None:
            return
        if self._thread.ident is not None:  # it was started
            self._thread.join()
        with contextlib.suppress(NoLocks):
            if try_lock(self._users):
                shutil.rmtree(self.target, ignore_errors=True)
        self._users.close()
        self._users = None
        atexit.unregister(self.close)

    def wait(self) -> None:
        """Until every part is there or given up."""
        self._thread.join()

    def copy_of(self, part: Part) -> Path:
        return self.target / part.path.relative_to(self.root)

    def _check_space(self) -> None:
        with self._turn() as mine:
            needed = sum(part.bytes for part in self.parts if not self.copy_of(part).exists())
            free = shutil.disk_usage(self.target.parent).free
            require(
                not mine or needed <= free,
                f"--stage {self.target.parent.parent}: {free / 1e9:.2f} GB are free, and {self.root} takes {needed / 1e9:.2f} "
                "GB; give another folder, or leave out --stage",
            )

    @contextlib.contextmanager
    def _turn(self) -> Iterator[bool]:
        """Whether no other process copies."""
        with open(self._copying, "a") as file:
            yield try_lock(file)

    def _run(self) -> None:
        try:
            for part in self.parts:
                self._stage(part)
        except (OSError, ValueError, NoLocks) as error:
            print(
                f"warning: --stage: {error or type(error).__name__}; the rest is read from {self.root}", file=sys.stderr
            )

    def _stage(self, part: Part) -> None:
        copy = self.copy_of(part)
        while not self._stop.is_set():
            if copy.exists():
                part.use(copy)
                return
            with self._turn() as mine:
                if mine and not copy.exists():
                    self._copy(part, copy)
                    continue
            self._stop.wait(POLL_SECONDS)

    def _copy(self, part: Part, copy: Path) -> None:
        """Complete or absent. ValueError where what was read or written has another checksum."""
        copy.parent.mkdir(parents=True, exist_ok=True)
        fresh = copy.with_name(f".{copy.name}.tmp")
        try:
            with open(part.path, "rb") as source, open(fresh, "w+b") as file:
                for number, (length, crc) in enumerate(zip(part.lengths, part.crc32, strict=True)):
                    if self._stop.is_set():
                        return
                    piece = source.read(length)
                    if zlib.crc32(piece) != crc:
                        raise ValueError(f"{part.path}: frame {number} is damaged (python -m litemono.prepare verify)")
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
                check_written(file, part)
            os.replace(fresh, copy)
        finally:
            fresh.unlink(missing_ok=True)


def check_written(file: IO[bytes], part: Part) -> None:
    """ValueError where the disk gives back other bytes than were written."""
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    file.seek(0)
    for number, (length, crc) in enumerate(zip(part.lengths, part.crc32, strict=True)):
        if zlib.crc32(file.read(length)) != crc:
            raise ValueError(f"{file.name}: frame {number} was not written as it was read; the disk is damaged")


def private_folder(folder: Path) -> Path:
    """The user's folder in a place that all users may share."""
    base = folder / f"litemono-{os.getuid()}"
    with writable(base):
        base.mkdir(mode=0o700, exist_ok=True)
        found = base.lstat()
        require(
            stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid(),
            f"--stage {folder}: {base.name} in it belongs to another user; give another folder",
        )
        (base / ".writable").touch()
    return base


def remove_unused(base: Path, keep: str) -> None:
    """Delete copies of other packs whose processes are gone."""
    for users in base.glob("*.users"):
        if users.stem != keep:
            with open(users, "a") as file, contextlib.suppress(NoLocks):
                if try_lock(file):
                    shutil.rmtree(base / users.stem, ignore_errors=True)
