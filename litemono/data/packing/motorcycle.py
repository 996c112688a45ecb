"""scikit-image's real stereo pair as a data set of one picture: real pixels with metric depth, without a download by hand.

Middlebury 2014 (Scharstein et al.), "Motorcycle" at a quarter of its size. Depth is focal length x baseline / (disparity +
difference of the principal points): 2.1 to 5.0 m; 92.7 % of the pixels are measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from litemono.utils.atomic_files import replacing
from litemono.utils.errors import UserError, reason

FOCAL, BASELINE, PRINCIPAL_DIFFERENCE = 994.978, 0.193001, 31.086  # pixels, metres, pixels


@dataclass(frozen=True)
class MotorcycleConfig:
    """Write scikit-image's real picture with metric depth, for --dataset motorcycle.

    python -m litemono.prepare motorcycle --output motorcycle
    """

    output: Path
    """Folder for images/motorcycle.png and depth/motorcycle.npy."""


def write_motorcycle(config: MotorcycleConfig) -> None:
    """Write the left picture and its depth in metres, 0 where nothing was measured."""
    try:
        from skimage.data import stereo_motorcycle

        left, _, disparity = stereo_motorcycle()
    except (ImportError, OSError) as error:  # not installed; or its file is to be fetched and there is no internet
        raise UserError(
            f"scikit-image's picture is not here ({reason(error)}); pip install scikit-image pooch, on a node with internet"
        ) from None
    depth = np.where(np.isfinite(disparity), FOCAL * BASELINE / (disparity + PRINCIPAL_DIFFERENCE), 0).astype(
        np.float32
    )
    with replacing(config.output / "images/motorcycle.png") as file:
        Image.fromarray(left).save(file, format="png")
    with replacing(config.output / "depth/motorcycle.npy") as file:
        np.save(file, depth)
    print(
        f"{config.output}: one picture of {left.shape[1]}x{left.shape[0]}, {(depth > 0).mean():.1%} measured, "
        f"{depth[depth > 0].min():.2f} to {depth.max():.2f} m; train with --dataset motorcycle --data_path {config.output}"
    )
