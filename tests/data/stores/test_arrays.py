"""Depth PNGs of a rendered street, read through the store that has its images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from litemono.data.stores.arrays import parse_floats
from litemono.data.stores.folder import open_originals, open_store
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
