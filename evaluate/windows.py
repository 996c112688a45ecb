"""The parts of an image that published protocols score, as rows and columns of the full-size ground truth.

Garg et al. 2016 and Eigen et al. 2014 (KITTI) cut shares of the height and width; the NYU window is in pixels of 480x640.
KB is the 352x1216 corner that BTS feeds its network: BTS, AdaBins and ZoeDepth cut the ground truth first and apply the
other window to what is left ("kb-garg"), so that their pixels differ from those of "garg".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from litemono.metrics import garg_crop
from litemono.utils.errors import UserError

Crop = Literal["none", "garg", "eigen", "nyu", "kb", "kb-garg", "kb-eigen"]
Window = tuple[slice, slice]
Shares = tuple[tuple[float, float], tuple[float, float]]

EIGEN: Shares = ((0.3324324, 0.91351351), (0.0359477, 0.96405229))
NYU_SIZE, NYU = (480, 640), (slice(45, 471), slice(41, 601))
KB_SIZE = (352, 1216)


def _shares(shares: Shares, height: int, width: int) -> Window:
    (top, bottom), (left, right) = shares
    return slice(int(top * height), int(bottom * height)), slice(int(left * width), int(right * width))


def _whole(height: int, width: int) -> Window:
    return slice(0, height), slice(0, width)


def eigen_crop(height: int, width: int) -> Window:
    return _shares(EIGEN, height, width)


def nyu_crop(height: int, width: int) -> Window:
    if (height, width) != NYU_SIZE:
        raise UserError(
            f"--crop nyu: made for ground truth of 480x640, not {height}x{width}; choose another --protocol or --crop none"
        )
    return NYU


def kb_crop(height: int, width: int) -> Window:
    """The 352x1216 pixels at the bottom, in the middle."""
    if height < KB_SIZE[0] or width < KB_SIZE[1]:
        raise UserError(
            f"the KB crop has 352x1216 pixels, but the image {height}x{width}; choose another --protocol, or "
            "--crop and --image_crop without kb"
        )
    top, left = height - KB_SIZE[0], int((width - KB_SIZE[1]) / 2)
    return slice(top, height), slice(left, left + KB_SIZE[1])


def _inside_kb(inner: Callable[[int, int], Window]) -> Callable[[int, int], Window]:
    def window(height: int, width: int) -> Window:
        outer = kb_crop(height, width)
        top, left = (part.start for part in outer)
        rows, columns = inner(*KB_SIZE)
        return slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)

    return window


WINDOWS: dict[str, Callable[[int, int], Window]] = {
    "none": _whole,
    "garg": garg_crop,
    "eigen": eigen_crop,
    "nyu": nyu_crop,
    "kb": kb_crop,
    "kb-garg": _inside_kb(garg_crop),
    "kb-eigen": _inside_kb(eigen_crop),
}
