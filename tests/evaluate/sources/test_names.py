"""Which prediction belongs to which ground truth."""

from __future__ import annotations

import pytest

from evaluate.keys import Key, video_of
from evaluate.sources.names import NONE, key_of, key_of_line, match
from litemono.data.splits import SplitLine
from litemono.utils.errors import UserError

DRIVE = "2011_09_26_drive_0002_sync"
FRAME = (DRIVE, "69", "l")


@pytest.mark.parametrize(
    "name",
    [
        f"{DRIVE}_0000000069.png",
        f"2011_09_26/{DRIVE}/image_02/data/0000000069.npy",
        f"train/{DRIVE}/proj_depth/groundtruth/image_02/0000000069.png",
        f"{DRIVE}_groundtruth_depth_0000000069_image_02.png",
        f"{DRIVE}/depth/0000000069.png",
    ],
)
def test_every_spelling_of_a_kitti_frame_has_the_key_of_its_split_line(name):
    assert key_of(name) == FRAME == key_of_line(SplitLine(f"2011_09_26/{DRIVE}", 69, "l"))


def test_the_right_camera_is_another_image():
    assert key_of(f"{DRIVE}/image_03/data/0000000069.png") == (*FRAME[:2], "r")
    assert key_of_line(SplitLine(f"2011_09_26/{DRIVE}", 69, "r")) == (*FRAME[:2], "r")
    assert key_of_line(SplitLine("street", 3, "r")) != key_of_line(SplitLine("street", 3, "l"))


def test_words_that_say_only_what_a_file_is_do_not_count():
    assert key_of("bathroom_rgb_00045.png") == key_of("bathroom/sync_depth_00045.png") == ("bathroom", "45")
    assert key_of("depth/alley_1/frame_0002.dpt") == key_of("final_left/alley_1/frame_0002.png") == ("alley", "1", "2")
    assert key_of("rgb/1311870426.500000.png") == ("1311870426.500000",)


def test_a_file_with_no_other_name_keeps_it():
    assert key_of("depth.png") == ("depth",) and video_of(("depth",)) == ""


def test_the_video_of_an_image():
    assert video_of(FRAME) == f"{DRIVE}_l"
    assert video_of(("alley", "1", "2")) == "alley_1" and video_of(("1311870426.500000",)) == ""


def matched(truths: list[Key], predictions: list[Key]) -> tuple[list[int], int, list[tuple[int, int]]]:
    pairs, unused, ambiguous = match(truths, predictions, [str(key) for key in predictions])
    return pairs.tolist(), unused, ambiguous


def test_a_folder_more_or_less_does_not_matter_where_it_is_unambiguous():
    truths = [("a", "1"), ("a", "2"), ("b", "3")]
    assert matched(truths, [("2",), ("x", "a", "1"), ("c", "9")]) == ([1, 0, NONE], 1, [])
    assert matched([("a", "1"), ("b", "1")], [("1",)]) == ([NONE, NONE], 1, [(0, 0), (1, 0)])
    assert matched([("a", "1")], [("x", "a", "1"), ("y", "a", "1")]) == ([NONE], 2, [(0, 0), (0, 1)])
    assert matched([("a", "1")], []) == ([NONE], 0, [])


def test_order_does_not_matter():
    truths = [("a", str(i)) for i in range(9)]
    assert matched(truths, truths[::-1])[0] == list(range(9))[::-1]


def test_two_predictions_of_one_image_are_refused():
    with pytest.raises(UserError, match=r"a\.png and b\.npy"):
        match([("1",)], [("1",), ("1",)], ["a.png", "b.npy"])
