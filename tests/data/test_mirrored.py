"""Maps in a folder that mirrors the images: which file belongs to an image, and what its numbers are."""

from __future__ import annotations

import numpy as np
import pytest
from depth_data import write_pairs
from PIL import Image

from litemono.data.mirrored import FROZEN, MASK, MirroredMaps, as_depth, check_binary
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_originals
from litemono.utils.errors import UserError

LINE = SplitLine(".", 3, "l")


@pytest.fixture
def maps(tmp_path) -> MirroredMaps:
    """Of images/pic_3.jpg (64x40) and so on; no map is there yet."""
    store = open_originals("pairs", write_pairs(tmp_path / "data"), False)
    (tmp_path / "frozen/images").mkdir(parents=True)
    return MirroredMaps(FROZEN, store, tmp_path / "frozen")


def test_numbers_come_from_any_of_the_names_that_predict_and_others_write(maps):
    assert not maps.has(LINE) and maps.place(LINE).endswith("frozen/images/pic_3.png")
    folder = maps.folder / "images"
    small = np.arange(20 * 32, dtype=np.float32).reshape(20, 32)
    np.save(folder / "pic_3_disp.npy", small[None, None])  # at a network's size
    maps = MirroredMaps(FROZEN, maps.store, maps.folder)
    values = maps.read(LINE)
    assert values.shape == (40, 64)
    # Twice the size: pixel 21, 33 lies a quarter of a pixel behind 10, 16.
    assert values[21, 33] == pytest.approx(small[10, 16] + 0.25 * (32 + 1))
    exact = np.random.default_rng(0).random((40, 64)).astype(np.float32)
    np.save(folder / "pic_3.npy", exact)
    Image.fromarray(np.full((40, 64), 512, np.uint16)).save(folder / "pic_30_depth.png")
    maps = MirroredMaps(FROZEN, maps.store, maps.folder)
    assert np.array_equal(maps.read(LINE), exact)
    Image.fromarray(np.full((40, 64), 512, np.uint16)).save(folder / "pic_3_depth.png")
    maps = MirroredMaps(FROZEN, maps.store, maps.folder)
    assert (as_depth(maps.read(LINE), 256.0, "") == 2).all()


def test_whole_numbers_are_no_metres(maps):
    """evaluate divides them by its factor; a depth of 2 m would be one of 512 m here."""
    np.save(maps.folder / "images/pic_3.npy", np.full((40, 64), 512, np.uint16))
    with pytest.raises(UserError, match=r"pic_3\.npy: holds whole numbers \(uint16\), and metres are floating-point"):
        maps.read(LINE)
    np.save(maps.folder / "images/pic_3.npy", np.full((40, 64), 512, np.uint16) / 256)
    assert (maps.read(LINE) == 2).all()


def test_numbers_that_are_not_finite_are_counted():
    values = np.ones((2, 3), np.float32)
    values[0] = np.nan
    with pytest.raises(UserError, match="a.npy: 3 pixels are NaN or infinite"):
        as_depth(values, 256.0, "a.npy")


@pytest.mark.parametrize("value", [1, 38, 255])
def test_a_mask_has_one_value_beside_0(value):
    mask = np.zeros((4, 5), np.uint8)
    assert not check_binary(mask, "m.png").any()
    mask[1:3] = value
    assert np.array_equal(check_binary(mask, "m.png"), mask > 0)
    mask[0, 0] = value - 1 if value > 1 else 7
    with pytest.raises(
        UserError, match=r"m.png: a mask has 0 and one other value for objects, this one has 0, \d+, \d+;"
    ):
        check_binary(mask, "m.png")


def test_absent_maps_are_counted_and_the_first_is_named(maps):
    with pytest.raises(UserError, match=r"2 of 2 images have no object mask; first: .*images/pic_3\.png"):
        MirroredMaps(MASK, maps.store, maps.folder).check([LINE, LINE._replace(frame=4)], "list.txt")
