"""KITTI raw with its depth annotations (Uhrig et al. 2017) as ground truth, and the rendered street in the same layout.

ROOT/2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png                images, as in kitti_raw.py
ROOT/[data_depth_annotated/]train/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png
ROOT/2011_09_26/2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png      or beside the images

16-bit PNG, metres times 256, 0 where nothing was measured. Drives of the validation archive lie in val/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from litemono.data.datasets.kitti_raw import KittiRaw
from litemono.data.kitti import paths
from litemono.data.splits import SplitLine


class KittiDepth(KittiRaw):
    """Raw drives whose annotations are packed beside the frames."""

    name = "kitti_depth"
    summary = "raw drives with data_depth_annotated"
    default_split = "eigen_full"
    split_summary = "eigen_full"
    checked_splits: ClassVar[tuple[str, ...]] = ("eigen_full",)
    packed_pictures = ("depth",)
    packed_frame_ids = (0,)

    def picture_names(self, kind: str, folder: str, frame: int, side: str) -> list[str]:
        return paths.annotation_names(folder, frame, side)

    def picture_archives(self) -> list[str]:
        return [paths.ANNOTATION_ARCHIVE]


class Street(KittiDepth):
    """A world of litemono.synthetic: exact depth, sky included as 0."""

    name = "street"
    summary = "rendered street"
    default_split = ""
    split_summary = "the world's own lists"
    checked_splits = ()
    published_test_split = None

    def lines(
        self, root: Path, split: str | None, which: str, frame_ids: Sequence[int]
    ) -> tuple[list[SplitLine], Path | str]:
        return super().lines(root, split or str(Path(root) / "street"), which, frame_ids)


KITTI_DEPTH = KittiDepth()
STREET = Street()
