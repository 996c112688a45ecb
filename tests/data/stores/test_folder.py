"""Frames as image files."""

from __future__ import annotations

import errno
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.kitti.calibration import read_calibration
from litemono.data.kitti.velodyne import load_scan
from litemono.data.splits import read_split
from litemono.data.stores.folder import open_originals, open_store, resized
from litemono.data.stores.packed_index import read_index
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def write_frame(root: Path, frame: int, folder: str = DRIVE, side: str = "l", ext: str = ".jpg") -> Path:
    path = KITTI_RAW.frame_path(root, folder, frame, side, ext)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(frame).integers(0, 256, (37, 124, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_frame_read_from_disk_is_the_published_resize(parity):
    golden = json.loads((parity / "data_loading.json").read_text())["items"]["stereo_l"]["crc32_uint8"]
    store = open_store("kitti", parity / "mini_kitti", True, 192, 640)
    for side, frame in (("l", "0"), ("r", "'s'")):
        pixels = store.read(DRIVE, 5, side)
        assert (pixels.shape, pixels.dtype) == ((192, 640, 3), np.uint8)
        assert zlib.crc32(pixels.transpose(2, 0, 1).tobytes()) == golden[f"('color', {frame}, 0)"]
    assert store.native_size(DRIVE, 5, "l") == (375, 1242)


def test_grey_and_palette_and_alpha_images_become_rgb(tmp_path):
    for n, mode in enumerate(["L", "P", "RGBA", "1"]):
        Image.new(mode, (64, 32)).save(tmp_path / f"{n}.png")
    store = open_store("frames", tmp_path, False, 32, 64)
    assert all(store.read(".", n, "l").shape == (32, 64, 3) for n in range(4))


def test_a_data_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="--data_path .*nowhere: there is no such folder"):
        open_store("kitti", tmp_path / "nowhere", False, 192, 640)


@pytest.mark.parametrize("png", [True, False])
def test_png_and_jpg_in_any_mixture_and_case_are_read(tmp_path, png):
    extensions = (".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
    for frame, extension in enumerate(extensions):
        write_frame(tmp_path, frame, ext=extension)
    store = open_store("kitti", tmp_path, png, 32, 64)
    assert [store.path(DRIVE, frame, "l").suffix for frame in range(6)] == list(extensions)
    assert all(store.has(DRIVE, frame, "l") and store.read(DRIVE, frame, "l").any() for frame in range(6))
    with pytest.raises(UserError, match=r"no .*0000000006\.(png or \.jpg|jpg or \.png)"):
        store.read(DRIVE, 6, "l")


@pytest.mark.parametrize("png", [True, False])
def test_of_two_kinds_of_one_frame_png_chooses(tmp_path, png):
    for extension in (".png", ".jpg"):
        write_frame(tmp_path, 0, ext=extension)
    assert open_store("kitti", tmp_path, png, 32, 64).path(DRIVE, 0, "l").suffix == (".png" if png else ".jpg")


@pytest.mark.parametrize("ext, png", [(".jpg", False), (".png", True)])
@pytest.mark.parametrize("damage", ["half", "three bytes short", "text", "empty"])
def test_a_damaged_image_is_named_with_the_archive_to_extract_again(tmp_path, ext, png, damage):
    path = write_frame(tmp_path, 5, ext=ext)
    data = path.read_bytes()
    broken = {"half": data[: len(data) // 2], "three bytes short": data[:-30], "text": b"404 not found", "empty": b""}
    path.write_bytes(broken[damage])
    store = open_store("kitti", tmp_path, png, 32, 64)
    with pytest.raises(UserError, match=rf"0000000005\{ext}: not a complete image .*2011_09_26_drive_0001_sync\.zip"):
        store.read(DRIVE, 5, "l")


def test_a_file_server_that_stumbles_is_not_taken_for_a_damaged_image(tmp_path, monkeypatch):
    """A job that ends with a UserError is not tried again; one that ends so is."""
    write_frame(tmp_path, 0)
    store = open_store("kitti", tmp_path, False, 32, 64)

    def stale(*_):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr("litemono.data.stores.folder.Image.open", stale)
    with pytest.raises(OSError, match="Stale file handle"):
        store.read(DRIVE, 0, "l")


@pytest.mark.parametrize("what", ["folder", "split", "calibration", "scan", "index"])
def test_nor_for_data_that_is_not_there(tmp_path, monkeypatch, what):
    def stale(*_, **__):
        raise OSError(errno.ESTALE, "Stale file handle")

    for name in ("train_files.txt", "calib_cam_to_cam.txt", "0000000000.bin"):
        (tmp_path / name).touch()
    for place in ("os.listdir", "pathlib.Path.read_text", "pathlib.Path.read_bytes"):
        monkeypatch.setattr(place, stale)
    ask = {
        "folder": lambda: open_store("kitti", tmp_path, False, 32, 64).has(DRIVE, 0, "l"),
        "split": lambda: read_split(tmp_path / "train_files.txt"),
        "calibration": lambda: read_calibration(tmp_path / "calib_cam_to_cam.txt"),
        "scan": lambda: load_scan(tmp_path / "0000000000.bin"),
        "index": lambda: read_index(tmp_path),
    }
    with pytest.raises(OSError, match="Stale file handle"):
        ask[what]()


def test_a_directory_in_place_of_an_image_is_named(tmp_path):
    write_frame(tmp_path, 5).with_name("0000000006.jpg").mkdir()
    with pytest.raises(UserError, match=r"0000000006\.jpg"):
        open_store("kitti", tmp_path, False, 32, 64).read(DRIVE, 6, "l")


def test_originals_are_handed_out_as_they_are_and_resized_after_the_store(parity):
    originals = open_originals("kitti", parity / "mini_kitti", png=True)
    sized = open_store("kitti", parity / "mini_kitti", True, 192, 640)
    original = originals.read(DRIVE, 5, "l")
    with Image.open(originals.path(DRIVE, 5, "l")) as image:
        np.testing.assert_array_equal(original, np.asarray(image))
    np.testing.assert_array_equal(sized.read(DRIVE, 5, "l"), resized(Image.fromarray(original), 192, 640))
