"""Composites as they are read: files, zips and packs give the same; what does not fit is refused in one sentence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from composites import SIZE, SMALL, write_small
from PIL import Image
from rich.console import Console

from benchmarks.composite_loader import write_zips
from litemono.data.packing import composites as packing
from litemono.data.packing.composites import pack_composites
from litemono.data.packing.composites_verify import verify
from litemono.data.splits import SplitLine
from litemono.data.stores.composites import binary, open_composites
from litemono.utils.errors import UserError

LINE, STEM = SplitLine("fg001_bg002", 1, "l"), "fg001_bg002_01"


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Path:
    return write_small(tmp_path_factory.mktemp("composites") / "rooms")


@pytest.fixture
def copy(rooms, tmp_path) -> Path:
    """A copy to spoil."""
    return shutil.copytree(rooms, tmp_path / "copy")


def pack(source: Path, output: Path, size=SIZE) -> Path:
    pack_composites(source, output, size, 2, Console(quiet=True))
    return output


def test_files_zips_and_a_pack_give_the_same_samples(rooms, tmp_path):
    write_zips(rooms, archives := tmp_path / "zips")
    shutil.make_archive(str(tmp_path / "all"), "zip", rooms)
    places = (rooms, archives, tmp_path / "all.zip", pack(rooms, tmp_path / "packed"), pack(archives, tmp_path / "too"))
    stores = [open_composites(place, SIZE) for place in places]
    assert len(stores[0].lines) == SMALL.count
    for store in stores[1:]:
        assert store.lines == stores[0].lines
        for line in store.lines[::3]:
            for ours, theirs in zip(store.read(line), stores[0].read(line), strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_a_sample_is_its_background_picture_mask_and_depth(rooms):
    sample = open_composites(rooms, SIZE).read(LINE)
    background, picture, mask, depth = (
        np.asarray(Image.open(rooms / path))
        for path in ("bg/img_002.png", f"fgbg/{STEM}.png", f"mask/{STEM}.png", f"depth/{STEM}.png")
    )
    np.testing.assert_array_equal(sample.background, background.transpose(2, 0, 1))
    np.testing.assert_array_equal(sample.picture, picture.transpose(2, 0, 1))
    np.testing.assert_array_equal(255 * sample.mask, mask)
    np.testing.assert_array_equal(sample.depth, depth)


def test_other_sizes_are_resized_and_the_mask_stays_binary(rooms, tmp_path):
    store = open_composites(rooms, (16, 24))
    sample = store.read(LINE)
    assert sample.picture.shape == (3, 16, 24) and {*np.unique(sample.mask)} <= {0, 1}
    packed = open_composites(pack(rooms, tmp_path / "packed", (16, 24)), (16, 24)).read(LINE)
    np.testing.assert_array_equal(packed.depth, sample.depth)


def test_jpeg_masks_are_read_as_black_and_white(copy):
    for path in (copy / "mask").iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), quality=75)
        path.unlink()
    original = np.asarray(Image.open(copy / "depth" / f"{STEM}.png"))
    sample = open_composites(copy, SIZE).read(LINE)
    assert {*np.unique(sample.mask)} <= {0, 1} and np.array_equal(sample.depth, original)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0, 17, 128, 255], "its values are 0, 17, 128, 255"),
        ([10, 255], "its values are 10, 255"),
        ([128], "its values are 128"),
        (range(0, 250, 10), "its values are 0, 10, 20, 30, 40, 50, ..."),
    ],
)
def test_a_mask_that_is_not_binary_is_refused_with_its_values(copy, values, said):
    path = copy / "mask" / f"{STEM}.png"
    Image.fromarray(np.resize(np.array(values, np.uint8), SIZE)).save(path)
    with pytest.raises(UserError, match=rf"mask/{STEM}.png: a mask has two values, such as 0 and 255, and {said}"):
        open_composites(copy, SIZE).read(LINE)
    with pytest.raises(UserError, match="a mask has two values"):
        pack(copy, copy.parent / "packed")
    assert not (copy.parent / "packed").exists()


def test_masks_of_0_and_any_other_value_are_binary():
    for top in (1, 128, 255):
        np.testing.assert_array_equal(binary(np.array([[0, top]], np.uint8), "", lossy=False), [[0, 1]])
    for constant, figure in ((0, 0), (255, 1)):
        assert (binary(np.full((2, 2), constant, np.uint8), "", lossy=False) == figure).all()
    with pytest.raises(UserError, match=r"100% of its pixels lie between black and white \(100\)"):
        binary(np.full((2, 2), 100, np.uint8), "", lossy=True)


def test_a_background_number_without_a_file_is_refused(copy):
    (copy / "bg/img_002.png").rename(copy / "bg/img_300.png")
    with pytest.raises(UserError, match=r"fgbg/fg001_bg002_00.png: there is no background 2 in .*bg; add its file"):
        open_composites(copy, SIZE)


@pytest.mark.parametrize("kind", ["fgbg", "mask", "depth"])
def test_pictures_of_another_size_than_their_background_are_refused(copy, kind):
    path = copy / kind / f"{STEM}.png"
    Image.open(path).resize((40, 30)).save(path)
    with pytest.raises(UserError, match=rf"{kind}/{STEM}.png: 40x30 pixels, its background .*img_002.png has 48x32"):
        open_composites(copy, SIZE).read(LINE)


@pytest.mark.parametrize("kind", ["fgbg", "mask", "depth"])
def test_names_that_one_folder_lacks_are_refused(copy, kind):
    (copy / kind / f"{STEM}.png").unlink()
    with pytest.raises(UserError, match=rf"{kind}: has no file for 1 of 16 names in .*, the first is {STEM}"):
        open_composites(copy, SIZE)


@pytest.mark.parametrize("kind", ["bg", "fgbg", "mask", "depth"])
def test_a_folder_that_is_not_there_is_named(copy, kind):
    shutil.rmtree(copy / kind)
    with pytest.raises(
        UserError, match=f"has no folder {kind} and no zip of that name; it needs bg, fgbg, mask, depth"
    ):
        open_composites(copy, SIZE)


def test_a_damaged_picture_is_named(copy):
    path = copy / "fgbg" / f"{STEM}.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=rf"{STEM}.png: not a complete image"):
        open_composites(copy, SIZE).read(LINE)


def test_a_pack_is_for_one_size(rooms, tmp_path):
    place = pack(rooms, tmp_path / "packed")
    with pytest.raises(
        UserError,
        match="packed at 48x32, not 64x64; train with --height 32 --width 48, or pack again: .* --size 64x64",
    ):
        open_composites(place, (64, 64))


def test_an_interrupted_pack_goes_on_where_it_was(copy, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "EVERY", 4)
    bad = copy / "mask" / "fg002_bg003_00.png"
    good = bad.read_bytes()
    Image.fromarray(np.resize(np.array([0, 9, 77], np.uint8), SIZE)).save(bad)
    with pytest.raises(UserError, match="two values"):
        pack(copy, tmp_path / "packed")
    done = json.loads((tmp_path / ".packed.partial/done.json").read_text())["samples"]
    assert 0 < done < SMALL.count and not (tmp_path / "packed").exists()
    bad.write_bytes(good)
    read = []
    original = packing.CompositeFiles.read
    monkeypatch.setattr(packing.CompositeFiles, "read", lambda self, line: read.append(line) or original(self, line))
    store = open_composites(pack(copy, tmp_path / "packed"), SIZE)
    assert len(read) == SMALL.count - done
    for line in store.lines:
        np.testing.assert_array_equal(store.read(line).depth, open_composites(copy, SIZE).read(line).depth)
    assert not list(tmp_path.glob(".packed*"))


def test_a_pack_of_other_pictures_and_foreign_files_are_not_overwritten(rooms, copy, tmp_path):
    place = pack(rooms, tmp_path / "packed")
    pack(rooms, place)  # the same again: nothing to do
    with pytest.raises(UserError, match="has a pack of other pictures or another size"):
        pack(rooms, place, (16, 24))
    with pytest.raises(UserError, match="is there and no pack"):
        pack(rooms, copy)
    with pytest.raises(UserError, match="--from .*nowhere: there is no such folder or zip"):
        pack(tmp_path / "nowhere", tmp_path / "other")
    with pytest.raises(UserError, match="--from .*packed: is packed already"):
        pack(place, tmp_path / "other")


def test_verify_names_the_rows_of_a_pack_that_changed(rooms, tmp_path, capsys):
    place = pack(rooms, tmp_path / "packed")
    assert (
        verify(place, 2) == 0
        and "16 pictures at 48x32 with mask and depth, 4 backgrounds: all" in capsys.readouterr().out
    )
    for kind, row in (("bg", 1), ("mask", 5), ("mask", 6)):
        array = np.lib.format.open_memmap(place / f"{kind}.npy", "r+")
        array[row].flat[-1] ^= 1
        array.flush()
    assert verify(place, 2) == 1
    said = capsys.readouterr().out
    assert re.search(r"bg.npy: 1 damaged\n  background 2\n", said), said
    assert re.search(r"mask.npy: 2 damaged\n  fg001_bg003_01\n  fg001_bg004_00\n", said), said
    assert "3 damaged; remove the pack's folder and pack again: python -m litemono.prepare pack-composites" in said
    (place / "depth.crc32.npy").unlink()
    with pytest.raises(UserError, match=r"depth.crc32.npy: the checksums cannot be read .* pack again"):
        verify(place, 2)


def test_verify_of_files_names_all_that_do_not_fit(copy, capsys):
    assert verify(copy, 2) == 0 and "16 pictures with mask and depth, 4 backgrounds: all" in capsys.readouterr().out
    Image.fromarray(np.full(SIZE, 7, np.uint8)).save(copy / "mask/fg001_bg001_00.png")
    Image.new("L", (9, 9)).save(copy / "depth/fg002_bg004_01.png")
    assert verify(copy, 2) == 1
    said = capsys.readouterr().out
    assert "2 damaged; replace or remove them" in said
    assert "its values are 7" in said and "fg002_bg004_01.png: 9x9 pixels" in said


@pytest.mark.parametrize("spoil", ["fgbg.npy", "composites.json"])
def test_a_damaged_pack_is_refused(rooms, tmp_path, spoil):
    place = pack(rooms, tmp_path / "packed")
    (place / spoil).write_bytes((place / spoil).read_bytes()[:-50])
    with pytest.raises(UserError, match="the pack is damaged .* pack again"):
        open_composites(place, SIZE)
