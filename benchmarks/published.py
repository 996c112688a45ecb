"""The published kind of pipeline, written anew to be timed: all pixels are worked on in PIL, one image at a time.

Each of three JPEGs is decoded, perhaps mirrored, resized to four sizes each from the one before, and each size is
converted to a float tensor twice: plain and with colours jittered anew.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import ColorJitter
from torchvision.transforms.functional import to_tensor

from benchmarks.stopwatch import Stopwatch

SIZES = 4
JITTER = ColorJitter(brightness=(0.8, 1.2), contrast=(0.8, 1.2), saturation=(0.8, 1.2), hue=(-0.1, 0.1))


class PublishedPipeline:
    """Samples of a folder of frames, as dictionaries of float tensors."""

    def __init__(self, files: Sequence[Path], height: int, width: int, stopwatch: Stopwatch, seed: int = 0) -> None:
        self.files, self.height, self.width, self.stopwatch = files, height, width, stopwatch
        self.rng = np.random.default_rng(seed)

    def sample(self, index: int) -> dict[tuple[str, int, int], torch.Tensor]:
        """Frames index - 1, index, index + 1 at four sizes, plain and jittered."""
        flip, jitter = self.rng.random(2) < 0.5
        sample = {}
        for offset in (0, -1, 1):
            image = self._open(index + offset, flip)
            for size in range(SIZES):
                with self.stopwatch("resize"):
                    image = image.resize((self.width >> size, self.height >> size), Image.Resampling.LANCZOS)
                with self.stopwatch("jitter"):
                    jittered = JITTER(image) if jitter else image
                with self.stopwatch("convert"):
                    sample["plain", offset, size] = to_tensor(image)
                    sample["jittered", offset, size] = to_tensor(jittered)
        return sample

    def _open(self, index: int, flip: bool) -> Image.Image:
        with self.stopwatch("read"):
            content = self.files[index].read_bytes()
        with self.stopwatch("decode"):
            image = Image.open(io.BytesIO(content)).convert("RGB")
            return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else image
