"""Is everything there that a split needs, and is it whole?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from litemono.data import depth_source
from litemono.data.datasets.base import PackableDataset
from litemono.data.datasets.scans import Scans
from litemono.data.depth_source import DepthUnit
from litemono.data.missing_frames import mixed_sizes
from litemono.data.packing.requirements import Wanted
from litemono.data.splits import SplitLine
from litemono.data.stores import packed
from litemono.data.stores.base import FrameStore
from litemono.data.stores.packed import PackedStore
from litemono.data.stores.packed_index import Drive
from litemono.utils.errors import UserError

ABSENT = "absent"


@dataclass
class Report:
    """What `verify` found."""

    frames: int = 0  # wanted
    scans: int = 0  # wanted scans that are there; KITTI itself lacks some
    wanted_scans: int = 0
    pictures: int = 0  # frames that have their depth; KITTI itself lacks some
    wanted_pictures: int = 0
    maps: dict[str, int] = field(default_factory=dict)  # frames with a packed map (`prepare maps`) by kind
    missing: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # drive -> where they should be
    damaged: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # drive -> what is wrong

    @property
    def drives(self) -> list[str]:
        """Drives with a problem."""
        return sorted({*self.missing, *self.damaged})

    @property
    def scans_text(self) -> str:
        depth = f", {self.pictures} of {self.wanted_pictures} frames have depth" if self.wanted_pictures else ""
        maps = "".join(f", {count} a packed {kind} map" for kind, count in self.maps.items())
        return f"{self.scans} of {self.wanted_scans} validation and test frames have a scan{depth}{maps}"

    def archives(self, dataset: PackableDataset) -> list[str]:
        """The published archives that hold what is missing or damaged."""
        return [path.rsplit("/", 1)[-1] for path in dataset.archives_with_calibration(self.drives)]


def verify(
    store: FrameStore,
    dataset: PackableDataset,
    need: dict[str, Wanted],
    deep: bool,
    num_workers: int,
    tick: Callable[[], None],
) -> Report:
    """Look at every frame's first bytes; compare packed ones with their checksums, with `deep` decode those of a folder.

    dataset: the store's. `tick` is called after each frame.
    """
    report = Report()
    keys = [(folder, frame, side) for folder, drive in need.items() for side, frame in sorted(drive.frames)]
    report.frames = len(keys)
    with ThreadPoolExecutor(num_workers) as threads:  # decoding and checksums run outside Python's lock
        present = [key for key in keys if store.has(*key)]
        looks = {}
        for key, look in zip(present, threads.map(lambda key: _look(store, key, deep), present), strict=True):
            looks[key] = look
            if isinstance(look, str):
                report.damaged[key[0]].append(look)
            tick()
    for (folder, _), text in (mixed_sizes(looks) if dataset.video else {}).items():
        report.damaged[folder].append(f"images of several sizes cannot be of one camera: {text}")
    for key in sorted(set(keys) - set(present)):
        report.missing[key[0]].append(store.missing(*key))
        tick()
    with ThreadPoolExecutor(num_workers) as threads:
        for folder, drive in need.items():
            report.wanted_pictures += len(drive.pictures)
            keys = [(folder, frame, side) for side, frame in sorted(drive.pictures) if store.has(folder, frame, side)]
            for problem in threads.map(lambda key: _picture_problem(store, dataset, key, deep), keys):
                report.pictures += problem != ABSENT
                if problem not in (None, ABSENT):
                    report.damaged[folder].append(problem)
        if isinstance(store, PackedStore):
            _check_maps(store, need, threads, report)
    if dataset.scans is not None:
        for folder, problem in _check_scans(store, dataset.scans, need, report):
            report.damaged[folder].append(problem)
        _check_calibration(store, dataset, need, report)
    return report


def _look(store: FrameStore, key: tuple[str, int, str], deep: bool) -> tuple[int, int] | str:
    """(height, width) of a frame that is there, or what is wrong with it.

    By its checksum if it is packed, else by its first bytes; with `deep` it is decoded too.
    """
    try:
        if isinstance(store, PackedStore):
            return store.check(*key) or store.look(*key)
        if deep:
            store.read(*key)
        return store.look(*key)
    except UserError as error:
        return str(error)


def _picture_problem(store: FrameStore, dataset: PackableDataset, key: tuple[str, int, str], deep: bool) -> str | None:
    """What is wrong with a frame's depth; ABSENT where it has none."""
    line, unit = SplitLine(*key), DepthUnit.of(dataset, None, None)
    if not store.has_array("depth", *key):
        return ABSENT
    reader = store.packed_pictures("depth", key[0], key[2]) if isinstance(store, PackedStore) else None
    if reader is not None:
        return reader.check(key[1])
    try:
        if (text := depth_source.problem(store, line, unit)) is None and deep:
            depth_source.read_depth(store, line, unit)
        return text
    except UserError as error:
        return str(error)


def _check_maps(store: PackedStore, need: dict[str, Wanted], threads: ThreadPoolExecutor, report: Report) -> None:
    """Compare frozen depth and object masks beside the frames with their checksums."""
    for kind in store.map_kinds():
        report.maps[kind] = 0
        for folder, drive in need.items():
            readers = [(store.packed_pictures(kind, folder, side), frame) for side, frame in sorted(drive.frames)]
            there = [(reader, frame) for reader, frame in readers if reader is not None and reader.has(frame)]
            report.maps[kind] += len(there)
            report.damaged[folder] += filter(None, threads.map(lambda pair: pair[0].check(pair[1]), there))


def _check_scans(store: FrameStore, scans: Scans, need: dict[str, Wanted], report: Report) -> Iterator[tuple[str, str]]:
    """Count the scans that are there; yield (drive, problem) of those that are not whole."""
    for folder, drive in need.items():
        report.wanted_scans += len(drive.scans)
        archive = scans.pack_path(store.root, folder)
        if archive.is_file() and not packed.zip_is_whole(archive):
            yield folder, f"{archive}: not a complete zip; delete it and run pack again"
            continue
        for frame in sorted(drive.scans):
            scan = scans.find(store.root, folder, frame)
            if not scan.is_file():
                if isinstance(store, PackedStore) and frame in store.index.drives.get(folder, Drive()).scans:
                    yield folder, f"{scan}: is in the index, but not there; delete {archive} and run pack again"
                continue
            report.scans += 1
            if problem := scans.problem(scan):
                yield folder, problem


def _check_calibration(store: FrameStore, dataset: PackableDataset, need: dict[str, Wanted], report: Report) -> None:
    for folder, drive in need.items():
        files = [store.root / name for name in dataset.calibration_files(folder)[0]]
        absent = [f"no {file}" for file in files if not file.is_file()]
        if absent:
            report.missing[folder] += absent
            continue
        problem = dataset.calibration_problem(store.root, folder, sorted({side for side, _ in drive.frames}))
        if problem:
            report.damaged[folder].append(problem)
