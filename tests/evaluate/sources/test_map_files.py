"""Depth maps of every file format, and files that are none."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from evaluate.sources.map_files import find_maps, read_map
from evaluate.sources.sequences import Names
from evaluate.sources.truth import associate
from litemono.utils.errors import UserError

MAP = np.arange(1, 13, dtype=np.float32).reshape(3, 4)


def write(path, values=MAP):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".npz":
        np.savez(path, depth=values)
    elif path.suffix == ".pfm":
        path.write_bytes(b"Pf\n4 3\n-1.0\n" + values[::-1].astype("<f4").tobytes())
    elif path.suffix == ".dpt":
        path.write_bytes(np.array(202021.25, "<f4").tobytes() + np.array([4, 3], "<i4").tobytes() + values.tobytes())
    elif path.suffix == ".tif":
        Image.fromarray(values).save(path)
    else:
        Image.fromarray((values * 256).astype(np.uint16)).save(path)
    return path


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".pfm", ".tif", ".dpt"])
def test_every_format_gives_the_same_map(tmp_path, suffix):
    values = read_map(write(tmp_path / f"a{suffix}"), 256, "png_factor")
    assert values.dtype == np.float32 and np.array_equal(values, MAP)


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".pfm", ".tif", ".dpt"])
def test_a_file_cut_short_is_refused_by_its_name(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 36])  # 36 bytes: of the smallest, the .png, some of its pixels too
    with pytest.raises(UserError, match=f"a{suffix}: not a readable depth map"):
        read_map(path, 256, "png_factor")


def test_a_map_of_one_channel_may_have_three_dimensions(tmp_path):
    assert np.array_equal(read_map(write(tmp_path / "a.npy", MAP[None]), 1, "png_factor"), MAP)
    assert np.array_equal(read_map(write(tmp_path / "a.npy", MAP[..., None]), 1, "png_factor"), MAP)


def test_pictures_of_8_bits_are_refused(tmp_path):
    for mode in ("L", "RGB", "P"):
        Image.new(mode, (4, 3)).save(tmp_path / "a.png")
        with pytest.raises(UserError, match=r"a\.png: a picture of 8 bits is no depth map; write 16 bits"):
            read_map(tmp_path / "a.png", 256, "png_factor")


def test_a_picture_that_states_another_factor_is_refused(tmp_path):
    """As `predict --depth_png --depth_factor 1000` writes it; its depth came out four times as far."""
    note = PngInfo()
    note.add_text("depth_factor", "1000")
    Image.fromarray((MAP * 1000).astype(np.uint16)).save(tmp_path / "a.png", pnginfo=note)
    assert np.allclose(read_map(tmp_path / "a.png", 1000, "png_factor"), MAP, atol=1e-3)
    with pytest.raises(UserError, match=r"a\.png: says that its factor is 1000; give --gt_factor 1000"):
        read_map(tmp_path / "a.png", 256, "gt_factor")


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".pfm", ".tif", ".dpt"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path, suffix):
    os.mkfifo(tmp_path / f"a{suffix}")
    with pytest.raises(UserError, match=rf"a{suffix}: not a readable depth map \(not a file\)"):
        read_map(tmp_path / f"a{suffix}", 256, "png_factor")


def test_colour_and_depth_are_paired_by_time_the_nearest_first():
    colour = {0.0: "c0", 0.03: "c1", 0.06: "c2", 5.0: "c3"}
    depth = {0.012: "d0", 0.031: "d1", 0.049: "d2", 0.07: "d3"}
    assert associate(colour, depth) == [("c0", "d0"), ("c1", "d1"), ("c2", "d3")]
    assert associate({0.0: "c"}, {0.02: "d"}) == [], "0.02 s is too far"


def test_maps_are_listed_in_the_order_of_their_folders_and_links_are_followed(tmp_path):
    for name in ("a-b.npy", "a/2.npy", "a/10.npy", "b.npy", "a/.hidden.npy", "a/notes.txt", ".git/1.npy"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/3.npy").touch()
    (tmp_path / "root/c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/a/up").symlink_to(tmp_path / "root")
    assert list(find_maps(tmp_path / "root")) == ["a/10.npy", "a/2.npy", "a-b.npy", "b.npy", "c/3.npy"]


def test_names_are_kept_as_they_are():
    names = ["a/1.npy", "", "\udcff.png", "größe/β.npy"]
    assert list(Names(names)) == names and Names(names)[-1] == names[-1] and Names(names)[2] == names[2]
    with pytest.raises(IndexError):
        Names(names)[4]
