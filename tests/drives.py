"""A small KITTI drive of noise, and the data set of it, for tests of what lies above the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store
from litemono.data.triplets import TripletDataset

DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"
NEIGHBOURS = (0, -1, 1)


def write_drive(root: Path, frames: range, sides: str = "l") -> Path:
    for frame in frames:
        for side in sides:
            path = KITTI_RAW.frame_path(root, DRIVE, frame, side, ".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng([frame, ord(side)]).integers(0, 256, (32, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
    return root


def dataset_at(root: Path, frames: range, **changes) -> TripletDataset:
    settings = {
        "store": open_store("kitti", root, True, 32, 64),
        "lines": [SplitLine(DRIVE, frame, "l") for frame in frames],
        "frame_ids": NEIGHBOURS,
        "use_stereo": False,
        "intrinsics": "published",
        "color_jitter": "per_image",
        "seed": 0,
        "training": True,
    }
    return TripletDataset(**{**settings, **changes})


def same(first, second) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
