"""The loader benchmark runs on real and rendered frames; and a pack of full size is opened and shuffled with flat memory."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import torch_threads
from packing_helpers import DRIVE

from benchmarks import depth_loader, loader, profile_data
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.loader import Loader
from litemono.data.sampler import EpochBatches
from litemono.data.splits import SplitLine
from litemono.data.stores import packed_index
from litemono.data.stores.folder import open_store
from litemono.data.triplets import TripletDataset


@pytest.fixture
def run(monkeypatch, capfd):
    """A benchmark's main() with ARGS in this process, on little data; returns (exit status, text)."""
    monkeypatch.setattr(loader, "PACKED_FRAMES", 40)
    monkeypatch.setattr(depth_loader, "PACKED_FRAMES", 10)
    monkeypatch.setattr(depth_loader, "STEPS", 3)
    monkeypatch.setattr(profile_data, "SECONDS", 0.0)

    def run(benchmark: ModuleType, *args: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["benchmark", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            benchmark.main()
        output = capfd.readouterr()
        return end.value.code or 0, output.out + output.err

    with torch_threads(1):
        yield run


def test_the_pipelines_are_timed_on_the_same_frames(run, kitti_sample, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for frame in range(5):
        (images / f"{frame}.png").symlink_to(kitti_sample / DRIVE / f"image_02/data/{frame:010d}.png")
    status, text = run(
        loader, "--images", images, "--height", 96, "--width", 320, "--samples", 12, "--json", tmp_path / "result.json"
    )
    assert status == 0, text
    report = json.loads((tmp_path / "result.json").read_text())
    published, *folders, pack = report["pipelines"]
    assert [r["name"] for r in report["pipelines"]] == ["published kind", *(name for name, *_ in loader.PIPELINES)]
    assert published["ratio"] == 1
    assert set(published["stages_ms"]) == {"read", "decode", "resize", "jitter", "convert", "collate"}
    assert all(set(r["stages_ms"]) - {"resize"} == {"read", "decode", "copy", "collate"} for r in folders)
    assert set(pack["stages_ms"]) == {"copy", "collate"}
    of_folder, of_pack = report["with_depth"]
    assert of_folder["ratio"] == 1 and of_pack["ratio"] == of_folder["cpu_ms"] / of_pack["cpu_ms"]
    assert set(of_pack["waited"]) == {"100", "300"} and all(0 <= share < 1 for share in of_pack["waited"].values())
    assert all(report["packed_clock_ms"][name] > 0 for name in ("warm", "cold"))
    assert all(name in text for name in ("published kind", "packed", "packed with depth"))


@pytest.mark.parametrize("what", ["folder", "pack"])
def test_a_profile_names_the_limit_of_ones_own_data(run, kitti_sample, tmp_path, what):
    (tmp_path / "train_files.txt").write_text("".join(f"{DRIVE} {frame} l\n" for frame in range(1, 9)))
    if what == "pack":
        store = open_store("kitti", kitti_sample, True, 32, 96)
        write_pack(tmp_path / "data", [store.read(DRIVE, frame, "l") for frame in range(10)])
    data = {"folder": [kitti_sample, "--png"], "pack": [tmp_path / "data"]}[what]
    flags = ["--split", tmp_path, "--height", 32, "--width", 96, "--batch_size", 2, "--model", "lite-mono-tiny"]
    status, text = run(
        profile_data, "--data_path", *data, *flags, "--device", "cpu", "--json", tmp_path / "result.json"
    )
    assert status == 0, text
    report = json.loads((tmp_path / "result.json").read_text())
    assert report["packed"] == (what == "pack")
    rates = report["samples_per_s"]
    assert report["limit"] == min(rates, key=rates.get) and all(rate > 0 for rate in rates.values())
    assert "<- the limit" in text and "samples/s" in text


def write_pack(root: Path, frames: list[np.ndarray]) -> None:
    path = packed_index.frames_file(root, KITTI_RAW, DRIVE, "l")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(frame.transpose(2, 0, 1).tobytes() for frame in frames))
    height, width = frames[0].shape[:2]
    camera = packed_index.Camera((375, 1242), list(range(len(frames))), [0] * len(frames))
    packed_index.write_index(
        root, packed_index.PackIndex("kitti", height, width, {DRIVE: packed_index.Drive({"l": camera})})
    )


def test_too_few_images_are_told(run, tmp_path):
    status, text = run(loader, "--images", tmp_path)
    assert status == 2 and "at least 5" in text


# ---------------------------------------------------------------- a pack of full size


def resident_mb() -> float:
    """Memory that this process occupies, pages of files included."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise AssertionError


def test_a_pack_of_all_of_kitti_is_opened_and_shuffled_with_flat_memory(tmp_path):
    """44,562 frames of 640x192 in 122 files, as the Zhou split needs them; the files are sparse, so no disk is used."""
    drives, total = 61, 44_562
    index = packed_index.PackIndex("kitti", 192, 640)
    lines = []
    for number in range(drives):
        folder = f"2011_09_26/2011_09_26_drive_{number:04d}_sync"
        cameras = {}
        for camera, side in enumerate("lr"):
            count = len(range(2 * number + camera, total, 2 * drives))
            path = packed_index.frames_file(tmp_path, KITTI_RAW, folder, side)
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "wb") as file:
                file.truncate(count * index.frame_bytes)
            cameras[side] = packed_index.Camera((375, 1242), list(range(count)), [0] * count)
            lines += [SplitLine(folder, frame, side) for frame in range(1, count - 1)]
        index.drives[folder] = packed_index.Drive(cameras)
    packed_index.write_index(tmp_path, index)
    assert sum(len(c.frames) for d in index.drives.values() for c in d.cameras.values()) == total

    store = open_store("kitti", tmp_path, False, 192, 640)
    settings = {"frame_ids": (0, -1, 1), "use_stereo": False, "intrinsics": "published", "color_jitter": "per_image"}
    dataset = TripletDataset(store, lines, **settings, seed=0, training=True)
    loaded = iter(Loader(dataset, EpochBatches(len(dataset), 12, seed=0), num_workers=2, device="cpu"))
    for _ in range(30):
        next(loaded)
    before = resident_mb()
    drives_seen = set()
    for _ in range(100):  # 1200 samples, 1.3 GB of frames
        drives_seen |= {dataset.lines[i].folder for i in next(loaded).line.tolist()}
    assert len(drives_seen) == drives
    # A dozen batches of 13 MB may wait at any moment; a store that keeps what it reads would have grown by 1300 MB.
    assert resident_mb() - before < 200
    loaded.close()
