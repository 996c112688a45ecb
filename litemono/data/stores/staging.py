"""--stage: a pack on the node's own disk, copied once per node while training already reads from the share.

    FOLDER/litemono-UID/PACK/         the files of one pack, each complete or absent; PACK is made of the index and its checksums
    FOLDER/litemono-UID/PACK.users    locked shared by each process that reads PACK
    FOLDER/litemono-UID/PACK.copying  locked by the one that copies

A thread copies file by file, compares each frame with its checksum, and lets the store read from the copy from then on. Other
processes and jobs on the node wait for the same files. The last process to end removes the folder; what killed processes left
is removed by the next one. A job that is requeued to another node stages anew there. What cannot be copied is read from the
share.

Each start checks the folder before it touches the run folder (`check_stage`). `litemono.submit` cannot: it runs on another node.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import math
import os
import shutil
import stat
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from litemono.data.stores.pack_size import frame_files, pack_roots
from litemono.data.stores.packed_index import INDEX_FILE, is_pack
from litemono.utils.atomic_files import NoLocks, may_pass, try_lock, try_shared_lock
from litemono.utils.errors import UserError, require

VARIABLES = ("SLURM_TMPDIR", "TMPDIR")
AUTO = "auto"
POLL_SECONDS = 1.0  # between two checks whether another process has copied a file


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


def check_stage(flag: str | None, data_path: Path) -> None:
    """Before a training, on its node: UserError where --stage names no folder with enough free space for the packs."""
    if flag is not None:
        open_folder(flag, [root for root in pack_roots(data_path) if is_pack(root)])


def open_folder(flag: str, packs: Sequence[Path]) -> Path:
    """The user's folder in the one that --stage names. UserError where there is none, or too little free space for `packs`."""
    folder = staging_folder(flag)
    base = private_folder(folder)
    remove_unused(base, keep={content_name(pack) for pack in packs})
    missing = sum(missing_bytes(base, pack) for pack in packs)
    free = shutil.disk_usage(base).free
    require(
        missing <= free,
        f"--stage {folder}: {free / 1e9:.2f} GB are free, and {', '.join(map(str, packs))} takes {missing / 1e9:.2f} GB; give "
        "another folder, or leave out --stage",
    )
    return base


def missing_bytes(base: Path, pack: Path) -> int:
    """Bytes that are to be copied; 0 while another process copies, which has checked the free space itself."""
    name = content_name(pack)
    with open(base / f"{name}.copying", "a") as file:
        try:
            if not try_shared_lock(file):
                return 0
        except NoLocks:
            raise UserError(
                f"--stage {base.parent}: its file system has no locks; give a folder on the node's own disk, or leave it out"
            ) from None
        there = base / name
        return sum(path.stat().st_size for path in frame_files(pack) if not (there / path.relative_to(pack)).exists())


def content_name(pack: Path) -> str:
    """Made of the pack's index, which has all checksums."""
    return hashlib.sha256((pack / INDEX_FILE).read_bytes()).hexdigest()[:16]


class Staging:
    """Copies the parts of a pack to `folder` in a thread, from `start` to `close`."""

    def __init__(self, root: Path, parts: list[Part], flag: str) -> None:
        """root: of the pack. flag: the value of --stage."""
        self.root, self.parts, self._started = root, parts, False
        self._flag = flag
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name="staging", daemon=True)
        self._users: IO | None = None

    def start(self) -> None:
        """At the first read: a check before the job, on another machine, copies nothing.

        UserError where there is no such folder, or too little free space in it.
        """
        with self._lock:
            if self._started:
                return
            self._started = True
        base, name = open_folder(self._flag, [self.root]), content_name(self.root)
        self.target, self._copying = base / name, base / f"{name}.copying"
        self._users = open(base / f"{name}.users", "a")
        try_shared_lock(self._users, timeout=math.inf)  # another process may be removing its copy
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
        """Until every part is copied, or copying has failed."""
        self._thread.join()

    def copy_of(self, part: Part) -> Path:
        return self.target / part.path.relative_to(self.root)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[bool]:
        """Take the lock for copying, if no other process has it; whether it was taken."""
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
        """Make `copy`, complete or absent. ValueError for a wrong checksum of what was read or written."""
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
    """ValueError where other bytes are read from the disk than were written to it."""
    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    file.seek(0)
    for number, (length, crc) in enumerate(zip(part.lengths, part.crc32, strict=True)):
        if zlib.crc32(file.read(length)) != crc:
            raise ValueError(f"{file.name}: frame {number} was not written as it was read; the disk is damaged")


def private_folder(folder: Path) -> Path:
    """The user's folder in a place that all users may share. UserError where it cannot be made or written."""
    base = folder / f"litemono-{os.getuid()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        found = base.lstat()
        require(
            stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid(),
            f"--stage {folder}: {base.name} in it belongs to another user; give another folder",
        )
        (base / ".writable").touch()
    except OSError as error:
        if may_pass(error):
            raise
        raise UserError(
            f"--stage {folder}: {base} cannot be written ({error.strerror}); give another folder, or leave out --stage"
        ) from None
    return base


def remove_unused(base: Path, keep: set[str]) -> None:
    """Delete copies of other packs whose processes are gone."""
    for users in base.glob("*.users"):
        if users.stem not in keep:
            with open(users, "a") as file, contextlib.suppress(NoLocks):
                if try_lock(file):
                    shutil.rmtree(base / users.stem, ignore_errors=True)
