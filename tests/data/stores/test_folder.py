"""Frame stores and folders of video frames."""

from __future__ import annotations

import errno
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litemono.data import kitti
from litemono.data.kitti import SplitLine
from litemono.data.stores import video
from litemono.data.stores.folder import open_store
from litemono.data.stores.packed import read_index
from litemono.utils.errors import UserError

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"


def write_frame(root: Path, frame: int, folder: str = DRIVE, side: str = "l", ext: str = ".jpg") -> Path:
    path = kitti.frame_path(root, "kitti", folder, frame, side, ext)
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


@pytest.mark.parametrize(
    "there, png, hint", [(".png", False, "a .png: add --png"), (".jpg", True, "a .jpg: leave out --png")]
)
def test_the_wrong_extension_is_recognised(tmp_path, there, png, hint):
    write_frame(tmp_path, 5, ext=there)
    store = open_store("kitti", tmp_path, png, 32, 64)
    assert not store.has(DRIVE, 5, "l")
    with pytest.raises(UserError, match=hint):
        store.read(DRIVE, 5, "l")


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

    for place in ("os.listdir", "pathlib.Path.read_text", "pathlib.Path.read_bytes"):
        monkeypatch.setattr(place, stale)
    ask = {
        "folder": lambda: open_store("kitti", tmp_path, False, 32, 64).has(DRIVE, 0, "l"),
        "split": lambda: kitti.read_split(tmp_path / "train_files.txt"),
        "calibration": lambda: kitti.read_calibration(tmp_path / "calib_cam_to_cam.txt"),
        "scan": lambda: kitti.load_scan(tmp_path / "0000000000.bin"),
        "index": lambda: read_index(tmp_path),
    }
    with pytest.raises(OSError, match="Stale file handle"):
        ask[what]()


def test_a_directory_in_place_of_an_image_is_named(tmp_path):
    write_frame(tmp_path, 5).with_name("0000000006.jpg").mkdir()
    with pytest.raises(UserError, match=r"0000000006\.jpg"):
        open_store("kitti", tmp_path, False, 32, 64).read(DRIVE, 6, "l")


# ---------------------------------------------------------------- folders of video frames


def write_video(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (64, 32), (sum(name.encode()) % 256, 0, 0)).save(folder / name)


def test_videos_are_subfolders_or_the_root_in_natural_order(tmp_path):
    write_video(tmp_path, ["b.png", "a.jpg"])
    write_video(tmp_path / "clip 2", [f"frame_{n}.png" for n in (10, 9, 1)])
    write_video(tmp_path / "clip 10", ["x.JPG"])
    write_video(tmp_path / "clip 10" / "deeper", ["ignored.png"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "clip 2" / "notes.txt").write_text("no image")
    assert video.list_videos(tmp_path) == {
        ".": ["a.jpg", "b.png"],
        "clip 2": ["frame_1.png", "frame_9.png", "frame_10.png"],
        "clip 10": ["x.JPG"],
    }
    assert list(video.list_videos(tmp_path)) == [".", "clip 2", "clip 10"]


def test_video_frames_are_numbered_by_their_place(tmp_path):
    write_video(tmp_path / "clip", ["7.png", "30.png", "8.png"])
    store = open_store("frames", tmp_path, False, 32, 64)
    assert [store.read("clip", n, "l")[0, 0, 0] for n in range(3)] == [
        sum(f"{n}.png".encode()) % 256 for n in (7, 8, 30)
    ]
    assert [store.has("clip", n, "l") for n in (-1, 0, 2, 3)] == [False, True, True, False]
    assert not store.has("other", 0, "l")


def test_a_video_frame_beyond_the_end_or_of_a_second_camera_is_explained(tmp_path):
    write_video(tmp_path / "clip", ["0.png", "1.png"])
    store = open_store("frames", tmp_path, False, 32, 64)
    for frame, side, message in ((2, "l", "has frames 0 to 1"), (0, "r", "one camera"), (-1, "l", "has frames 0 to 1")):
        with pytest.raises(UserError, match=message):
            store.read("clip", frame, side)
    with pytest.raises(UserError, match="no images in"):
        store.read("other", 0, "l")


def test_a_folder_without_images_says_what_is_wanted(tmp_path):
    with pytest.raises(UserError, match="no images .*one folder for each video"):
        open_store("frames", tmp_path, False, 32, 64)


def test_frames_need_the_users_own_intrinsics(tmp_path):
    write_video(tmp_path, ["0.png"])
    store, line = open_store("frames", tmp_path, False, 32, 64), SplitLine(".", 0, "l")
    for choice in ("published", "calib"):
        with pytest.raises(UserError, match="--dataset frames needs the camera as --intrinsics fx,fy,cx,cy"):
            kitti.normalised_intrinsics(choice, store, line)
    assert kitti.normalised_intrinsics("32,32,32,16", store, line) == (0.5, 1.0, 0.5, 0.5)


@pytest.mark.parametrize("frame_ids", [(0, -1, 1), (0, -2, -1, 1), (0, 1), (0,)])
@pytest.mark.parametrize("length", [3, 6, 7, 8, 9, 40, 137])
def test_the_last_tenth_of_a_video_validates_and_shares_no_image_with_training(frame_ids, length):
    video = {"clip": [str(n) for n in range(length)], "long": [str(n) for n in range(50)]}
    parts = {}
    for which in ("train", "val"):
        lines = video.split_videos(video, which, frame_ids)
        assert {line.folder for line in lines if line.folder == "long"}  # the long video is in both parts
        parts[which] = {line.frame + i for line in lines for i in frame_ids if line.folder == "clip"}
        assert parts[which] <= set(range(length))
    assert parts["train"] or length < 1 + max(frame_ids) - min(frame_ids), "even a short video trains"
    if parts["val"]:
        assert max(parts["val"]) == length - 1 - (max(frame_ids) < 0)
        assert min(parts["val"]) - max(parts["train"]) >= 2, "one frame between the parts is in neither"
    else:
        assert length < 2 * (1 + max(frame_ids) - min(frame_ids)) + 1
    if length == 40 and frame_ids == (0, -1, 1):
        assert (min(parts["val"]), max(parts["train"])) == (36, 34)


def test_videos_too_short_to_validate_are_refused_with_the_length_needed():
    with pytest.raises(UserError, match="the longest video has 6 frames; .* needs 7"):
        video.split_videos({"clip": ["0"] * 6}, "val", (0, -1, 1))
