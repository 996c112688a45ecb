"""The data set: (t, t-1, t+1, ...) as uint8, with everything the training device needs to augment it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from litemono.data.batch import Batch, Key, Originals
from litemono.data.intrinsics import Intrinsics, normalised_intrinsics
from litemono.data.sampler import AUGMENTATION, philox_words
from litemono.data.settings import ColorJitter
from litemono.data.splits import FrameName, SplitLine, sample_frames
from litemono.data.stores.base import SizedStore

# The published stand-in for KITTI's 0.54 m between the cameras.
BASELINE = {"l": -0.1, "r": 0.1}
# brightness, contrast, saturation as factors, hue as a fraction of the colour circle: low and high ends.
JITTER_LOW = np.array([0.8, 0.8, 0.8, -0.1])
JITTER_HIGH = np.array([1.2, 1.2, 1.2, 0.1])
NO_JITTER = np.array([1.0, 1.0, 1.0, 0.0])
RUN = 12  # frames resized together: more would take more memory on the device, fewer more time


class Draw(NamedTuple):
    """The random part of one sample."""

    flip: bool
    jitter: np.ndarray  # (F, 4) float64
    order: np.ndarray  # (F, 4) int64


def draw_augmentation(seed: int, epoch: int, index: int, num_frames: int, color_jitter: ColorJitter) -> Draw:
    """Flip and jitter as a function of (seed, epoch, index) alone, so resuming needs no random state."""
    words = philox_words(2 + 8 * num_frames, seed, AUGMENTATION, epoch, index)
    uniform = (words >> np.uint64(11)) * 2.0**-53
    flip, jittered = bool(uniform[0] < 0.5), bool(uniform[1] < 0.5) and color_jitter != "off"
    if not jittered:
        return Draw(flip, np.tile(NO_JITTER, (num_frames, 1)), np.tile(np.arange(4), (num_frames, 1)))
    per_frame = uniform[2:].reshape(num_frames, 2, 4)
    if color_jitter == "per_triplet":
        per_frame = np.broadcast_to(per_frame[:1], per_frame.shape)
    jitter = JITTER_LOW + (JITTER_HIGH - JITTER_LOW) * per_frame[:, 0]
    return Draw(flip, jitter, np.argsort(per_frame[:, 1], axis=1, kind="stable"))


class TripletDataset:
    """Samples of a split.  Keys are (epoch, index): the epoch decides the augmentation."""

    def __init__(
        self,
        store: SizedStore,
        lines: Sequence[SplitLine],
        frame_ids: Sequence[int],
        use_stereo: bool,
        intrinsics: str,
        color_jitter: ColorJitter,
        seed: int,
        training: bool,
        read_depth: Callable[[SplitLine], np.ndarray] | None = None,
    ) -> None:
        """intrinsics: "published", "calib" or "fx,fy,cx,cy"; training: flip and jitter.

        read_depth: (h, w) float32 metres of a sample, 0 = unknown, all of one size; None: no depth in the batches.
        """
        self.store, self.lines = store, list(lines)
        self.frame_ids, self.use_stereo = tuple(frame_ids), use_stereo
        self.color_jitter, self.seed = color_jitter, seed
        self.training, self.read_depth = training, read_depth
        self._mirror_cx = intrinsics != "published" or "published" not in store.dataset.intrinsics
        # One camera for each folder and side, read here so that a bad calibration stops the run at its start.
        first = {(line.folder, line.side): line for line in reversed(self.lines)}
        self._intrinsics = {key: normalised_intrinsics(intrinsics, store, line) for key, line in first.items()}

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def lossy(self) -> str:
        return self.store.lossy

    def __getitem__(self, key: Key) -> Batch:
        """One sample: a batch's entry without its first dimension."""
        return Batch(*(tensor[0] for tensor in self.batch([key])))

    def batch(self, keys: Sequence[Key], pin: bool = False) -> Batch:
        """The samples of `keys`, read straight into the batch's memory; pin: into pages that a GPU copies from."""
        shape = (len(keys), self.num_frames, 3, self.store.height, self.store.width)
        frames = torch.empty(shape, dtype=torch.uint8, pin_memory=pin)
        for planes, (_, index) in zip(frames.numpy(), keys, strict=True):
            for target, frame in zip(planes, self.frames_of(index), strict=True):
                self.store.read_planes(*frame, target)
        return self._batch(keys, frames, pin)

    def to_send(self, keys: Sequence[Key]) -> Batch | Originals:
        """The samples in pinned memory; of images in files as they are there, for the GPU to resize."""
        return (self.originals if self.store.holds_originals else self.batch)(keys, pin=True)

    def originals(self, keys: Sequence[Key], pin: bool = False) -> Originals:
        """The same samples with frames as they are on disk, for a GPU to resize: most of the work of reading images."""
        images = [self.store.read_original(*frame) for _, index in keys for frame in self.frames_of(index)]
        runs = []
        for _, same in groupby(images, key=np.shape):
            alike = list(same)
            for first in range(0, len(alike), RUN):
                part = alike[first : first + RUN]
                run = torch.empty((len(part), *part[0].shape), dtype=torch.uint8, pin_memory=pin)
                np.stack(part, out=run.numpy())
                runs.append(run)
        shape = (len(keys), self.num_frames, 3, self.store.height, self.store.width)
        return Originals(self._batch(keys, torch.empty(0, dtype=torch.uint8), pin), runs, shape)

    def _batch(self, keys: Sequence[Key], frames: Tensor, pin: bool) -> Batch:
        """`frames` with everything else."""
        lines = [self.lines[index] for _, index in keys]
        draws = [self._draw(epoch, index) for epoch, index in keys]
        both = list(zip(lines, draws, strict=True))
        rest = (
            torch.tensor([self._camera(line, draw.flip) for line, draw in both], dtype=torch.float32),
            torch.tensor([draw.flip for draw in draws]),
            torch.from_numpy(np.stack([draw.jitter for draw in draws]).astype(np.float32)),
            torch.from_numpy(np.stack([draw.order for draw in draws])),
            torch.tensor([self._baseline(line, draw.flip) for line, draw in both]),
            torch.from_numpy(np.stack([self._read_depth(line, draw.flip) for line, draw in both])),
            torch.tensor([index for _, index in keys]),
        )
        return Batch(frames, *(tensor.pin_memory() if pin else tensor for tensor in rest))

    @property
    def num_frames(self) -> int:
        return len(self.frame_ids) + self.use_stereo

    def _draw(self, epoch: int, index: int) -> Draw:
        if self.training:
            return draw_augmentation(self.seed, epoch, index, self.num_frames, self.color_jitter)
        return draw_augmentation(self.seed, epoch, index, self.num_frames, "off")._replace(flip=False)

    def frames_of(self, index: int) -> list[FrameName]:
        return sample_frames(self.lines[index], self.frame_ids, self.use_stereo, self.store.neighbour)

    def _baseline(self, line: SplitLine, flip: bool) -> float:
        if not self.use_stereo:
            return 0.0
        return -BASELINE[line.side] if flip else BASELINE[line.side]

    def _camera(self, line: SplitLine, flip: bool) -> Intrinsics:
        fx, fy, cx, cy = self._intrinsics[line.folder, line.side]
        if flip and self._mirror_cx:  # the published K stays as it is under a flip
            cx = (self.store.width - 1) / self.store.width - cx
        return fx, fy, cx, cy

    def _read_depth(self, line: SplitLine, flip: bool) -> np.ndarray:
        if self.read_depth is None:
            return np.empty((0, 0), np.float32)
        depth = self.read_depth(line)
        return np.ascontiguousarray(depth[:, ::-1]) if flip else depth
