"""Whether a file is an image, and how large, from its first bytes."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from drives import DRIVE, write_drive
from PIL import Image

from evaluate.sources.map_files import read_map
from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.missing_frames import check_frames, find_missing
from litemono.data.packing.requirements import SplitConfig
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store
from litemono.data.stores.headers import BadFile, image_size
from litemono.data.stores.images import read_image
from litemono.prepare import VerifyConfig, verify
from litemono.utils import colormap
from litemono.utils.colormap import magma
from litemono.utils.errors import UserError


def encoded(kind: str, size: tuple[int, int] = (96, 64), **options) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (1, 2, 3)).save(file, kind, **options)
    return file.getvalue()


def oriented(value: int) -> Image.Exif:
    note = Image.Exif()
    note[0x0112] = value
    return note


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "PPM"])
def test_the_size_of_every_kind_is_read(tmp_path, kind):
    path = tmp_path / "image"
    path.write_bytes(encoded(kind))
    assert image_size(path, turned_by_exif=True) == image_size(path, turned_by_exif=False) == (64, 96)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation, size", [(1, (64, 96)), (3, (64, 96)), (6, (96, 64)), (8, (96, 64))])
def test_a_turn_swaps_height_and_width_where_it_counts(tmp_path, kind, orientation, size):
    path = tmp_path / "image"
    path.write_bytes(encoded(kind, exif=oriented(orientation)))
    assert image_size(path, turned_by_exif=True) == size
    with Image.open(path) as image:  # a TIFF is turned by Pillow itself
        assert image_size(path, turned_by_exif=False) == (image.height, image.width)


def test_a_jpeg_with_notes_longer_than_what_is_read_first(tmp_path):
    data, note = encoded("JPEG"), bytes(60_000)
    path = tmp_path / "image.jpg"
    path.write_bytes(data[:2] + b"\xff\xe5" + struct.pack(">H", len(note) + 2) + note + b"\xff" + data[2:])
    assert image_size(path, turned_by_exif=False) == (64, 96)


def png_of(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be this large."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head)) + bytes(20)


BROKEN = {
    "empty": b"",
    "zero-filled": bytes(5000),
    "a web page": b"<!DOCTYPE html><html>404</html>" * 10,
    "half a PNG header": encoded("PNG")[:20],
    "a JPEG's first bytes": encoded("JPEG")[:15],
    "a JPEG of nonsense": b"\xff\xd8\xff\xe0\x00\x00" + bytes(100),
    "a bomb": png_of(60_000, 60_000),
    "no pixels": png_of(0, 10),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_image_is_told_from_its_first_bytes(tmp_path, what):
    path = tmp_path / "image.png"
    path.write_bytes(BROKEN[what])
    with pytest.raises(BadFile):
        image_size(path, turned_by_exif=True)


def test_a_broken_link_a_folder_and_a_pipe_are_told(tmp_path):
    (tmp_path / "link").symlink_to("/no/such/disk/5.png")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    problems = {
        "link": "a link to /no/such/disk/5.png, which is not there",
        "folder": "not a file",
        "pipe": "not a file",
    }
    for name, problem in problems.items():
        with pytest.raises(BadFile, match=problem):
            image_size(tmp_path / name, turned_by_exif=True)


def test_a_look_costs_less_than_a_tenth_of_a_millisecond(tmp_path):
    paths = []
    for n in range(300):
        paths.append(tmp_path / f"{n}.{'jpg' if n % 2 else 'png'}")
        paths[-1].write_bytes(encoded("JPEG" if n % 2 else "PNG", (640, 192)))
    times = []
    for _ in range(5):  # the fastest pass: other programs run on the same cores
        start = time.perf_counter()
        for path in paths:
            image_size(path, turned_by_exif=True)
        times.append(time.perf_counter() - start)
    assert min(times) / len(paths) < 1e-4


# ---------------------------------------------------------------- the check before training


def write_video(root: Path, count: int = 9) -> Path:
    (root / "clip").mkdir()
    for n in range(count):
        (root / "clip" / f"{n}.png").write_bytes(encoded("PNG"))
    return root


def damage(path: Path, how: str) -> None:
    path.unlink()
    if how == "dangling":
        path.symlink_to(path.with_name("gone"))
    else:
        path.write_bytes(BROKEN[how])


@pytest.mark.parametrize("how", ["dangling", "empty", "zero-filled", "a web page"])
def test_files_that_are_no_images_count_as_missing(tmp_path, capsys, how):
    damage(write_video(tmp_path) / "clip" / "5.png", how)
    store = open_store("frames", tmp_path, False, 32, 64)
    lines = [SplitLine("clip", n, "l") for n in range(1, 8)]
    with pytest.raises(UserError, match=r"3 of 7 samples lack frames(.|\n)*clip/5\.png: (a link|an empty|not an)"):
        check_frames(store, lines, (0, -1, 1), False, False, "list")
    kept = check_frames(store, lines, (0, -1, 1), False, True, "list")
    assert [line.frame for line in kept] == [1, 2, 3, 7]
    assert "left out" in capsys.readouterr().err
    assert find_missing(store, lines, (0, -1, 1), False).mixed_sizes == []


def test_verify_names_a_drive_whose_images_have_several_sizes(tmp_path, capsys):
    """As the check before training, which stops there."""
    write_drive(tmp_path, range(5))
    (tmp_path / "train_files.txt").write_text("".join(f"{DRIVE} {n} l\n" for n in range(1, 4)))
    (tmp_path / "val_files.txt").write_text(f"{DRIVE} 1 l\n")
    config = VerifyConfig(tmp_path, frames=SplitConfig(split=str(tmp_path)), num_workers=1)
    verify(config)
    assert "several sizes" not in capsys.readouterr().out
    Image.new("RGB", (32, 64)).save(KITTI_RAW.frame_path(tmp_path, DRIVE, 2, "l", ".png"))
    assert verify(config) == 1
    assert (
        "images of several sizes cannot be of one camera: " in (out := capsys.readouterr().out) and "1 of 32x64" in out
    )


# ---------------------------------------------------------------- values that do not fill their type


def save_16_bits(path: Path, highest: int) -> None:
    Image.fromarray(np.linspace(0, highest, 64 * 96).reshape(64, 96).astype(np.uint16)).save(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_images_that_fill_their_range_are_read_and_others_refused(tmp_path, suffix):
    for frame, highest in enumerate((65535, 30000, 0, 1023, 4095, 16383)):
        save_16_bits(tmp_path / f"{frame}.{suffix}", highest)
    store = open_store("frames", tmp_path, False, 64, 96)
    assert [store.read(".", frame, "l").max() for frame in range(3)] == [255, 30000 >> 8, 0]
    for frame in (3, 4, 5):
        with pytest.raises(
            UserError, match=f"{frame}.{suffix}: its 16-bit numbers .* do not fill .*full range.*8 bits"
        ):
            store.read(".", frame, "l")


def test_so_are_colours_of_16_bits_of_which_only_8_are_handed_out(tmp_path):
    rows = bytearray()
    for _ in range(8):
        rows += b"\0" + struct.pack(">24H", *range(0, 4080, 170))
    head = b"IHDR" + struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    chunks = (head, b"IDAT" + zlib.compress(bytes(rows)), b"IEND")
    data = b"".join(struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks)
    (tmp_path / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    with pytest.raises(UserError, match="16-bit numbers .* do not fill"):
        open_store("frames", tmp_path, False, 32, 64).read(".", 0, "l")
    with pytest.raises(UserError, match="16-bit numbers .* do not fill"):
        read_image(tmp_path / "0.png", "replace it")  # as predict does


# ---------------------------------------------------------------- more pixels than any camera's


def test_an_image_that_asks_for_gigabytes_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    """A file of 2 MB may. Every reader of images asks; Pillow only warns here."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    path = tmp_path / "clip/1.png"
    path.parent.mkdir()
    Image.new("RGB", (40, 40)).save(path)
    with pytest.raises(UserError, match=r"1\.png: too many pixels for an image of a camera \(40x40.*\); replace it"):
        read_image(path, "replace it")
    with pytest.raises(BadFile, match="40x40 pixels, too many"):
        image_size(path, turned_by_exif=False)
    for name in ("0", "2"):
        Image.new("RGB", (8, 8)).save(path.with_name(f"{name}.png"))
    with pytest.raises(UserError, match="too many pixels"):
        open_store("frames", tmp_path, False, 32, 64).read("clip", 1, "l")
    Image.fromarray(np.full((40, 40), 512, np.uint16)).save(path)
    with pytest.raises(UserError, match="not a readable depth map"):
        read_map(path, 256.0, "png_factor")


def test_a_large_picture_is_coloured_in_bands_with_the_same_colours(monkeypatch):
    disparity = np.random.default_rng(0).random((37, 50), dtype=np.float32)
    whole = magma(disparity)
    monkeypatch.setattr(colormap, "BAND", 120)  # two rows
    assert np.array_equal(magma(disparity), whole)
