"""Folders of video frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from litemono.data.datasets import registry
from litemono.data.datasets.frames import FRAMES, file_numbers, list_videos, split_videos
from litemono.data.intrinsics import normalised_intrinsics
from litemono.data.missing_frames import check_frames
from litemono.data.splits import SplitLine, sample_frames
from litemono.data.stores.folder import open_store
from litemono.data.triplets import TripletDataset
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


def test_a_frames_number_is_the_number_of_its_file(tmp_path):
    write_video(tmp_path / "clip", ["7.png", "30.png", "8.png"])
    store = open_store("frames", tmp_path, False, 32, 64)
    assert [store.read("clip", n, "l")[0, 0, 0] for n in (7, 8, 30)] == [
        sum(f"{n}.png".encode()) % 256 for n in (7, 8, 30)
    ]
    assert [store.has("clip", n, "l") for n in (-1, 0, 2, 7, 9, 30)] == [False, False, False, True, False, True]
    assert not store.has("other", 0, "l")


@pytest.mark.parametrize(
    "names, numbers",
    [
        (["frame_00001.png", "frame_00002.png", "frame_00010.png"], [1, 2, 10]),
        (["1.png", "4.jpg", "7.PNG"], [1, 4, 7]),
        (["v2_0005_640x480.jpg", "v2_0006_640x480.jpg"], [5, 6]),
        (["take3_5.jpg"], [5]),
        (["1403636579763555584.png", "1403636579813555456.png"], [1403636579763555584, 1403636579813555456]),
        (["a.png", "b.png"], None),
        (["a1.png", "b1.png"], None),
        (["1305031102.175304.png", "1305031103.075304.png"], None),
    ],
)
def test_the_number_is_the_one_that_counts_up_in_the_names(names, numbers):
    assert file_numbers(names) == numbers


def test_neighbours_are_the_images_before_and_after(tmp_path):
    write_video(tmp_path / "walk", [f"{n}.png" for n in range(1, 20, 3)])
    (tmp_path / "train_files.txt").write_text("walk 4 l\nwalk 7 l\nwalk 19 l\n")
    store = open_store("frames", tmp_path, False, 32, 64)
    lines, source = store.dataset.lines(tmp_path, str(tmp_path), "train", (0, -1, 1))
    with pytest.raises(UserError, match="1 of 3 samples.*\n.*beyond the video's ends: .*walk has frames 1 to 19, 7 im"):
        check_frames(store, lines, (0, -1, 1), False, False, source)
    kept = check_frames(store, lines, (0, -1, 1), False, True, source)
    named = [
        [store.path(*frame).name for frame in sample_frames(line, (0, -1, 1), False, store.neighbour)] for line in kept
    ]
    assert named == [["4.png", "1.png", "7.png"], ["7.png", "4.png", "10.png"]]
    auto, _ = store.dataset.lines(tmp_path, None, "train", (0, -1, 1))
    assert [line.frame for line in auto] == [4]


def test_a_list_of_a_video_whose_names_give_no_numbers_is_refused(tmp_path):
    write_video(tmp_path / "walk", ["a.png", "b.png", "c.png"])
    (tmp_path / "train_files.txt").write_text("walk 1 l\n")
    with pytest.raises(
        UserError, match=r"a frame's number is its file's.*first: a\.png.*000001\.jpg.*leave out --split"
    ):
        FRAMES.lines(tmp_path, str(tmp_path), "train", (0, -1, 1))
    assert open_store("frames", tmp_path, False, 32, 64).path("walk", 1, "l").name == "b.png"


def test_two_files_of_one_frame_are_refused(tmp_path):
    write_video(tmp_path / "walk", ["1.png", "1.jpg", "2.png"])
    with pytest.raises(UserError, match=r"walk: 1\.jpg and 1\.png are the same frame"):
        list_videos(tmp_path)


# ---------------------------------------------------------------- one camera for each video


def write_sizes(folder: Path, sizes: list[tuple[int, int]], orientation: int | None = None) -> None:
    """Images of these (width, height); the last one with this EXIF orientation."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, size in enumerate(sizes):
        note = Image.Exif()
        if orientation and n == len(sizes) - 1:
            note[0x0112] = orientation
        Image.new("RGB", size).save(folder / f"{n}.jpg", exif=note)


@pytest.mark.parametrize(
    "sizes, orientation",
    [([(96, 64)] * 3 + [(64, 96)], None), ([(96, 64)] * 3 + [(96, 66)], None), ([(96, 64)] * 4, 6)],
)
def test_images_of_several_sizes_or_turns_in_a_video_stop_the_run(tmp_path, sizes, orientation):
    write_sizes(tmp_path / "phone", sizes, orientation)
    store = open_store("frames", tmp_path, False, 32, 64)
    lines = [SplitLine("phone", n, "l") for n in range(4)]
    for skip_missing in (False, True):
        with pytest.raises(UserError, match="phone l: 3 of 96x64.*1 of .*intrinsics.txt"):
            check_frames(store, lines, (0,), False, skip_missing, "list")
    assert check_frames(store, lines[:3], (0,), False, False, "list") == lines[:3]
    write_sizes(tmp_path / "phone", [(96, 64)] * 4, 3)  # upside down is the same size
    assert check_frames(store, lines, (0,), False, False, "list") == lines


def test_each_video_may_state_its_own_camera(tmp_path):
    write_sizes(tmp_path / "wide", [(96, 64)])
    write_sizes(tmp_path / "tall", [(64, 96)])
    (tmp_path / "tall" / "intrinsics.txt").write_text("32, 48 16,24\n")
    store = open_store("frames", tmp_path, False, 32, 64)
    tall, wide = (SplitLine(folder, 0, "l") for folder in ("tall", "wide"))
    for choice in ("48,32,48,32", "published"):
        assert normalised_intrinsics(choice, store, tall) == (0.5, 0.5, 0.25, 0.25)
    assert normalised_intrinsics("48,32,48,32", store, wide) == (0.5, 0.5, 0.5, 0.5)
    with pytest.raises(UserError, match="intrinsics.txt"):
        normalised_intrinsics("published", store, wide)
    registry.check_flags("frames", "published", False, tmp_path)
    with pytest.raises(UserError, match="needs --intrinsics .*intrinsics.txt"):
        registry.check_flags("frames", "published", False, tmp_path / "wide")
    (tmp_path / "intrinsics.txt").write_text("24 32 48 32")  # for all without their own
    assert normalised_intrinsics("published", store, wide) == (0.25, 0.5, 0.5, 0.5)


@pytest.mark.parametrize("text", ["", "1 2 3", "a b c d", "1 2 3 4 5", "\xff"])
def test_a_camera_file_that_is_none_is_named(tmp_path, text):
    write_sizes(tmp_path / "wide", [(96, 64)])
    (tmp_path / "wide" / "intrinsics.txt").write_text(text, encoding="latin1")
    with pytest.raises(UserError, match="intrinsics.txt: must hold the four numbers"):
        normalised_intrinsics("1,1,1,1", open_store("frames", tmp_path, False, 32, 64), SplitLine("wide", 0, "l"))


def test_a_stated_camera_is_mirrored_with_its_image(tmp_path):
    write_sizes(tmp_path, [(96, 64)] * 3)
    (tmp_path / "intrinsics.txt").write_text("48 32 24 32")
    store = open_store("frames", tmp_path, False, 32, 64)
    data = TripletDataset(store, [SplitLine(".", 1, "l")], (0, -1, 1), False, "published", "off", 0, True)
    batches = [data[epoch, 0] for epoch in range(8)]
    assert {bool(batch.flip) for batch in batches} == {True, False}
    assert all(batch.intrinsics[2] == pytest.approx(63 / 64 - 0.25 if batch.flip else 0.25) for batch in batches)


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
