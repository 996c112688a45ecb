"""What a data set answers: where its frames lie, which of them are samples, its cameras, depth, masks and archives.

Nothing here imports torch, so that `--help` stays fast.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from litemono.data.datasets.scans import Scans
from litemono.data.splits import SPLITS, SplitLine, read_split, split_file

Size = tuple[int, int]  # height, width
Camera = tuple[float, float, float, float]  # fx, fy, cx, cy
# KITTI ships .png; many users have converted theirs to .jpg, all or some of them.
EXTENSIONS = (".png", ".PNG", ".jpg", ".jpeg", ".JPG", ".JPEG")


class Layout(ABC):
    """A data folder, arranged as a data set arranges it: from (folder, frame, side) to an image file."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self._listings: dict[str, frozenset[str]] = {}

    @abstractmethod
    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        """Directory below the root, and file name, of a frame that `has` answers for."""

    @abstractmethod
    def has(self, folder: str, frame: int, side: str) -> bool:
        """Whether the frame is there; cheap enough for every line of a split."""

    @abstractmethod
    def missing(self, folder: str, frame: int, side: str) -> str:
        """For an absent frame: where it was looked for and, if that can be seen, what to change."""

    def neighbour(self, folder: str, frame: int, offset: int) -> int:
        """The number of the frame that is `offset` frames after this one."""
        return frame + offset

    def listing(self, directory: str) -> frozenset[str]:
        """Names in a directory below the root, read once: a split has 40,000 lines but few directories."""
        if directory not in self._listings:
            try:
                self._listings[directory] = frozenset(os.listdir(self.root / directory))
            except (FileNotFoundError, NotADirectoryError):
                self._listings[directory] = frozenset()
        return self._listings[directory]


class Depth(Protocol):
    """Ground truth that training and validation read: (H, W) float32 metres, 0 where nothing was measured."""

    size: Size  # of all maps

    def read(self, root: Path, line: SplitLine) -> np.ndarray:
        """The map of a sample's target; all zeros where it has none."""

    def check(self, root: Path, lines: Sequence[SplitLine]) -> None:
        """UserError now for what reading would meet later. Lines without ground truth are fine."""


DepthIs = Literal["metres", "disparity", "relative"]
"""What the numbers of ground truth are, once divided by units_per_metre. disparity: a multiple of inverse depth; relative:
inverse depth up to scale and shift. Larger is nearer in both."""


class Picture(NamedTuple):
    """A kind of file that belongs to a frame beside its image: depth or mask, one channel. PNG, or .npy or .pfm of depth."""

    path: Callable[[Path, str, int, str], Path]
    """(root, folder, frame, side) -> file; it may not exist."""
    bits: int
    archive: str
    """What to extract where it is missing or damaged."""
    units_per_metre: float | None = None
    """Of depth: its number for one metre; 0 is no measurement."""
    depth_is: DepthIs = "metres"
    """Of depth; what is not in metres may have 8 or 16 bits."""
    any_bits: bool = False
    """Of depth: it may have 8 bits, for --depth_is relative or disparity, which the data set's own depth is not."""

    def metres(self, values: np.ndarray) -> np.ndarray:
        """Depth (H, W) float32 metres from the numbers in the PNG, (H, W).  ValueError for a kind that is no depth."""
        if self.units_per_metre is None:
            raise ValueError(f"pictures of {self.archive} have no units_per_metre, so they are no depth")
        return values.astype(np.float32) / self.units_per_metre


class Dataset(ABC):
    """One data set. Instances keep no state, and processes and threads share them."""

    name: ClassVar[str]
    """The value of --dataset."""
    summary: ClassVar[str]
    """What --help says about it."""
    sides: ClassVar[str] = "l"
    """The cameras; "lr" is a stereo pair."""
    default_split: ClassVar[str | None] = None
    """The value of --split in force when none is given; None: the frames themselves are split."""
    split_summary: ClassVar[str]
    """The same for --help."""
    checked_splits: ClassVar[tuple[str, ...]] = ()
    """Splits the doctor looks at."""
    test_offsets: ClassVar[tuple[int, ...]] = (0,)
    """Frames that a line of a test list needs, relative to its own."""
    intrinsics: ClassVar[frozenset[str]] = frozenset()
    """Of "published" and "calib", what it has; fx,fy,cx,cy always works."""
    depth: ClassVar[Depth | None] = None
    video: ClassVar[bool] = True
    """Whether frames have neighbours, and a folder one camera; else they are single pictures of any size."""
    trained_by: ClassVar[str] = "litemono.finetune"
    """The command that trains on it, where it has no video."""
    turned_by_exif: ClassVar[bool] = False
    """Whether images are upright only after the turn that their EXIF note asks for, as a phone's are."""
    own_camera_help: ClassVar[str] = ""
    """Where a folder may state its own camera, as the end of a message about cameras."""
    pictures: ClassVar[Mapping[str, Picture]] = {}
    """By kind, "depth" or "mask"."""
    packed_pictures: ClassVar[tuple[str, ...]] = ()  # those kinds that `litemono.prepare pack` puts beside the frames
    archive_source: ClassVar[str] = ""
    """Where its archives are to be had, for messages."""

    @abstractmethod
    def layout(self, root: Path, png: bool) -> Layout:
        """The folder `root`; png: its images are .png, where the data set allows both kinds."""

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        """The "train", "val" or "test" samples of --split `split` (None: the default), and where they come from."""
        source = split_file(split or self.default_split or "", which)
        return read_split(source, self.sample_of_image), source

    def sample_of_image(self, path: str) -> SplitLine | None:
        """The sample whose image a list of file names (of BTS, AdaBins) calls `path`; None for a path that is none."""
        return None

    def frames_found(self, root: Path) -> str | None:
        """What lies at `root`, for data sets that need no split; UserError if nothing does."""
        return None

    def published_intrinsics(self) -> Camera:
        """fx/W, fy/H, cx/W, cy/H for all images; only where `intrinsics` has "published"."""
        raise NotImplementedError

    def calibrated_camera(self, root: Path, line: SplitLine, image_size: Callable[[], Size]) -> tuple[Camera, Size]:
        """(fx, fy, cx, cy) in pixels and the size of the image they belong to; only where `intrinsics` has "calib"."""
        raise NotImplementedError

    def own_camera(self, root: Path, folder: str) -> Camera | None:
        """(fx, fy, cx, cy) in pixels that a folder states for itself and that come before --intrinsics."""
        return None

    def has_cameras(self, root: Path) -> bool:
        """Whether folders there state their own camera, so that --intrinsics may be left out."""
        return False

    def archives(self, folders: Iterable[str]) -> list[str]:
        """Names of the published archives that hold the frames of these folders, as far as there are any."""
        return []

    def remedy(self, folder: str) -> str:
        """What to do about a damaged image."""
        archives = self.archives({folder})
        return f"extract it again from {archives[0]}" if archives else "replace the file"


class PackableDataset(Dataset):
    """A data set of numbered frames in drives or sequences that `litemono.prepare` packs from archives."""

    default_split: ClassVar[str]
    published_test_split: ClassVar[str | None] = None
    """The test images by which weights trained on its published splits are judged, if in a split of their own."""
    scans: ClassVar[Scans | None] = None
    packed_frame_ids: ClassVar[tuple[int, ...]] = (0, -1, 1)  # of a training sample, where --frame_ids is not given
    fetched_by_hand: ClassVar[str | None] = None
    """Why and how its archives must be fetched by hand; None: `litemono.prepare` reads them from an address."""
    archive_top: ClassVar[str] = ""
    """Folder below which its archives have everything."""

    def layout(self, root: Path, png: bool) -> NumberedLayout:
        return NumberedLayout(self, root, png)

    @abstractmethod
    def frame_place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        """Directory below the data root and file name without extension of a frame."""

    def frame_path(self, root: Path, folder: str, frame: int, side: str, ext: str) -> Path:
        """Image file of a frame; `ext` with its dot."""
        directory, stem = self.frame_place(folder, frame, side)
        return Path(root) / directory / (stem + ext)

    def camera_place(self, folder: str, side: str) -> str:
        """Place below the data root of a camera's frames; in a pack, of its file without extension."""
        return self.frame_place(folder, 0, side)[0].removesuffix("/data")

    def drive_place(self, folder: str) -> str:
        """Directory of a drive or sequence below the data root."""
        return self.camera_place(folder, "l").rsplit("/", 1)[0]

    def folder_name(self, folder: str) -> str:
        """A folder's one name, for lists that write it in several ways."""
        return folder

    @abstractmethod
    def check_folder(self, folder: str, source: Path) -> str:
        """The folder's one name; UserError if it could lead out of the data root. `source`: the list it is from."""

    @abstractmethod
    def frame_archives(self, folder: str) -> list[str]:
        """Names of the archives with a folder's frames and scans, published or a user's own."""

    @abstractmethod
    def calibration_archives(self, folder: str) -> list[str]:
        """Names of the archives with a folder's calibration."""

    @abstractmethod
    def calibration_files(self, folder: str) -> tuple[list[str], list[str]]:
        """Places below the data root of the calibration a folder needs, and of what comes along with it."""

    def picture_names(self, kind: str, folder: str, frame: int, side: str) -> list[str]:
        """Places where a frame's picture of a packed kind may lie, below the data root and in its archives."""
        return []

    def picture_archives(self) -> list[str]:
        """Names of the archives with the packed kinds of pictures."""
        return []

    def calibration_problem(self, root: Path, folder: str, sides: Iterable[str]) -> str | None:
        """What is wrong with a folder's calibration files (they are there), for these sides, if anything."""
        return None

    def archives_with_calibration(self, folders: Iterable[str]) -> list[str]:
        """Published archives with these folders' frames and calibration, relative to the address that has them."""
        return []

    def published_archives(self) -> list[str]:
        """All published archives, relative to their address."""
        return []

    def test_split_folder(self, split_folder: Path, has_training_lists: bool) -> Path:
        """The folder with the test lists of a split."""
        if has_training_lists and split_folder.parent == SPLITS and self.published_test_split:
            return SPLITS / self.published_test_split
        return split_folder


class NumberedLayout(Layout):
    """Frames whose file names are their numbers: .png or .jpg in any mixture, in upper or lower case."""

    def __init__(self, dataset: PackableDataset, root: Path, png: bool) -> None:
        """png: of a frame that is there in both kinds, take the .png."""
        super().__init__(root)
        self.dataset = dataset
        self.extensions = EXTENSIONS if png else (*EXTENSIONS[2:], *EXTENSIONS[:2])

    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        directory, stem = self.dataset.frame_place(folder, frame, side)
        there = self.listing(directory)
        names = (stem + extension for extension in self.extensions)
        return directory, next((name for name in names if name in there), stem + self.extensions[0])

    def has(self, folder: str, frame: int, side: str) -> bool:
        directory, name = self.place(folder, frame, side)
        return name in self.listing(directory)

    def missing(self, folder: str, frame: int, side: str) -> str:
        directory, name = self.place(folder, frame, side)
        return f"no {self.root / directory / name}" + (" or .jpg" if name.endswith(".png") else " or .png")
