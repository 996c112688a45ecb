"""How large the packs are that a training reads: submit's default --mem follows from it."""

from __future__ import annotations

from pathlib import Path

from litemono.data.depth_settings import DepthDataConfig
from litemono.data.settings import DataConfig
from litemono.data.stores.pack_size import packed_bytes
from litemono.tasks.monodepth.settings import TrainConfig
from litemono.tasks.supervised.settings import FinetuneConfig


def write_pack(folder: Path, index: str, size: int) -> Path:
    """A file of that size, which takes no room on the disk."""
    (folder / "drive").mkdir(parents=True)
    (folder / index).touch()
    with open(folder / "drive/image_02.bin", "wb") as file:
        file.truncate(size)
    return folder


def test_the_packs_of_all_data_sets_count_and_folders_of_images_do_not(tmp_path):
    frames = write_pack(tmp_path / "frames", "packed.json", 16_400_000_000)
    pictures = write_pack(tmp_path / "pictures", "pictures.json", 5000)
    assert packed_bytes(TrainConfig(data=DataConfig(data_path=frames))) == 16_400_000_000
    both = DepthDataConfig(data_path=Path(f"{frames},{pictures}"), dataset="kitti_depth,redweb")
    assert packed_bytes(FinetuneConfig(data=both)) == 16_400_005_000
    (frames / "packed.json").unlink()
    assert packed_bytes(TrainConfig(data=DataConfig(data_path=frames))) == 0
