"""The Lite-Mono variants as numbers. Zhang et al., CVPR 2023, table 1. Does not import torch."""

from __future__ import annotations

from typing import NamedTuple


class Variant(NamedTuple):
    """One row of the paper's table 1. A stage is one DilatedBlock per dilation, then one AttentionBlock."""

    widths: tuple[int, int, int]
    dilations: tuple[tuple[int, ...], ...]
    dilations_320x1024: tuple[tuple[int, ...], ...]

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks per stage."""
        return tuple(len(stage) + 1 for stage in self.dilations)


_D3, _D5 = (1, 2, 3), (1, 2, 5)  # the last stage ends on the same pattern at twice the reach

# The first set of dilations is the 192x640 one; it serves every size but 320x1024.
VARIANTS = {
    "lite-mono": Variant((48, 80, 128), (_D3, _D3, _D3 * 2 + (2, 4, 6)), (_D5, _D5, _D5 * 2 + (2, 4, 10))),
    "lite-mono-small": Variant((48, 80, 128), (_D3, _D3, _D3 + (2, 4, 6)), (_D5, _D5, _D5 + (2, 4, 10))),
    "lite-mono-tiny": Variant((32, 64, 128), (_D3, _D3, _D3 + (2, 4, 6)), (_D5, _D5, _D5 + (2, 4, 10))),
    "lite-mono-8m": Variant((64, 128, 224), (_D3, _D3, _D3 * 2 + (2, 4, 6)), (_D3, _D3, _D3 * 2 + (2, 4, 6))),
}
