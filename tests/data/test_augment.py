"""Flip, jitter and pyramid on the device, against Pillow, torchvision and the published data set."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as tv
from PIL import Image

from litemono.data import augment
from litemono.data.batch import Batch
from litemono.data.resample import halvings
from litemono.data.splits import read_split
from litemono.data.stores.folder import open_store
from litemono.data.triplets import TripletDataset, draw_augmentation

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
NO_JITTER = torch.tensor([1.0, 1, 1, 0])


def random_batch(batch: int = 4, frames: int = 3, height: int = 64, width: int = 96, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    draws = [draw_augmentation(seed, 0, index, frames, "per_image") for index in range(batch)]
    return Batch(
        frames=torch.randint(0, 256, (batch, frames, 3, height, width), dtype=torch.uint8, generator=generator),
        intrinsics=torch.tensor([[0.58, 1.92, 0.5, 0.5]]).repeat(batch, 1),
        flip=torch.arange(batch) % 2 == 1,
        jitter=torch.from_numpy(np.stack([draw.jitter for draw in draws])).float(),
        jitter_order=torch.from_numpy(np.stack([draw.order for draw in draws])),
        baseline=torch.linspace(-0.1, 0.1, batch),
        depth=torch.empty(batch, 0, 0),
        line=torch.arange(batch),
    )


# ---------------------------------------------------------------- against the published data set


CASES = {"plain": ("l", (0, -1, 1)), "flip": ("l", (0, -1, 1)), "stereo_l": ("l", (0,)), "stereo_l_flip": ("l", (0,))}
CASES["stereo_r"] = ("r", (0,))


@pytest.mark.parametrize("case", CASES)
def test_every_level_is_the_published_one_to_the_bit(parity, case):
    golden = json.loads((parity / "data_loading.json").read_text())["items"][case]
    side, frame_ids = CASES[case]
    lines = [line for line in read_split(parity / "mini_kitti" / "split.txt") if line.side == side]
    store, stereo = open_store("kitti", parity / "mini_kitti", True, 192, 640), "stereo" in case
    data = TripletDataset(store, lines, frame_ids, stereo, "published", "off", 0, training=True)
    epoch = next(epoch for epoch in range(20) if bool(data[epoch, 0].flip) == ("flip" in case))
    views = augment.prepare(batch_of(data[epoch, 0]), "cpu", (0, 1, 2, 3), all_frames=True)

    names = [*map(str, frame_ids), *(["'s'"] if stereo else [])]
    for f, name in enumerate(names):
        for scale in range(4):
            levels = (views.pyramid[scale][0, f] * 255).round().to(torch.uint8).numpy()
            assert zlib.crc32(levels.tobytes()) == golden["crc32_uint8"][f"('color', {name}, {scale})"], (name, scale)
    K = torch.from_numpy(np.load(parity / "data_loading.npz")["K_0"][:3, :3])
    torch.testing.assert_close(views.K[0], K)
    expected = torch.eye(4)
    expected[0, 3] = golden.get("stereo_T_03", 0.0)
    assert torch.equal(views.stereo_T[0], expected)


def batch_of(sample: Batch) -> Batch:
    return Batch(*(tensor[None] for tensor in sample))


# ---------------------------------------------------------------- pyramid


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("kind", ["noise", "black and white"])
@pytest.mark.parametrize("height, width", [(192, 640), (96, 160), (24, 32)])
def test_halvings_are_pillows_lanczos_to_the_bit(height, width, kind, tf32, device):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if kind == "black and white":  # the largest overshoot there is
        pixels = np.where(pixels > 127, np.uint8(255), np.uint8(0))
    images = torch.from_numpy(pixels).permute(2, 0, 1).to(device)
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        with torch.autocast(device, dtype=torch.bfloat16):
            levels = halvings(images, 3)
    finally:
        torch.set_float32_matmul_precision(precision)
    expected = Image.fromarray(pixels)
    for level in levels:
        expected = expected.resize((expected.width // 2, expected.height // 2), Image.Resampling.LANCZOS)
        np.testing.assert_array_equal(level.permute(1, 2, 0).cpu(), np.asarray(expected))


def test_the_pyramid_below_full_size_holds_the_target_alone_unless_asked():
    batch = random_batch()
    views = augment.prepare(batch, "cpu", (0, 1, 2), all_frames=False)
    everything = augment.prepare(batch, "cpu", (0, 1, 2), all_frames=True)
    assert [tuple(level.shape) for level in views.pyramid] == [(4, 3, 3, 64, 96), (4, 1, 3, 32, 48), (4, 1, 3, 16, 24)]
    assert [level.shape[1] for level in everything.pyramid] == [3, 3, 3]
    for level, full in zip(views.pyramid, everything.pyramid, strict=True):
        assert torch.equal(level[:, 0], full[:, 0])
    assert [tuple(level.shape[-2:]) for level in augment.prepare(batch, "cpu", (0,), False).pyramid] == [(64, 96)]


# ---------------------------------------------------------------- flip


@pytest.mark.parametrize("device", DEVICES)
def test_each_sample_is_flipped_as_it_says(device):
    batch = random_batch()
    color = augment.prepare(batch, device, (0,), False).color.cpu()
    expected = batch.frames.float() / 255
    expected[1::2] = expected[1::2].flip(-1)
    assert torch.equal(color, expected)


# ---------------------------------------------------------------- colour jitter


def one_by_one(image, factors, order):
    """torchvision's own functions, on a float tensor or a Pillow image."""
    adjust = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    for k in order.tolist():
        image = adjust[k](image, float(factors[k]))
    return image


def drawn_factors(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    draws = (draw_augmentation(0, 0, index, 1, "per_image") for index in range(10 * count))
    draws = [draw for draw in draws if (draw.jitter != [1, 1, 1, 0]).any()][:count]
    stacked = (
        torch.from_numpy(np.concatenate(part)) for part in zip(*((d.jitter, d.order) for d in draws), strict=True)
    )
    factors, order = stacked
    return factors.float(), order


def colourful(count: int) -> torch.Tensor:
    """(count, 3, 48, 64) uint8: noise, with grey, black, white and saturated stripes, where a hue is degenerate."""
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 3, 48, 64), dtype=np.uint8))
    images[..., 0:4] = images[:, :1, :, 0:4]
    images[..., 4:6], images[..., 6:8] = 0, 255
    images[:, 0, :, 8:10] = 255
    images[:, 1:, :, 10:12] = 0
    return images


@pytest.mark.parametrize("device", DEVICES)
def test_jitter_is_torchvisions_image_by_image(device):
    images, (factors, order) = colourful(40).float() / 255, drawn_factors(40)
    result = augment.color_jitter(images.to(device), factors.to(device), order.to(device)).cpu()
    expected = torch.stack([one_by_one(*each) for each in zip(images, factors, order, strict=True)])
    # float32 rounding (0.0005 of a level seen); hue divides by the chroma, so a grey noise of 1e-7 is amplified
    torch.testing.assert_close(result, expected, rtol=0, atol=0.01 / 255)
    assert len(torch.unique(order, dim=0)) > 15


@pytest.mark.parametrize("operation, most, mean", [(0, 1.1, 0.6), (1, 1.1, 0.6), (2, 1.2, 0.6), (3, 20, 1.0)])
def test_jitter_is_near_pillows_as_published(operation, most, mean):
    """Pillow truncates to whole levels after each operation, and its hue has 8 bits: noise shows up to 17 levels there
    (a real street 10, mean 0.13)."""
    images, (factors, order) = colourful(10), drawn_factors(10)
    factors = torch.where(torch.arange(4) == operation, factors, NO_JITTER)
    result = augment.color_jitter(images.float() / 255, factors, order) * 255
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    pictures = [one_by_one(p, f, torch.tensor([operation])) for p, f in zip(pictures, factors, strict=True)]
    expected = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
    difference = (result - expected).abs()
    assert difference.max() < most and difference.mean() < mean


@pytest.mark.parametrize("device", DEVICES)
def test_only_the_networks_images_are_jittered_and_only_where_asked(device):
    batch = random_batch(batch=6)
    batch.jitter[3], batch.jitter[4] = NO_JITTER, torch.tensor([1.2, 0.8, 1.1, 0.05])
    views = augment.prepare(batch, device, (0,), False)
    plain = (batch.jitter == NO_JITTER).all(-1)
    assert 0 < plain.sum() < plain.numel()
    for b in range(6):
        for f in range(3):
            color, jittered = views.color[b, f].cpu(), views.color_aug[b, f].cpu()
            assert torch.equal(color, jittered) == bool(plain[b, f])
            expected = one_by_one(color, batch.jitter[b, f], batch.jitter_order[b, f])
            torch.testing.assert_close(jittered, expected, rtol=0, atol=0.01 / 255)


def test_without_jitter_nothing_is_computed():
    batch = random_batch()._replace(jitter=NO_JITTER.expand(4, 3, 4))
    views = augment.prepare(batch, "cpu", (0,), False)
    assert views.color_aug.data_ptr() == views.color.data_ptr() == views.pyramid[0].data_ptr()


def test_a_recorded_step_jitters_the_same_images_in_the_same_way():
    batch = random_batch()
    images, factors, order = batch.frames.flatten(0, 1).float() / 255, batch.jitter.flatten(0, 1), batch.jitter_order
    chosen, every = (f(images, factors, order.flatten(0, 1)) for f in (augment._jitter_chosen, augment._jitter_all))
    assert torch.equal(chosen, every)


def test_jittered_images_stay_in_range():
    factors = torch.tensor([[1.2, 1.2, 1.2, 0.1], [0.8, 0.8, 0.8, -0.1]]).repeat(5, 1)
    result = augment.color_jitter(colourful(10).float() / 255, factors, torch.tensor([[3, 0, 1, 2]]).repeat(10, 1))
    assert result.min() >= 0 and result.max() <= 1 + 1e-6


# ---------------------------------------------------------------- camera


def test_k_is_in_pixels_of_the_training_size():
    batch = random_batch(height=192, width=640)._replace(intrinsics=torch.tensor([[0.5, 2.0, 0.4, 0.6]] * 4))
    K = augment.prepare(batch, "cpu", (0,), False).K
    torch.testing.assert_close(K[0], torch.tensor([[320.0, 0, 256], [0, 384, 115.2], [0, 0, 1]]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_preparing_a_pinned_batch_never_waits_for_the_gpu():
    batch = Batch(*(tensor.pin_memory() for tensor in random_batch()))
    augment.prepare(batch, "cuda", (0, 1, 2), True)  # uploads the resize matrices once
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        augment.prepare(batch, "cuda", (0, 1, 2), True)
    finally:
        torch.cuda.set_sync_debug_mode("default")
