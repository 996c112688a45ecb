"""Image and depth stay together under every augmentation, and it is a function of the sample's numbers alone."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from litemono.data import augment_depth
from litemono.data.augment_depth import PRESETS, plain_views, training_views
from litemono.data.depth_samples import NUMBERS, DepthBatch

H, W = 24, 40


def batch(count: int = 6, seed: int = 0) -> DepthBatch:
    """Depth that the image shows: red is the column, green the row, depth 1 + red + 100 green."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    image = torch.stack([columns, rows, torch.full_like(rows, 7)]).to(torch.uint8).repeat(count, 1, 1, 1)
    depth = (1 + columns + 100.0 * rows).repeat(count, 1, 1)
    numbers = torch.rand(count, NUMBERS, generator=generator)
    return DepthBatch(image, depth, torch.arange(count) % 2, numbers, torch.empty(count, 0, 0),
                      torch.zeros(count, 2, dtype=torch.int64), torch.arange(count))  # fmt: skip


@pytest.mark.parametrize("name", ["midas", "dpt", "lite-mono"])
def test_crop_and_flip_take_the_same_pixels_of_image_and_depth(name, monkeypatch):
    monkeypatch.setitem(PRESETS, name, PRESETS[name]._replace(colour=0.0))
    views = training_views(batch(), "cpu", name, (16, 24))
    red, green = (views.image[:, :2] * 255).round().unbind(1)
    assert views.image.shape == (6, 3, 16, 24) and torch.equal(views.target, 1 + red + 100 * green)
    steps = red[:, 0, 1] - red[:, 0, 0]
    assert set(steps.tolist()) == {-1.0, 1.0}, "some are mirrored, some not"
    assert len({(float(r[0, 0]), float(g[0, 0])) for r, g in zip(red, green, strict=True)}) > 3, "at different places"


def test_rotated_depth_is_never_an_average():
    """Every value is one of the original's, and the bilinear image is within a pixel of it."""
    data = batch()
    views = training_views(data, "cpu", "bts-nyu", (16, 24))
    known = views.target > 0
    assert set(views.target[known].tolist()) <= set(data.target.flatten().tolist())
    plain = augment_depth._window(data.image, data.target[:, None], data.numbers, PRESETS["bts-nyu"], 16, 24)[0] * 255
    row, column = (views.target - 1).div(100, rounding_mode="floor"), (views.target - 1) % 100
    inside = known & (row > 0) & (row < H - 1) & (column > 0) & (column < W - 1)
    assert ((plain[:, 0] - column)[inside].abs() <= 0.51).all() and ((plain[:, 1] - row)[inside].abs() <= 0.51).all()
    assert (column[:, 1:] - column[:, :-1]).unique().numel() > 2, "it is turned"


def test_a_rotation_is_that_of_pillow():
    """BTS turns with Image.rotate, counter-clockwise; the same in the middle of the picture to an eighth of a level."""
    generator = torch.Generator().manual_seed(0)
    data = batch(2)
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 4, 6, generator=generator), (H, W), mode="bicubic")
    data = data._replace(image=(smooth.clamp(0, 1) * 255).to(torch.uint8))
    preset = augment_depth.Preset(turn=5.0)
    turned = augment_depth._turned(
        data.image,
        data.target[:, None],
        data.numbers,
        preset,
        torch.arange(W).repeat(2, 1).float(),
        torch.arange(H).repeat(2, 1).float(),
    )
    for image, result, number in zip(data.image, turned[0], data.numbers[:, augment_depth.TURN].tolist(), strict=True):
        pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).rotate((2 * number - 1) * 5, Image.Resampling.BILINEAR)
        expected = torch.frombuffer(bytearray(pillow.tobytes()), dtype=torch.uint8).view(H, W, 3).permute(2, 0, 1)
        assert (result * 255 - expected)[:, 6:-6, 6:-6].abs().max() <= 1.01, "Pillow rounds to whole levels"


@pytest.mark.parametrize("name", PRESETS)
def test_a_sample_gets_the_same_view_in_any_batch(name):
    data = batch()
    together = training_views(data, "cpu", name, (16, 24))
    for i in range(6):
        alone = training_views(DepthBatch(*(tensor[i : i + 1] for tensor in data)), "cpu", name, (16, 24))
        assert torch.equal(alone.target[0], together.target[i])
        torch.testing.assert_close(alone.image[0], together.image[i], rtol=0, atol=1e-6)
    assert together.image.min() >= 0 and together.image.max() <= 1


def test_nothing_and_validation_leave_everything_as_it_is():
    data = batch()
    for views in (training_views(data, "cpu", "none", (16, 24)), plain_views(data, "cpu")):
        assert torch.equal(views.target, data.target) and torch.equal(views.image, data.image.float() / 255)


def test_colours_change_half_of_the_images_within_the_published_ranges():
    data = batch(400)._replace(image=torch.full((400, 3, H, W), 128, dtype=torch.uint8))
    image = training_views(data, "cpu", "bts", (8, 8)).image[:, :, 4, 4]
    changed = (image - 128 / 255).abs().amax(1) > 1e-6
    assert 160 < changed.sum() < 240
    grey = 128 / 255
    assert image.min() >= grey**1.1 * 0.9 * 0.9 - 1e-6 and image.max() <= grey**0.9 * 1.1 * 1.1 + 1e-6
