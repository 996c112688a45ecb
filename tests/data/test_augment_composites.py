"""Augmentation of composites: the target follows the picture, and nothing depends on how often or by whom it is computed."""

from __future__ import annotations

import pytest
import torch

from litemono.data.augment_composites import CUT, FLIP, plain_views, training_views
from litemono.data.composite_samples import NUMBERS, CompositeBatch


@pytest.fixture
def batch() -> CompositeBatch:
    g = torch.Generator().manual_seed(0)
    pictures = [torch.randint(0, 256, (6, 3, 16, 24), dtype=torch.uint8, generator=g) for _ in range(2)]
    mask, depth = (torch.randint(0, top, (6, 16, 24), dtype=torch.uint8, generator=g) for top in (2, 256))
    return CompositeBatch(*pictures, mask, depth, torch.rand(6, NUMBERS, generator=g), torch.arange(6))


def test_flip_mirrors_all_four_and_changes_nothing_else(batch):
    plain, views = plain_views(batch, "cpu"), training_views(batch, "cpu", "flip")
    flipped = batch.numbers[:, FLIP] < 0.5
    assert flipped.any() and not flipped.all()
    for before, after in zip(plain, views, strict=True):
        assert torch.equal(after[flipped], before[flipped].flip(-1)) and torch.equal(after[~flipped], before[~flipped])


def test_colours_change_in_both_pictures_alike_and_never_in_mask_and_depth(batch):
    same = batch._replace(picture=batch.background)
    flipped, views = training_views(same, "cpu", "flip"), training_views(same, "cpu", "jitter")
    assert torch.equal(views.background, views.picture) and not torch.equal(views.picture, flipped.picture)
    assert torch.equal(views.mask, flipped.mask) and torch.equal(views.depth, flipped.depth)


def test_the_rectangle_is_grey_in_both_pictures(batch):
    before, after = training_views(batch, "cpu", "jitter"), training_views(batch, "cpu", "jitter-cutout")
    cut = (before.picture != after.picture).any(1) | (before.background != after.background).any(1)
    assert cut[batch.numbers[:, CUT] < 0.5].any() and not cut[batch.numbers[:, CUT] >= 0.5].any()
    for views in (after.picture, after.background):
        assert (views.permute(0, 2, 3, 1)[cut] == 0.5).all()
    assert torch.equal(before.mask, after.mask) and torch.equal(before.depth, after.depth)


def test_a_view_does_not_depend_on_its_neighbours(batch):
    alone = CompositeBatch(*(tensor[2:3] for tensor in batch))
    for whole, one in zip(
        training_views(batch, "cpu", "jitter-cutout"), training_views(alone, "cpu", "jitter-cutout"), strict=True
    ):
        torch.testing.assert_close(whole[2:3], one, rtol=0, atol=1e-6)
