"""What the loader hands over: batches of frames, resized or still at their original size."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from litemono.data.resample import resize

Key = tuple[int, int]  # epoch, line of the split


class Batch(NamedTuple):
    """What the loader hands over; one sample is the same without B.  F frames: `frame_ids`, then the other camera."""

    frames: Tensor  # (B, F, 3, H, W) uint8, as stored: flip and jitter are still to be applied
    intrinsics: Tensor  # (B, 4) float32 fx/W, fy/H, cx/W, cy/H, of the flipped image where `flip`
    flip: Tensor  # (B,) bool
    jitter: Tensor  # (B, F, 4) float32 brightness, contrast, saturation, hue; (1, 1, 1, 0) is none
    jitter_order: Tensor  # (B, F, 4) int64: the order in which these four apply
    baseline: Tensor  # (B,) float32 x of the other camera's stereo_T, of the flipped image; 0 without stereo
    depth: Tensor  # (B, h, w) float32 metres, 0 = unknown, of the flipped image; (B, 0, 0) if not asked for
    line: Tensor  # (B,) int64 line of the split, from 0

    def on(self, device: torch.device | str) -> Batch:
        """The batch with its frames on `device`; never waits for a GPU."""
        return self._replace(frames=self.frames.to(device, non_blocking=True))


class Originals(NamedTuple):
    """A batch whose frames are still to be resized."""

    batch: Batch  # without frames
    runs: list[Tensor]  # (n, h, w, 3) uint8: all frames of the batch in order, n of one size together
    shape: tuple[int, int, int, int, int]  # (B, F, 3, H, W) of the frames when they are resized

    def on(self, device: torch.device | str) -> Batch:
        """The batch with its frames on `device`; never waits for a GPU."""
        height, width = self.shape[-2:]
        runs = (run.to(device, non_blocking=True).permute(0, 3, 1, 2).contiguous() for run in self.runs)
        frames = torch.cat([resize(run, height, width) for run in runs])
        return self.batch._replace(frames=frames.view(self.shape))
