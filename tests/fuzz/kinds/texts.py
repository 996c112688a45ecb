"""Texts: cameras, lists of frames, KITTI's calibration, and what Slurm and jobs print."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

from hypothesis import strategies as st
from tiny_kitti import DRIVE, write_calibration, write_image, write_scan

from litemono.data.datasets.frames import FRAMES
from litemono.data.intrinsics import normalised_intrinsics
from litemono.data.kitti.calibration import raw_camera
from litemono.data.kitti.velodyne import velodyne_depth
from litemono.data.missing_frames import find_missing
from litemono.data.packing.requirements import SplitConfig, wanted_by
from litemono.data.splits import SplitLine, read_split
from litemono.data.stores.folder import FolderStore, open_store
from litemono.jobs import slurm
from litemono.jobs.follow_log import Tail
from litemono.prepare import VerifyConfig, verify

from ..mutations import damaged_bytes, damaged_text
from .base import Kind, Use
from .pictures import PNGS

CAMERAS = ["20 20 12 8", "20.5, 21, 11.5, 8.25\n", "2e1 2e1 12 8\n\n"]
LISTS = [
    "".join(f"{DRIVE} {frame} l\n" for frame in range(1, 4)),
    f"{DRIVE} 0000000002 l\n\n{DRIVE} 3 l\n",
    f"{DRIVE} 2\n{DRIVE} 3\n",
]
QUEUE = "12|12|RUNNING|n1|None|1:00:00|2-00:00:00\n13_4|14|PENDING||Resources|INVALID|UNLIMITED\n"
HISTORY = "12|12|COMPLETED|n1|01:00:00\n13_4|14|CANCELLED by 0|None assigned|Partition_Limit\n"
JOB = "JobId=12 JobName=a b UserId=u(1) JobState=RUNNING Reason=None TimeLimit=1-00:00:00 StdOut=/x/y z.log\n"
LOG = "run: lite-mono-tiny 96x64; starts\nepoch 1/2  step 1/6  loss 0.1414\n\x1b[Kvalidation  loss 0.1\n"


def use_camera(folder: Path) -> Use:
    """A video's intrinsics.txt."""
    (folder / "000001.png").write_bytes(PNGS[0])

    def use(data: bytes) -> None:
        (folder / "intrinsics.txt").write_bytes(data)
        FRAMES.has_cameras(folder)
        normalised_intrinsics("published", FolderStore(FRAMES, folder, False), SplitLine(".", 1, "l"))

    return use


def use_list(folder: Path) -> Use:
    """A split as training, verify and pack read it."""
    for frame in range(5):
        write_image(folder / "data", frame)
    (folder / "split").mkdir(exist_ok=True)
    path = folder / "split" / "train_files.txt"
    config = SplitConfig(split=str(folder / "split"), test_split="none")

    def use(data: bytes) -> None:
        path.write_bytes(data)
        lines = read_split(path)
        find_missing(open_store("kitti", folder / "data", True, 32, 64), lines, (0, -1, 1), False)
        wanted_by(config)
        verify(VerifyConfig(data_path=folder / "data", frames=config, num_workers=1))

    return use


def use_calibration(folder: Path) -> Use:
    """Both files in turn; by the first byte it is decided which of them is the damaged one."""
    write_calibration(folder)
    day = folder / DRIVE.split("/")[0]
    wholes = {name: (day / name).read_bytes() for name in ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt")}
    scan = write_scan(folder, 1, [(5.0, 0.0, 0.0, 0.0), (10.0, 1.0, 0.5, 0.0)])

    def use(data: bytes) -> None:
        damaged = "calib_velo_to_cam.txt" if b"calib_time" in data else "calib_cam_to_cam.txt"
        for name, whole in wholes.items():
            (day / name).write_bytes(data if name == damaged else whole)
        for side in "lr":
            raw_camera(folder, DRIVE, side)
        velodyne_depth(day, scan)

    return use


def calibration_texts() -> list[str]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_calibration(Path(folder))
        return [path.read_text() for path in sorted(Path(folder).rglob("*.txt"))]


def use_job_output(folder: Path) -> Use:
    """What squeue, sacct and scontrol print, and a job's log."""
    log = folder / "log.txt"

    def use(data: bytes) -> None:
        text = data.decode(errors="replace")
        with (
            mock.patch.object(slurm, "call", lambda *_, **__: text),
            mock.patch.object(slurm.shutil, "which", lambda _: "x"),
        ):
            slurm.queue()
            slurm.history(["12"])
            slurm.job_now("12")
        log.write_bytes(data)
        with Tail(log) as tail:
            tail.show()

    return use


def damaged(texts: list[str]) -> st.SearchStrategy[bytes]:
    return st.one_of(damaged_text(texts), damaged_text(texts), damaged_bytes([text.encode() for text in texts]))


CALIBRATION_TEXTS = calibration_texts()
INTRINSICS = Kind("intrinsics.txt", [text.encode() for text in CAMERAS], damaged(CAMERAS), use_camera)
SPLIT_LISTS = Kind("split lists", [text.encode() for text in LISTS], damaged(LISTS), use_list)
CALIBRATION = Kind("KITTI calib", [t.encode() for t in CALIBRATION_TEXTS], damaged(CALIBRATION_TEXTS), use_calibration)
JOB_OUTPUT = Kind("job output", [t.encode() for t in (QUEUE, LOG)], damaged([QUEUE, HISTORY, JOB, LOG]), use_job_output)
