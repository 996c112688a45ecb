"""KITTI's zips, packed as `prepare pack` does, and the zip of scans in a pack."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st
from tiny_kitti import DAY, DRIVE, write_calibration, write_image, write_scan

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.kitti.paths import SCANS_ARCHIVE, PackedScan, scan_name
from litemono.data.kitti.velodyne import load_scan
from litemono.data.packing.drive import Job, copy_calibration, pack_drive
from litemono.data.packing.sources import Origin
from litemono.data.stores.packed_index import Drive, PackIndex

from ..mutations import damaged_bytes, damaged_zip, zip_bytes
from .base import Kind, Use


def world() -> dict[str, bytes]:
    """Files of a drive of two frames with calibration and a scan, under their names in KITTI's archives."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_calibration(root)
        for frame in (1, 2):
            write_image(root, frame)
            write_scan(root, frame, [(5.0, 0.0, 0.0, 0.0), (10.0, 1.0, 0.5, 0.0)])
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def use_zip(folder: Path) -> Use:
    """One archive that has a drive and its calibration; everything it leaves lies in the pack."""
    zips, pack = folder / "zips", folder / "pack"
    zips.mkdir(exist_ok=True)

    def use(data: bytes) -> None:
        for name in (f"{DRIVE.split('/')[1]}.zip", f"{DAY}_calib.zip"):
            (zips / name).write_bytes(data)
        shutil.rmtree(pack, ignore_errors=True)
        origin = Origin(KITTI_RAW, str(zips))
        copy_calibration(origin, pack, DRIVE)
        job = Job(
            origin=origin,
            root=pack,
            index=PackIndex("kitti", 32, 64),
            folder=DRIVE,
            done=Drive(),
            frames=(("l", 1), ("l", 2)),
            scans=(1, 2),
            pictures=(),
            skip_missing=False,
        )
        pack_drive(job, lambda: None)

    return use


def use_scan_zip(folder: Path) -> Use:
    archive = folder / SCANS_ARCHIVE

    def use(data: bytes) -> None:
        archive.write_bytes(data)
        for frame in (1, 2):
            scan = PackedScan(archive, scan_name(frame))
            scan.is_file()
            load_scan(scan)

    return use


def content(whole: bytes) -> st.SearchStrategy[bytes]:
    return damaged_bytes([whole or b"\0"], 3)


@st.composite
def bombs(draw: Callable, members: dict[str, bytes]) -> bytes:
    """A member of 300 MB in half a megabyte."""
    name = draw(st.sampled_from(sorted(members)))
    return BOMBS.setdefault(name, zip_bytes({**members, name: bytes(300_000_000)}))


def not_utf8(archive: bytes) -> bytes:
    """A member's name flagged as UTF-8 that is none."""
    data = bytearray(archive)
    at = data.rindex(b"PK\x01\x02")
    data[at + 8 : at + 10] = b"\x00\x08"
    data[at + 46] = 0xFF
    return bytes(data)


BOMBS: dict[str, bytes] = {}
MEMBERS = world()
SCANS = {name.removeprefix(f"{DRIVE}/"): data for name, data in MEMBERS.items() if "velodyne_points" in name}
WHOLE, WHOLE_SCANS = zip_bytes(MEMBERS), zip_bytes(SCANS)
ODD = st.sampled_from((not_utf8(WHOLE), zip_bytes({}), b"", io.BytesIO().getvalue()))
ZIPS = Kind("zips", [WHOLE], st.one_of(*[damaged_zip(MEMBERS, content)] * 8, damaged_bytes([WHOLE]), ODD), use_zip)
SCAN_ZIPS = Kind("zips of scans", [WHOLE_SCANS], st.one_of(
    damaged_zip(SCANS, content), damaged_bytes([WHOLE_SCANS], 3)), use_scan_zip)  # fmt: skip
