"""The camera of a sample, from --intrinsics: one K for all, each folder's calibration, or the user's numbers."""

from __future__ import annotations

import math

from litemono.data.splits import SplitLine
from litemono.data.stores.base import FrameStore
from litemono.utils.errors import UserError

Intrinsics = tuple[float, float, float, float]


def parse_intrinsics(text: str) -> str | Intrinsics:
    """The value of --intrinsics: "published", "calib", or (fx, fy, cx, cy) in pixels of the original images."""
    if text in ("published", "calib"):
        return text
    try:
        fx, fy, cx, cy = (float(number) for number in text.split(","))
    except ValueError:
        fx = fy = cx = cy = math.nan
    if not (0 < fx < math.inf and 0 < fy < math.inf and math.isfinite(cx) and math.isfinite(cy)):
        raise UserError(
            f"--intrinsics {text}: must be published, calib, or fx,fy,cx,cy in pixels (721.5,721.5,609.6,172.9)"
        )
    return fx, fy, cx, cy


def normalised_intrinsics(intrinsics: str, store: FrameStore, line: SplitLine) -> Intrinsics:
    """fx/W, fy/H, cx/W, cy/H of the camera that took `line`; `intrinsics` is the value of --intrinsics.

    UserError for a value that the data set cannot answer, and for a camera that cannot be that of the images.
    """
    chosen, dataset = parse_intrinsics(intrinsics), store.dataset
    own = dataset.own_camera(store.root, line.folder)
    source = f"--intrinsics {intrinsics}" if own is None else f"the camera that {line.folder} states"
    if own is not None:
        chosen = own
    if isinstance(chosen, str):
        if chosen not in dataset.intrinsics:
            raise UserError(
                f"--intrinsics {intrinsics}: --dataset {dataset.name} needs the camera as --intrinsics fx,fy,cx,cy in "
                f"pixels of the original images{dataset.own_camera_help}"
            )
        if chosen == "published":
            return dataset.published_intrinsics()
        camera, (height, width) = dataset.calibrated_camera(store.root, line, lambda: store.native_size(*line))
    else:
        camera, (height, width) = chosen, store.native_size(*line)
    fx, fy, cx, cy = camera
    if not (0 < cx < width and 0 < cy < height and fx > 2 and fy > 2):
        raise UserError(
            f"{source}: fx,fy,cx,cy = {fx:g},{fy:g},{cx:g},{cy:g} cannot be the camera of {width}x{height} "
            "images; all four are pixels of the original images, and cx,cy lies in them"
        )
    return fx / width, fy / height, cx / width, cy / height
