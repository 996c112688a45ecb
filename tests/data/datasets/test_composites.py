"""Names and split of backgrounds with figures in front of them."""

from __future__ import annotations

import pytest

from litemono.data.datasets import registry
from litemono.data.datasets.composites import (
    COMPOSITES,
    background_of,
    backgrounds,
    by_stem,
    sample_of,
    samples,
    split_by_background,
)
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_originals
from litemono.utils.errors import UserError


def lines(count: int) -> list[SplitLine]:
    return [SplitLine(f"fg{figure:03d}_bg{number:03d}", 0, "l") for number in range(count) for figure in range(3)]


def test_a_name_says_figure_background_and_variant():
    line = sample_of("fg003_bg1012_07", "fgbg")
    assert line == SplitLine("fg003_bg1012", 7, "l") and background_of(line) == 1012


@pytest.mark.parametrize("stem", ["fg003_bg012", "img_012", "fgx_bg012_01", "fg003_bg012_07_copy", "xfg003_bg012_07"])
def test_other_names_are_refused_with_the_one_that_is_expected(stem):
    with pytest.raises(UserError, match=f"fgbg/{stem}: pictures are called fgNNN_bgNNN_NN"):
        sample_of(stem, "fgbg")


def test_two_files_of_one_sample_are_refused():
    with pytest.raises(UserError, match=r"a\.jpg and a\.png are two files for one picture"):
        by_stem(["a.jpg", "a.png"], "fgbg")
    with pytest.raises(UserError, match="fg01_bg1_1 and fg01_bg1_01 have the same numbers|fg01_bg1_01 and fg01_bg1_1"):
        samples(["fg01_bg1_01", "fg01_bg1_1"], "fgbg")


def test_the_number_of_a_background_is_the_last_in_its_name():
    files = {"img_300": "img_300.jpg", "room2_007": "room2_007.png"}
    assert backgrounds(files, "bg") == {300: "img_300.jpg", 7: "room2_007.png"}
    with pytest.raises(UserError, match="^DATA/bg: the background street.jpg has no number in its name"):
        backgrounds({"street": "bg/street.jpg"}, "DATA/bg")
    with pytest.raises(UserError, match="img_7.jpg and img_007.jpg are both background 7"):
        backgrounds({"img_7": "img_7.jpg", "img_007": "img_007.jpg"}, "bg")


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_no_background_is_in_both_parts_and_30_percent_are_held_out(count):
    train, val = (split_by_background(lines(count), which) for which in ("train", "val"))
    behind_train, behind_val = ({background_of(line) for line in part} for part in (train, val))
    assert not behind_train & behind_val and sorted(train + val) == sorted(lines(count))
    assert len(behind_val) == max(1, round(0.3 * count))


def test_the_split_is_a_function_of_the_seed_and_not_of_the_order():
    parts = [split_by_background(lines(50), "val", seed=seed) for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    assert {*split_by_background(lines(50)[::-1], "val")} == {*parts[0]}


def test_one_background_leaves_a_part_empty():
    with pytest.raises(UserError, match="the pictures have 1 background, .* the validation part would be empty"):
        split_by_background(lines(1), "train")


def test_the_registry_has_it_and_says_what_trains_on_it(tmp_path):
    for kind, name in (("bg", "img_1.png"), ("fgbg", "fg1_bg1_00.png"), ("fgbg", "fg1_bg2_00.png")):
        (tmp_path / kind).mkdir(exist_ok=True)
        (tmp_path / kind / name).touch()
    store = open_originals(COMPOSITES.name, tmp_path, png=False)
    assert store.has("fg1_bg1", 0, "l") and not store.has("fg1_bg1", 1, "l")
    assert store.path("fg1_bg1", 0, "l") == tmp_path / "fgbg/fg1_bg1_00.png"
    assert COMPOSITES.frames_found(tmp_path) == "2 pictures of 2 backgrounds"
    with pytest.raises(UserError, match="train on their depth: python -m litemono.segment"):
        registry.check_flags(COMPOSITES.name, "published", use_stereo=False)
