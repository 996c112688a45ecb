"""The picture of the README: depth learned from one stereo pair, without labels. python examples/stereo_pair.py

Needs scikit-image (pip install -e ".[test]"), in whose package the pair lies: "Motorcycle" of the Middlebury 2014 data set
(Scharstein et al. 2014), 741x500 pixels, focal length 994.978, principal points 31.086 pixels apart, baseline 0.193 m.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

import litemono
from litemono.data.datasets.kitti_raw import KITTI_RAW

FOLDER = Path("stereo_pair")
DRIVE = "2011_09_26/2011_09_26_drive_0001_sync"
SHIFT, FOCAL, BASELINE = 31, 994.978, 0.193001
SAMPLES = 32  # the same pair so often: an epoch


def write_pair() -> tuple[np.ndarray, np.ndarray]:
    """The pair in KITTI's layout, with its lists. Returns the left image and its depth in metres, NaN where unknown."""
    left, right, disparity = data.stereo_motorcycle()
    left, right, disparity = left[:, :-SHIFT], right[:, SHIFT:], disparity[:, :-SHIFT]  # now infinity is at disparity 0
    for side, image in (("l", left), ("r", right)):
        for frame in range(SAMPLES):
            path = KITTI_RAW.frame_path(FOLDER, DRIVE, frame, side, ".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    for which, count in (("train", SAMPLES), ("val", 2)):
        lines = (f"{DRIVE} {frame} {'lr'[frame % 2]}\n" for frame in range(count))
        (FOLDER / f"{which}_files.txt").write_text("".join(lines))
    disparity = np.where(np.isfinite(disparity), disparity, np.nan)  # infinite where it was not measured
    return left, FOCAL * BASELINE / (disparity + SHIFT)


def train() -> None:
    """Stereo only, from random weights: about five minutes on two idle CPU cores."""
    flags = (
        "--png --frame_ids 0 --use_stereo --intrinsics 995,995,311,255 --height 224 --width 320 --batch_size 2 "
        "--weights_init scratch --drop_path 0 --schedule one-cycle --lr 6e-4 --num_epochs 40 --min_depth 0.4 --max_depth 10"
    )
    words = ["--data_path", FOLDER, "--split", FOLDER, "--log_dir", FOLDER, "--model_name", "run", *flags.split()]
    subprocess.run([sys.executable, "-m", "litemono.train", *map(str, words)], check=True)


def main() -> None:
    left, truth = write_pair()
    train()
    depth = litemono.load(weights=FOLDER / "run/models/last").predict(left)
    metres = depth.depth * BASELINE / 0.1  # training takes every baseline for 0.1
    error = np.nanmean(np.abs(metres - truth) / truth)
    picture = np.hstack([left, np.asarray(depth.picture)])
    Image.fromarray(picture).save(FOLDER / "depth.jpg", quality=88)
    print(f"{FOLDER / 'depth.jpg'}; abs_rel {error:.3f} in metres, without scaling")


if __name__ == "__main__":
    main()
