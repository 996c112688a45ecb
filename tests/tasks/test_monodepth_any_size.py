"""The photometric objective on images whose size does not halve evenly."""

from __future__ import annotations

import pytest
import torch

import networks
from litemono.data.augment import Views, prepare
from litemono.data.triplets import Batch
from litemono.tasks.monodepth.model import DepthPoseModel, scaled_to
from litemono.tasks.monodepth.settings import LossConfig

HEIGHT, WIDTH = 38, 122


def views(all_frames: bool, batch: int = 2) -> Views:
    generator = torch.Generator().manual_seed(0)
    return prepare(
        Batch(
            frames=torch.randint(0, 256, (batch, 3, 3, HEIGHT, WIDTH), dtype=torch.uint8, generator=generator),
            intrinsics=torch.tensor([0.58, 1.92, 0.5, 0.5]).repeat(batch, 1),
            flip=torch.tensor([False, True]),
            jitter=torch.tensor([1.1, 0.9, 1.2, 0.05]).repeat(batch, 3, 1),
            jitter_order=torch.tensor([2, 0, 3, 1]).repeat(batch, 3, 1),
            baseline=torch.zeros(batch),
            depth=torch.zeros(batch, 0, 0),
            line=torch.arange(batch),
        ),
        torch.device("cpu"),
        (0, 1, 2),
        all_frames=all_frames,
    )


@pytest.mark.parametrize("v1_multiscale", [False, True])
def test_a_step_has_finite_gradients_in_every_trained_weight(v1_multiscale):
    torch.manual_seed(0)
    depth = networks.create("lite-mono-tiny", height=HEIGHT, width=WIDTH)
    model = DepthPoseModel(depth, networks.create_pose(), LossConfig(v1_multiscale=v1_multiscale)).train()
    output = model(views(all_frames=v1_multiscale), noise_std=0.0)
    output.loss.backward()
    assert [tuple(d.shape[-2:]) for d in output.disps] == [(38, 122), (19, 61), (9, 30)]
    assert output.depth.shape == (2, 1, HEIGHT, WIDTH)
    assert output.loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_intrinsics_of_a_level_are_those_of_its_own_size():
    """Normalised by the level's size they are the camera's, although 38 rows halve to 9."""
    v = views(all_frames=True)
    for scale in range(3):
        height, width = v.pyramid[scale].shape[-2:]
        K = scaled_to(v, scale)
        torch.testing.assert_close(K[:, 0, 0] / width, torch.full((2,), 0.58))
        torch.testing.assert_close(K[:, 1, 1] / height, torch.full((2,), 1.92))
        torch.testing.assert_close(K[:, 1, 2] / height, torch.full((2,), 0.5))
