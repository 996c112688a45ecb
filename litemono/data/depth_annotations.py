"""KITTI's depth annotations (Uhrig et al. 2017): 16-bit PNGs in 1/256 metres, 0 where nothing was measured.

They lie in the folders of their archive (train/, val/) or in proj_depth/ inside the raw drives.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from litemono.data import kitti
from litemono.data.kitti import SplitLine
from litemono.data.stores.images import NOT_AN_IMAGE
from litemono.utils.errors import UserError

ARCHIVE = "data_depth_annotated.zip"
PLACES = (
    "{folder}",
    "train/{drive}",
    "val/{drive}",
    "data_depth_annotated/train/{drive}",
    "data_depth_annotated/val/{drive}",
)
UNITS_PER_METRE = 256


def annotation_path(root: Path, line: SplitLine) -> Path:
    """The depth picture of a frame; the first place where one may lie if there is none."""
    drive = line.folder.rsplit("/", 1)[-1]
    picture = f"proj_depth/groundtruth/image_0{kitti.CAMERA[line.side]}/{line.frame:010d}.png"
    paths = [root / place.format(folder=line.folder, drive=drive) / picture for place in PLACES]
    return next((path for path in paths if path.is_file()), paths[0])


def annotation_depth(root: Path, line: SplitLine) -> np.ndarray:
    """(H, W) float32 metres of a frame, 0 where nothing was measured. Raises UserError for a file that is no depth picture."""
    path = annotation_path(root, line)
    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except NOT_AN_IMAGE as error:
        raise UserError(f"{path}: not a complete image ({error}); extract it again from {ARCHIVE}") from None
    if values.ndim != 2 or values.dtype not in (np.uint16, np.int32):
        raise UserError(f"{path}: not a 16-bit depth picture; extract it again from {ARCHIVE}")
    return values.astype(np.float32) / UNITS_PER_METRE
