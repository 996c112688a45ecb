"""A real drive as KITTI ships it, splits over it, and `litemono.prepare` run on them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from litemono import prepare

DAY = "2011_09_26"
DRIVE = f"{DAY}/{DAY}_drive_9001_sync"
DRIVE_ZIP = f"{DAY}_drive_9001_sync.zip"
CALIB_ZIP = f"{DAY}_calib.zip"


def write_split(folder: Path, train: Iterable[int], val: Iterable[int] = (), test: Iterable[int] = ()) -> Path:
    """A split folder with the left frames of the drive."""
    folder.mkdir(parents=True, exist_ok=True)
    for which, frames in (("train", train), ("val", val), ("test", test)):
        lines = [f"{DRIVE} {frame} l\n" for frame in frames]
        if lines:
            (folder / f"{which}_files.txt").write_text("".join(lines))
    return folder


def small_split(folder: Path) -> Path:
    """Frames 3 to 9 and 15 to 17 of the drive: a few for each purpose, with scans for 8 and 16."""
    return write_split(folder, train=(4, 5, 7), val=(8,), test=(15, 16, 17))


def zip_drive(source: Path, target: Path, frames: Iterable[int] = range(40), drive: str = DRIVE) -> Path:
    """The sample in `source` as KITTI's two archives in `target`; returns the drive's."""
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{drive.rsplit('/', 1)[-1]}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for frame in frames:
            for name in (f"image_02/data/{frame:010d}.png", f"velodyne_points/data/{frame:010d}.bin"):
                if (source / DRIVE / name).is_file():
                    file.write(source / DRIVE / name, f"{drive}/{name}", compress_type=zipfile.ZIP_STORED)
    with zipfile.ZipFile(target / CALIB_ZIP, "w") as file:
        for text in sorted((source / DAY).glob("calib*.txt")):
            file.write(text, f"{DAY}/{text.name}")
    return path


def run_prepare(capfd: pytest.CaptureFixture, *args: object) -> subprocess.CompletedProcess:
    """`python -m litemono.prepare ARGS` in this process, which saves the seconds of starting one."""
    capfd.readouterr()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["litemono.prepare", *map(str, args)])
        prepare.main()
    output = capfd.readouterr()
    return subprocess.CompletedProcess(args, end.value.code or 0, output.out, output.err)


def pack_command(capfd: pytest.CaptureFixture, folder: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Runs pack at 160x96, of the small split unless another is given, into FOLDER/pack; returns the finished process."""

    def run(source: object, output: object = folder / "pack", *more: object, split: Path | None = None):
        split = split or small_split(folder / "split")
        flags = ["--from", source, "--output", output, "--split", split, "--size", "160x96"]
        return run_prepare(capfd, "pack", *flags, *more)

    return run


def content(folder: Path) -> dict[str, bytes]:
    """Of all its files, by path."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def assert_fails(process: subprocess.CompletedProcess, *words: str) -> None:
    """One message with these words, exit code 2, and no traceback."""
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    for word in words:
        assert word in process.stderr


def wait_for_copy(store: object) -> None:
    """Until --stage has copied every part of the pack, or given it up."""
    thread = store._staging._thread
    thread.join(60)
    assert not thread.is_alive(), "copying takes more than a minute"
