"""Depth PNGs of a rendered street, read through the store that has its images."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from litemono.data.datasets import registry
from litemono.data.stores.arrays import check_png, parse_floats, read_floats
from litemono.data.stores.folder import open_originals, open_store
from litemono.data.stores.images import check_factor, read_image, read_numbers
from litemono.synthetic import sensors, writer
from litemono.utils.errors import UserError


@pytest.fixture(scope="module")
def street_world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rendered") / "world"
    return writer.write_world(folder, height=32, width=96, drives=3, frames_per_drive=3, num_workers=1)


@pytest.fixture
def store(street_world):
    return open_originals("kitti", street_world.folder, png=True)


def test_depth_pictures_are_the_exact_depth_in_their_own_units(street_world, store):
    units = store.read_array("depth", writer.drive_name(1), 2, "l")
    exact = sensors.exact_depth(street_world.settings, 1, 2)
    metres = units / store.dataset.pictures["depth"].units_per_metre
    assert (units.dtype, units.shape) == (np.uint16, (32, 96))
    assert (units > 0).mean() > 0.3
    np.testing.assert_allclose(metres[units > 0], exact[units > 0], atol=0.5 / 256 + 1e-6)  # rounded to a unit


def test_a_store_that_resizes_frames_leaves_depth_as_it_is(street_world, store):
    small = open_store("kitti", street_world.folder, True, 16, 64)
    key = writer.drive_name(0), 1, "l"
    assert small.read(*key).shape == (16, 64, 3) and store.read(*key).shape == (32, 96, 3)
    np.testing.assert_array_equal(small.read_array("depth", *key), store.read_array("depth", *key))


def test_a_missing_or_damaged_depth_picture_names_file_and_archive(street_world, store, tmp_path):
    with pytest.raises(UserError, match=r"no depth picture .*image_03.*0000000001\.png; extract data_depth_annotated"):
        store.read_array("depth", writer.drive_name(0), 1, "r")
    drive = tmp_path / writer.drive_name(0) / "proj_depth" / "groundtruth" / "image_02"
    drive.mkdir(parents=True)
    (drive / "0000000000.png").write_bytes(b"404 not found")
    Image.new("RGB", (8, 4)).save(drive / "0000000001.png")
    damaged = open_originals("kitti", tmp_path, png=True)
    for frame, message in ((0, "not a complete image"), (1, "not a 16-bit depth picture")):
        with pytest.raises(UserError, match=f"000000000{frame}\\.png: {message}.*data_depth_annotated.zip"):
            damaged.read_array("depth", writer.drive_name(0), frame, "l")
        original = street_world.folder / (drive / f"000000000{frame}.png").relative_to(tmp_path)
        shutil.copy(original, drive)
        assert damaged.read_array("depth", writer.drive_name(0), frame, "l").dtype == np.uint16


def test_kinds_that_a_data_set_lacks_are_refused(store):
    with pytest.raises(UserError, match="--dataset kitti: has no mask pictures; it has depth"):
        store.read_array("mask", writer.drive_name(0), 1, "l")


def npy(header: bytes) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 an archive that is none",
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6\n"),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000000), }\n"),
        npy(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"),
    ],
    ids=["zip", "torn header", "petabytes", "objects"],
)
def test_an_array_file_that_is_none_is_refused_in_a_sentence(content):
    with pytest.raises(UserError, match=r"depth\.npy: not a complete \.npy file"):
        parse_floats(content, ".npy", "depth.npy")


@pytest.mark.parametrize(
    "read", [read_floats, lambda path: read_numbers(path, "mend"), lambda path: read_image(path, "")]
)
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(read, tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(UserError, match=r"a\.npy: not a complete .* \(not a file\)"):
        read(tmp_path / "a.npy")


def test_a_file_as_large_as_all_memory_is_refused(tmp_path):
    (tmp_path / "a.npy").touch()
    os.truncate(tmp_path / "a.npy", 200 * 2**30)
    with pytest.raises(UserError, match="214.7 GB, too large for its kind"):
        read_floats(tmp_path / "a.npy")


def coloured(values: np.ndarray, colours: list[int]) -> Image.Image:
    image = Image.fromarray(values.astype(np.uint8)).convert("P")
    image.putpalette(colours)
    return image


def test_places_in_a_table_of_colours_are_no_depth_but_are_labels(tmp_path):
    numbers = np.arange(12).reshape(3, 4)
    coloured(numbers, [255 - place // 3 for place in range(768)]).save(tmp_path / "a.png")
    with pytest.raises(
        UserError, match=r"a\.png: its pixels are places in a table of colours, not numbers; write it as"
    ):
        read_numbers(tmp_path / "a.png", "")
    assert np.array_equal(read_numbers(tmp_path / "a.png", "", labels=True), numbers)
    coloured(numbers, [place // 3 for place in range(768)]).save(tmp_path / "grey.png")
    assert np.array_equal(read_numbers(tmp_path / "grey.png", ""), numbers)
    Image.fromarray(numbers.astype(np.uint8)).save(tmp_path / "a.png")
    assert np.array_equal(read_numbers(tmp_path / "a.png", ""), numbers)


def test_numbers_of_more_than_16_bits_are_refused_and_not_cut(tmp_path):
    """A TIFF whatever its name; 65536 was read as 0."""
    Image.fromarray(np.array([[1, 65536]], np.int32)).save(tmp_path / "a.tif")
    (tmp_path / "a.tif").rename(tmp_path / "a.png")
    picture = registry.get("pairs").pictures["depth"]
    with pytest.raises(UserError, match=r"a\.png: has numbers from 1 to 65536, and 16 bits end at 65535; scale them"):
        check_png(read_numbers(tmp_path / "a.png", ""), tmp_path / "a.png", "depth", picture)
    scaled = np.array([[1, 65536]], np.int32) // 2
    assert np.array_equal(check_png(scaled, tmp_path / "a.png", "depth", picture), scaled)


def test_a_mask_may_be_a_picture_of_1_bit(tmp_path):
    mask = np.array([[True, False], [False, True]])
    Image.fromarray(mask).save(tmp_path / "a.png")
    values = check_png(read_numbers(tmp_path / "a.png", ""), "a.png", "mask", registry.get("pairs").pictures["mask"])
    assert values.dtype == np.uint8 and np.array_equal(values > 0, mask)


def test_the_factor_that_a_depth_picture_states_is_compared(tmp_path):
    for number, note in enumerate(("1000", "1e3", "of my own", "256")):
        text = PngInfo()
        text.add_text("depth_factor", note)
        Image.new("I;16", (2, 2)).save(tmp_path / f"{number}.png", pnginfo=text)
    for number in range(3):
        check_factor(tmp_path / f"{number}.png", 1000.0, "png_factor")
    with pytest.raises(UserError, match=r"3\.png: says that its factor is 256; give --png_factor 256$"):
        check_factor(tmp_path / "3.png", 1000.0, "png_factor")
