"""Where packing reads from: KITTI's zips (on disk or behind an address) or the folders extracted from them."""

from __future__ import annotations

import contextlib
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from litemono.data.datasets.base import EXTENSIONS, PackableDataset
from litemono.data.datasets.scans import Scans
from litemono.data.packing import http, requirements
from litemono.utils.archives import DAMAGED
from litemono.utils.errors import UserError, reason

MOST_BYTES = 2**28  # of a frame or a scan; KITTI's are 1 to 2 MB


class Member(NamedTuple):
    """A file of a source."""

    source: Source
    name: str
    order: int  # reading in this order is fastest

    def read(self) -> bytes:
        return self.source.read(self.name)

    @property
    def where(self) -> str:
        return self.source.where(self.name)


class Source(Protocol):
    """A tree in the data set's layout."""

    @property
    def path(self) -> Path | str: ...

    remedy: str  # what to do about a damaged file of it

    def find(self, name: str) -> Member | None:
        """The file of this name, with / between its parts."""

    def read(self, name: str) -> bytes: ...

    def where(self, name: str) -> str:
        """The file's place, for messages."""

    @property
    def members(self) -> list[str]:
        """Of all its files, with their folders."""

    def close(self) -> None: ...


class FolderSource:
    """Extracted archives."""

    remedy = "replace the file, or extract its archive again"

    def __init__(self, root: Path) -> None:
        self.path = root
        self._listings: dict[str, frozenset[str]] = {}

    def find(self, name: str) -> Member | None:
        directory, _, file = name.rpartition("/")
        return Member(self, name, 0) if file in self.names(directory) else None

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise UserError(f"{self.where(name)}: cannot be read ({error.strerror})") from None

    def where(self, name: str) -> str:
        return str(self.path / name)

    @property
    def members(self) -> list[str]:
        """Of all files, with their folders; links to folders are followed."""
        found = []
        for directory, _, files in os.walk(self.path, followlinks=True):
            below = os.path.relpath(directory, self.path).replace(os.sep, "/")
            found += files if below == "." else [f"{below}/{name}" for name in files]
        return found

    def close(self) -> None:
        pass

    def names(self, directory: str) -> frozenset[str]:
        """Of the files in a directory."""
        if directory not in self._listings:
            try:
                entries = os.scandir(self.path / directory)
                self._listings[directory] = frozenset(entry.name for entry in entries if entry.is_file())
            except (FileNotFoundError, NotADirectoryError):
                self._listings[directory] = frozenset()
        return self._listings[directory]


class ZipSource:
    """A published zip, on disk or behind an address (http.NotThere if it is not); nothing is extracted.

    top: the folder below which it has everything, or "", or what finds it among all names. remedy: what to do where it is
    damaged; default: as for KITTI's.
    """

    def __init__(self, path: Path | str, top: str | Callable[[list[str]], str], remedy: str | None = None) -> None:
        self.path = path
        self.remedy = remedy or (
            "delete it and fetch it again (python -m litemono.prepare download)"
            if isinstance(path, Path)
            else "the archive is damaged at its source"
        )
        try:
            file = path if isinstance(path, Path) else io.BufferedReader(http.RemoteFile(path), 1 << 18)
            self._zip = zipfile.ZipFile(file)
        except UnicodeDecodeError:
            raise UserError(
                f"{path}: a name in this zip is marked as UTF-8 and is not; extract it and put the folder in its "
                "place, or fetch it again"
            ) from None
        except DAMAGED as error:
            raise UserError(f"{path}: not a complete zip ({reason(error)}); {self.remedy}") from None
        files = [info for info in self._zip.infolist() if not info.is_dir()]
        top = top if isinstance(top, str) else top([info.filename for info in files])
        infos = {info.filename.removeprefix(top): info for info in files}
        self._members = {name: (info, info.header_offset) for name, info in infos.items()}

    @property
    def members(self) -> list[str]:
        """Of all files, with their folders."""
        return [*self._members]

    def find(self, name: str) -> Member | None:
        return Member(self, name, self._members[name][1]) if name in self._members else None

    def read(self, name: str) -> bytes:
        size = self._members[name][0].file_size
        if size > MOST_BYTES:
            raise UserError(f"{self.where(name)}: {size / 1e9:.1f} GB unpacked are no frame or scan; {self.remedy}")
        try:
            return self._zip.read(self._members[name][0])
        except DAMAGED as error:
            raise UserError(f"{self.where(name)}: cannot be read ({reason(error)}); {self.remedy}") from None

    def where(self, name: str) -> str:
        return f"{self.path}, member {self._members[name][0].filename}"

    def close(self) -> None:
        self._zip.close()


class Origin:
    """The value of --from: a folder with zips, extracted drives or both; or the address of KITTI's raw archives."""

    def __init__(self, dataset: PackableDataset, place: str) -> None:
        self.dataset = dataset
        local = http.local_path(place) if http.is_address(place) else Path(place)
        self.root: Path | str = local or place
        if local is None and dataset.fetched_by_hand:
            raise UserError(f"--from {place}: no address works for --dataset {dataset.name}: {dataset.fetched_by_hand}")
        if local is None and dataset.packed_pictures:
            archives = " and ".join(dataset.picture_archives())
            raise UserError(
                f"--from {place}: {archives} does not lie below this address; fetch it and the drives into a "
                "folder, and give that"
            )
        if local is not None and not local.is_dir():
            raise UserError(f"--from {place}: there is no such folder")

    def zips(self, folder: str) -> list[Path | str]:
        """The zips with a drive's frames: files, or places below an address that is not asked yet."""
        return self._there(self.dataset.frame_archives(folder))

    def has(self, folder: str) -> bool:
        """Whether there is anything of a drive: its zip, or a folder of its name."""
        extracted = isinstance(self.root, Path) and (self.root / self.dataset.drive_place(folder)).is_dir()
        return extracted or bool(self.zips(folder))

    def open_drive(self, folder: str) -> list[Source]:
        """Sources for the frames and scans of a drive."""
        return self._open(self.zips(folder))

    def open_calibration(self, folder: str) -> list[Source]:
        """Sources for the calibration of a drive, and the poses where there are any."""
        return self._open(self._there(self.dataset.calibration_archives(folder)))

    def open_pictures(self) -> list[Source]:
        """Sources for the packed kinds of pictures; none where the data set packs none."""
        return self._open(self._there(self.dataset.picture_archives())) if self.dataset.packed_pictures else []

    def _open(self, zips: Sequence[Path | str]) -> list[Source]:
        folders = [FolderSource(self.root)] if isinstance(self.root, Path) else []
        return [*map(self._open_zip, zips), *folders]

    def _open_zip(self, path: Path | str) -> ZipSource:
        if isinstance(path, Path):
            return ZipSource(path, self.dataset.archive_top)
        addresses = requirements.addresses(str(self.root), path)
        for address in addresses:
            with contextlib.suppress(http.NotThere):
                return ZipSource(address, self.dataset.archive_top)
        raise UserError(f"{addresses[0]}: there is no such archive; is the address right?")

    def _there(self, names: Sequence[str]) -> list[Path | str]:
        """The archives of these names; on disk also one folder down, as KITTI's server has them."""
        if isinstance(self.root, str):
            return [path for path in self.dataset.published_archives() if path.split("/")[-1] in names]
        places = ([self.root / name, *sorted(self.root.glob(f"*/{name}"))] for name in names)
        found = (next((path for path in paths if path.is_file()), None) for paths in places)
        return [path for path in found if path is not None]


def find_frame(
    dataset: PackableDataset, sources: Sequence[Source], folder: str, side: str, frame: int
) -> Member | None:
    """The image of a frame in the first source that has it."""
    directory, stem = dataset.frame_place(folder, frame, side)
    names = [f"{directory}/{stem}{extension}" for extension in EXTENSIONS]
    return next(filter(None, (source.find(name) for source in sources for name in names)), None)


def find_scan(scans: Scans, sources: Sequence[Source], folder: str, frame: int) -> Member | None:
    """The scan of a frame in the first source that has it."""
    name = f"{folder}/{scans.member(frame)}"
    return next(filter(None, (source.find(name) for source in sources)), None)
