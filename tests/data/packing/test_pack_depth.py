"""`pack` with depth: the same numbers as in the files, from folders and zips, checked by `verify`, continued after a kill."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from packing_helpers import assert_fails, run_prepare
from PIL import Image

from litemono.data.depth_data import open_depth_data
from litemono.data.depth_settings import DepthDataConfig
from litemono.data.stores.folder import open_originals
from litemono.synthetic.writer import write_world

SIZE = (32, 64)
DEPTH = "2000_01_01/2000_01_01_drive_0001_sync/proj_depth/groundtruth/image_02/0000000002.png"


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A street whose frame 2 of the first drive has no depth."""
    folder = tmp_path_factory.mktemp("pack_depth") / "world"
    write_world(folder, height=48, width=96, drives=3, frames_per_drive=4, seed=0, num_workers=1, left_only=True)
    (folder / DEPTH).unlink()
    return folder


def pack(capfd, source: Path, output: Path, world: Path, *more: object):
    return run_prepare(capfd, "pack", "--dataset", "street", "--from", source, "--split", world / "street",
                       "--output", output, "--size", "64x32", "--num_workers", 1, *more)  # fmt: skip


def verify(capfd, data: Path, world: Path, *more: object):
    return run_prepare(
        capfd, "verify", "--dataset", "street", "--data_path", data, "--split", world / "street", "--png", *more
    )


@pytest.fixture
def packed(world, tmp_path, capfd) -> Path:
    done = pack(capfd, world, tmp_path / "pack", world)
    assert done.returncode == 0, done.stderr
    assert "depth of 5 of 6" in done.stdout
    return tmp_path / "pack"


def batches(data: Path, which: str):
    config = DepthDataConfig(dataset="street", data_path=data, split=str(data_split(data)), png=True)
    samples = open_depth_data(config, which, "metres", SIZE, seed=0)
    return samples.lines, samples.batch([(0, n) for n in range(len(samples))])


def data_split(data: Path) -> Path:
    return next(path for path in (data / "street", *data.parents[0].glob("world/street")) if path.is_dir())


@pytest.mark.parametrize("which", ["train", "val"])
def test_a_pack_gives_the_numbers_of_the_folder(world, packed, which):
    shutil.copytree(world / "street", packed / "street")
    (lines, folder), (packed_lines, pack) = batches(world, which), batches(packed, which)
    assert lines == packed_lines
    assert all(a.equal(b) for a, b in zip(folder, pack, strict=True)), "image, depth and depth at its original size"


def test_depth_that_lies_elsewhere_than_the_drives_is_packed_from_a_folder(world, tmp_path, capfd):
    refused = pack(capfd, "http://127.0.0.1:9/", tmp_path / "pack", world)
    assert_fails(refused, "does not lie below this address; fetch it and the drives into a folder, and give that")
    assert not (tmp_path / "pack").exists()
    assert pack(capfd, world, tmp_path / "pack", world).returncode == 0


def test_archives_give_the_same_pack_as_folders(world, packed, tmp_path, capfd):
    """KITTI's archives: one for each drive, one for a day's calibration, one with the depth of all."""
    zips = tmp_path / "zips"
    zips.mkdir()
    day = world / "2000_01_01"
    with zipfile.ZipFile(zips / "2000_01_01_calib.zip", "w") as archive:
        for text in day.glob("calib*.txt"):
            archive.write(text, f"2000_01_01/{text.name}")
    with zipfile.ZipFile(zips / "data_depth_annotated.zip", "w") as annotated:
        for drive in sorted(path for path in day.iterdir() if path.is_dir()):
            with zipfile.ZipFile(zips / f"{drive.name}.zip", "w") as archive:
                for path in sorted(drive.rglob("*.*")):
                    name = path.relative_to(world)
                    if "proj_depth" in name.parts:
                        annotated.write(path, f"train/{path.relative_to(day)}")
                    else:
                        archive.write(path, name)
    done = pack(capfd, zips, tmp_path / "of_zips", world)
    assert done.returncode == 0, done.stderr
    for path in (path for path in packed.rglob("*.bin")):
        assert path.read_bytes() == (tmp_path / "of_zips" / path.relative_to(packed)).read_bytes()
    (zips / "data_depth_annotated.zip").rename(tmp_path / "depth.zip")
    assert_fails(
        pack(capfd, zips, tmp_path / "without", world),
        "has no depth for any of 6 frames",
        "put data_depth_annotated.zip",
    )
    assert not (tmp_path / "without").exists(), "refused before anything is written"
    (tmp_path / "depth.zip").rename(zips / "data_depth_annotated.zip")
    assert "depth of 5 of 6" in pack(capfd, zips, tmp_path / "without", world).stdout


def test_verify_counts_depth_and_finds_a_changed_byte(world, packed, capfd):
    done = verify(capfd, packed, world)
    assert done.returncode == 0 and "5 of 6 frames have depth" in done.stdout, done.stdout
    path = next(packed.rglob("image_02.depth.bin"))
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    done = verify(capfd, packed, world)
    assert (
        done.returncode == 1
        and "1 damaged" in done.stdout
        and "is damaged; delete this file and pack again" in done.stdout
    )


def test_verify_of_a_folder_names_depth_of_another_size(world, tmp_path, capfd):
    copy = Path(shutil.copytree(world, tmp_path / "world"))
    path = copy / DEPTH.replace("0000000002", "0000000001")
    Image.fromarray(np.ones((20, 96), np.uint16)).save(path)
    done = verify(capfd, copy, world)
    assert done.returncode == 1 and f"{path}: 96x20 pixels, its image has 96x48" in done.stdout
    assert_fails(pack(capfd, copy, tmp_path / "pack", world), "96x20 pixels, its image has 96x48")


def test_the_same_command_packs_again_what_is_damaged_and_adds_what_is_new(world, packed, tmp_path, capfd):
    before = {path: path.read_bytes() for path in packed.rglob("*.bin")}
    cut = next(packed.rglob("image_02.depth.bin"))
    cut.write_bytes(before[cut][:-1])
    with pytest.raises(Exception, match="the pack is damaged"):
        open_originals("street", packed, True)
    assert pack(capfd, world, packed, world).returncode == 0
    assert {path: path.read_bytes() for path in packed.rglob("*.bin")} == before


def test_a_mask_of_8_bits_for_depth_in_metres_is_refused(world, tmp_path, capfd):
    copy = Path(shutil.copytree(world, tmp_path / "world"))
    path = copy / DEPTH.replace("0000000002", "0000000001")
    Image.fromarray(np.ones((48, 96), np.uint8)).save(path)
    assert_fails(pack(capfd, copy, tmp_path / "pack", world), "not a 16-bit depth picture (it has 8 bits)")
    assert not list((tmp_path / "pack").rglob("*drive_0001_sync/*.bin")), "nothing half-written"


def test_a_pack_of_kb_crops_has_the_published_window(world, tmp_path, capfd):
    world = Path(shutil.copytree(world, tmp_path / "world"))
    for path in world.glob("*/*/*/**/*.png"):
        with Image.open(path) as image:
            large = image.resize((1220, 360), Image.Resampling.NEAREST)
        large.save(path)
    done = run_prepare(capfd, "pack", "--dataset", "street", "--from", world, "--split", world / "street",
                       "--output", tmp_path / "pack", "--fit", "kb_crop")  # fmt: skip
    assert done.returncode == 0, done.stderr
    config = DepthDataConfig(dataset="street", split=str(world / "street"), png=True, fit="kb_crop")
    of = []
    for root in (world, tmp_path / "pack"):
        samples = open_depth_data(
            DepthDataConfig(**{**vars(config), "data_path": root}), "train", "metres", (352, 704), seed=0
        )
        of.append(samples.batch([(0, 0)]))
    assert of[0].image.shape[-2:] == (352, 1216) and of[0].image.equal(of[1].image) and of[0].target.equal(of[1].target)
    with pytest.raises(Exception, match="packed with --fit kb_crop, not stretch"):
        open_depth_data(DepthDataConfig(dataset="street", split=str(world / "street"), data_path=tmp_path / "pack"),
                        "train", "metres", (192, 640), seed=0)  # fmt: skip
