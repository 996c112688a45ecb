"""The depth of one image: what `litemono.load(...).predict(image)` returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from litemono.data.stores.images import FACTOR_NOTE
from litemono.utils.atomic_files import replacing
from litemono.utils.colormap import magma
from litemono.utils.errors import UserError, require

Kind = Literal["metric", "up-to-scale", "relative"]
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
LONGEST_JPEG = 65500  # pixels of its width or height
PNG_LEVEL = 1  # of 0..9: level 6 takes several times as long for a few per cent
LARGEST = 2**16 - 1  # number in a 16-bit PNG


def require_depth(kind: Kind, what: str) -> None:
    """UserError where 1 / disparity has no meaning before scale and shift are known."""
    require(
        kind != "relative",
        f"{what} predicts relative inverse depth: use its disparity, or fit scale and shift to known depths",
    )


@dataclass(frozen=True, eq=False)
class DepthMap:
    """Predicted depth for each pixel of an image."""

    disparity: np.ndarray
    """(H, W) float32, the image's height and width: inverse depth, larger is nearer. `kind` says its unit."""
    kind: Kind
    """metric: 1/metres. up-to-scale: 1/metres times one unknown factor, as after training from video alone. relative: an
    unknown factor times 1/metres, plus an unknown shift (DPT, MiDaS)."""
    depth_range: tuple[float, float] | None
    """Least and largest depth that the network can predict, in the unit of `depth`; None where it has no such limits."""

    @property
    def depth(self) -> np.ndarray:
        """(H, W) float32: 1 / disparity, in metres or, where `kind` is up-to-scale, in one unknown unit.

        Raises UserError where `kind` is relative: 1 / disparity has no meaning before scale and shift are known.
        """
        require_depth(self.kind, "this network")
        return 1 / self.disparity

    @property
    def picture(self) -> Image.Image:
        """RGB of the image's size: magma from the least disparity (dark, far) to the 95th percentile (bright, near)."""
        return self.coloured(None)

    def coloured(self, limits: tuple[float, float] | None) -> Image.Image:
        """The picture with given disparities as the darkest and the brightest; None: as `picture`."""
        return Image.fromarray(magma(self.disparity, limits))

    def save(self, path: str | Path) -> Path:
        """Write the picture (.png, .jpg) or the disparity (.npy), whole or not at all; returns the path.

        Raises UserError for another suffix, a place that cannot be written and a JPEG of more than 65500 pixels a side.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        require(suffix in (*FORMATS, ".npy"), f"{path}: a depth map is saved as .png, .jpg or .npy")
        if FORMATS.get(suffix) == "JPEG" and max(self.disparity.shape) > LONGEST_JPEG:
            raise UserError(f"{path}: a JPEG ends at {LONGEST_JPEG} pixels a side; save it as .png")
        with replacing(path) as file:
            if suffix == ".npy":
                np.save(file, self.disparity, allow_pickle=False)
            else:
                self.picture.save(file, format=FORMATS[suffix])
        return path

    def save_depth_png(self, path: str | Path, factor: float = 256.0) -> Path:
        """Write depth times `factor` as a 16-bit grey PNG; returns the path. 256 is KITTI's factor, 1000 gives millimetres.

        Every pixel has a value: numbers beyond 16 bits become 1 or 65535, because 0 means "not measured" in such files. The
        factor is also in the PNG's text, as depth_factor. Raises UserError where `kind` is relative, for another suffix, and
        for a place that cannot be written.
        """
        path = Path(path)
        require(path.suffix.lower() == ".png", f"{path}: 16-bit depth is saved as .png")
        numbers = np.clip(np.rint(self.depth * factor), 1, LARGEST).astype(np.uint16)
        note = PngInfo()
        note.add_text(FACTOR_NOTE, f"{factor:g}")
        with replacing(path) as file:
            Image.fromarray(numbers).save(file, format="PNG", pnginfo=note, compress_level=PNG_LEVEL)
        return path
