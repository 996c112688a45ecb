"""Folders of video frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from litemono.data.datasets.frames import FRAMES, list_videos, split_videos
from litemono.data.intrinsics import normalised_intrinsics
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store
from litemono.utils.errors import UserError


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
    assert list_videos(tmp_path) == {
        ".": ["a.jpg", "b.png"],
        "clip 2": ["frame_1.png", "frame_9.png", "frame_10.png"],
        "clip 10": ["x.JPG"],
    }
    assert list(list_videos(tmp_path)) == [".", "clip 2", "clip 10"]


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
            normalised_intrinsics(choice, store, line)
    assert normalised_intrinsics("32,32,32,16", store, line) == (0.5, 1.0, 0.5, 0.5)


@pytest.mark.parametrize("frame_ids", [(0, -1, 1), (0, -2, -1, 1), (0, 1), (0,)])
@pytest.mark.parametrize("length", [3, 6, 7, 8, 9, 40, 137])
def test_the_last_tenth_of_a_video_validates_and_shares_no_image_with_training(frame_ids, length):
    videos = {"clip": [str(n) for n in range(length)], "long": [str(n) for n in range(50)]}
    parts = {}
    for which in ("train", "val"):
        lines = split_videos(videos, which, frame_ids)
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
        split_videos({"clip": ["0"] * 6}, "val", (0, -1, 1))


def test_a_users_videos_have_no_archives():
    assert FRAMES.archives({"."}) == []
