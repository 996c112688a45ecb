"""Flip, colour jitter and image pyramid of a whole batch at once, on the training device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from litemono.data.batch import Batch
from litemono.data.resample import halvings

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
LUMA = (0.2989, 0.587, 0.114)  # ITU-R 601, as torchvision


class Views(NamedTuple):
    """A batch as the model sees it; everything is flipped where the batch says so, images are float32 in [0, 1]."""

    color: Tensor  # (B, F, 3, H, W) without jitter: what the loss compares
    color_aug: Tensor  # (B, F, 3, H, W) with jitter: what the networks see
    pyramid: list[
        Tensor
    ]  # [s]: (B, F or 1, 3, H/2^s, W/2^s) without jitter; [0] is color, the rest has the target first
    K: Tensor  # (B, 3, 3) pixels at (H, W)
    stereo_T: Tensor  # (B, 4, 4) from the target camera to the other camera of the pair


@torch.no_grad()
def prepare(batch: Batch, device: torch.device | str, scales: Sequence[int], all_frames: bool) -> Views:
    """Move a batch of the loader to the device and make its views; never waits for a GPU.

    all_frames: the pyramid below full size holds all frames, as v1_multiscale needs, instead of the target alone.
    """
    device = torch.device(device)
    frames, flip = _to(batch.frames, device), _to(batch.flip, device)
    frames = torch.where(flip[:, None, None, None, None], frames.flip(-1), frames)
    color = frames.float() / 255
    levels = halvings(frames if all_frames else frames[:, :1], max(scales))
    return Views(
        color=color,
        color_aug=_jitter_batch(color, batch.jitter, batch.jitter_order),
        pyramid=[color, *(level.float() / 255 for level in levels)],
        K=_camera_matrix(_to(batch.intrinsics, device), *frames.shape[-2:]),
        stereo_T=_stereo_matrix(_to(batch.baseline, device)),
    )


def _to(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, non_blocking=True)


def _camera_matrix(intrinsics: Tensor, height: int, width: int) -> Tensor:
    """(B, 3, 3) pixels from (B, 4) normalised."""
    fx, fy, cx, cy = intrinsics.unbind(1)
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    rows = (fx * width, zero, cx * width, zero, fy * height, cy * height, zero, zero, one)
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def _stereo_matrix(baseline: Tensor) -> Tensor:
    """(B, 4, 4) translation by (B,) along x."""
    matrix = torch.eye(4, device=baseline.device).repeat(len(baseline), 1, 1)
    matrix[:, 0, 3] = baseline
    return matrix


# ---------------------------------------------------------------- colour jitter


def _jitter_batch(color: Tensor, jitter: Tensor, order: Tensor) -> Tensor:
    """(B, F, 3, H, W) with the images jittered whose factors ask for it.

    The factors of the loader lie in host memory, so choosing the images costs no wait for the device. In a recorded step
    (engine/graphed_step.py) they lie on the device, where no shape may depend on a value.
    """
    images, factors, order = color.flatten(0, 1), jitter.flatten(0, 1), order.flatten(0, 1)
    jittered = _jitter_chosen if factors.device.type == "cpu" else _jitter_all
    return jittered(images, factors, order).view_as(color)


def _changes(factors: Tensor) -> Tensor:
    """(N,) bool: which images the factors (N, 4) change."""
    neutral = torch.ones(4, device=factors.device)
    neutral[HUE] = 0
    return (factors != neutral).any(dim=1)


def _jitter_chosen(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Computes only the images that change; factors and order in host memory."""
    rows = _changes(factors).nonzero().squeeze(1)
    if not len(rows):
        return images
    device_rows, factors, order = (_pinned_to(t, images.device) for t in (rows, factors[rows], order[rows]))
    return images.index_copy(0, device_rows, color_jitter(images.index_select(0, device_rows), factors, order))


def _jitter_all(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """The same with all on the device: computes every image and keeps those that do not change as they were."""
    return torch.where(_changes(factors)[:, None, None, None], color_jitter(images, factors, order), images)


def _pinned_to(tensor: Tensor, device: torch.device) -> Tensor:
    """To the device without waiting: copies from ordinary host memory would."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return _to(tensor, device)


def color_jitter(images: Tensor, factors: Tensor, order: Tensor) -> Tensor:
    """Brightness, contrast, saturation and hue of each image by its own factors in its own order.

    images: (N, 3, H, W) in [0, 1]; factors: (N, 4); order: (N, 4) permutations of 0..3 in the order of the factors.
    The same as torchvision's adjust_* on float images one by one.  Three of the four are a blend with a reference
    and cost little; so all images go through "blends before the hue, hue, blends after" together, and a blend that
    is not an image's turn has factor 1.
    """
    position = torch.arange(4, device=images.device)
    is_hue = order == HUE
    hue_position = (is_hue * position).sum(1, keepdim=True)
    factor = factors.gather(1, order).masked_fill(is_hue, 1.0)
    before = torch.where(position < hue_position, factor, 1.0)
    after = torch.where(position > hue_position, factor, 1.0)
    for p in range(3):  # the hue comes at the latest fourth
        images = _blend(images, before[:, p], order[:, p])
    images = _shift_hue(images, factors[:, HUE])
    for p in range(1, 4):
        images = _blend(images, after[:, p], order[:, p])
    return images


def _blend(images: Tensor, factor: Tensor, kind: Tensor) -> Tensor:
    """factor * image + (1 - factor) * reference: black, the image's mean grey, or its grey version.

    images: (N, 3, H, W); factor, kind: (N,); kind HUE must have factor 1.
    """
    red, green, blue = images.unbind(1)
    grey = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)
    factor, kind = factor.view(-1, 1, 1, 1), kind.view(-1, 1, 1, 1)
    mean = grey.mean(dim=(2, 3), keepdim=True) * (kind == CONTRAST)
    reference = torch.addcmul(mean, grey, (kind == SATURATION).to(grey.dtype))
    return torch.addcmul(reference * (1 - factor), images, factor).clamp_(0, 1)


def _shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of (N, 3, H, W) by (N,) of the colour circle; value and saturation stay.

    With value v, chroma c and hue h in sixths of the circle, channel n is v - c * clamp(min(k, 4 - k), 0, 1) where
    k = (n + h) mod 6 and n = 5, 3, 1 for red, green, blue.
    """
    red, green, blue = images.unbind(1)
    value, low = images.amax(1), images.amin(1)
    chroma = value - low
    safe = torch.where(chroma > 0, chroma, 1.0)
    hue = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = hue + 6 * shift.view(-1, 1, 1)
    k = torch.remainder(torch.stack([hue + 5, hue + 3, hue + 1], dim=1), 6)
    return value.unsqueeze(1) - chroma.unsqueeze(1) * torch.minimum(k, 4 - k).clamp_(0, 1)
