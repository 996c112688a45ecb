"""From relative inverse depth to metres, as DPT does. Ranftl et al. 2021, section 4."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from networks.errors import NetworkError

if TYPE_CHECKING:  # the constants are read without torch
    from torch import Tensor

SMALLEST_INVERSE_DEPTH = 1e-8  # 1/metres
FLOAT32_BYTES = 4


def inverse_depth(relative: Tensor, scale: float | Tensor, shift: float | Tensor) -> Tensor:
    """max(scale r + shift, 1e-8): any shape -> 1/metres. scale, shift: numbers or scalars."""
    return (scale * relative + shift).clamp(min=SMALLEST_INVERSE_DEPTH)


@dataclass(frozen=True)
class MetricHead:
    """Depth = 1 / max(scale r + shift, 1e-8) in metres, r: inverse depth up to scale and shift."""

    scale: float
    """1/metres per unit of r."""
    shift: float
    """1/metres. At r = 0 depth is 1 / shift."""

    def inverse_depth(self, relative: Tensor) -> Tensor:
        """Any shape -> 1/metres, at least 1e-8; float32 where `relative` is in half precision, which would lose the shift."""
        exact = relative if relative.dtype.itemsize >= FLOAT32_BYTES else relative.float()
        return inverse_depth(exact, self.scale, self.shift)

    def __call__(self, relative: Tensor) -> Tensor:
        """Any shape -> metres."""
        return 1 / self.inverse_depth(relative)


METRIC_HEADS = {"kitti": MetricHead(0.00006016, 0.00579), "nyu": MetricHead(0.000305, 0.1378)}
"""The constants of the DPT-Hybrid weights that were fine-tuned on KITTI (r = 0 is 172.7 m) and on NYUv2 (7.26 m)."""
METRIC_HEAD_HELP = (
    "Metres of a network of relative depth, 1 / max(SCALE r + SHIFT, 1e-8): of a published DPT file, which does not hold them, "
    f"{', '.join(METRIC_HEADS)} (their fine-tuned weights), or SCALE,SHIFT in 1/metres."
)


def metric_head(text: str) -> MetricHead:
    """A name of METRIC_HEADS, or "SCALE,SHIFT". Raises NetworkError."""
    if text in METRIC_HEADS:
        return METRIC_HEADS[text]
    try:
        scale, shift = map(float, text.split(","))
    except ValueError:
        scale = shift = math.nan
    if not (0 < scale < math.inf and math.isfinite(shift)):
        raise NetworkError(
            f"--metric_head {text}: must be {' or '.join(METRIC_HEADS)}, or a positive scale and a shift such as 0.00006,0.0058"
        )
    return MetricHead(scale, shift)
