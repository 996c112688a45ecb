"""The registry: what a name gives, and what a new data set needs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import processes
import pytest
from PIL import Image

from litemono.data.datasets import registry
from litemono.data.datasets.base import Dataset, Layout, Picture
from litemono.data.missing_frames import check_frames
from litemono.data.splits import SPLITS
from litemono.data.stores.folder import open_originals, open_store
from litemono.utils.errors import UserError


class OneFolder(Dataset):
    """A data set as a user would add it: images `3.png` in a folder, masks `3.mask.png` beside them."""

    name = "mine"
    summary = "my own recordings"
    split_summary = "none"
    intrinsics = frozenset({"published"})
    pictures = {"mask": Picture(lambda root, folder, frame, side: root / folder / f"{frame}.mask.png", 8, "masks.zip")}

    def layout(self, root: Path, png: bool) -> Layout:
        return OneFolderLayout(root)

    def published_intrinsics(self) -> tuple[float, float, float, float]:
        return 0.8, 0.9, 0.5, 0.5


class OneFolderLayout(Layout):
    def place(self, folder: str, frame: int, side: str) -> tuple[str, str]:
        return folder, f"{frame}.png"

    def has(self, folder: str, frame: int, side: str) -> bool:
        return f"{frame}.png" in self.listing(folder)

    def missing(self, folder: str, frame: int, side: str) -> str:
        return f"no {self.root / folder / f'{frame}.png'}"


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    monkeypatch.setitem(registry.DATASETS, "mine", OneFolder())
    (tmp_path / "walk").mkdir()
    for frame in range(3):
        Image.new("RGB", (80, 40), (frame, 0, 0)).save(tmp_path / "walk" / f"{frame}.png")
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(tmp_path / "walk" / "1.mask.png")
    (tmp_path / "train_files.txt").write_text("walk 1 l\nwalk 2 l\n")
    return tmp_path


def test_a_new_data_set_is_one_class_and_one_entry(mine):
    store = open_store("mine", mine, png=False, height=32, width=64)
    lines, source = store.dataset.lines(mine, str(mine), "train", (0, -1, 1))
    assert store.read("walk", 1, "l").shape == (32, 64, 3)
    assert [line.frame for line in check_frames(store, lines, (0, -1, 1), False, True, source)] == [1]
    with pytest.raises(UserError, match=r"1 of 2 samples lack frames.*\n  no .*3\.png$"):
        check_frames(store, lines, (0, -1, 1), False, False, source)
    registry.check_flags("mine", "published", use_stereo=False)
    with pytest.raises(UserError, match="--use_stereo needs a stereo pair: --dataset kitti or kitti_odom"):
        registry.check_flags("mine", "published", use_stereo=True)


def test_masks_come_as_the_numbers_in_their_files(mine):
    store = open_originals("mine", mine, png=False)
    mask = store.read_array("mask", "walk", 1, "l")
    assert mask.dtype == np.uint8 and np.array_equal(mask, np.arange(12).reshape(3, 4))
    with pytest.raises(UserError, match=r"no mask picture .*2\.mask\.png; extract masks\.zip"):
        store.read_array("mask", "walk", 2, "l")
    with pytest.raises(UserError, match="--dataset mine: has no depth pictures; it has mask"):
        store.read_array("depth", "walk", 1, "l")


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(
        UserError, match="--dataset sun: there is no such data set; choose from kitti, kitti_odom, frames"
    ) as refused:
        registry.get("sun")
    for name in str(refused.value).rpartition("choose from ")[2].split(", "):
        assert registry.get(name).name == name
    with pytest.raises(UserError, match="--dataset frames: cannot be packed; those that can: kitti, kitti_odom"):
        registry.packable("frames")


@pytest.mark.parametrize("name", registry.DATASETS)
def test_default_and_checked_splits_are_there(name):
    dataset = registry.get(name)
    for split in filter(None, (dataset.default_split, *dataset.checked_splits)):
        assert (SPLITS / split).is_dir()


def test_flags_and_help_name_every_data_set(command):
    done = command("litemono.doctor", "--help")
    assert done.returncode == 0
    for name, dataset in registry.DATASETS.items():
        assert name in done.stdout and dataset.summary.split()[0] in done.stdout


def test_the_registry_is_read_without_torch():
    code = "import sys, litemono.tasks.monodepth.settings, litemono.data.datasets.registry; sys.exit('torch' in sys.modules)"
    assert processes.run([sys.executable, "-c", code]).returncode == 0
