"""Real networks through the real objective and optimisers: the first updates of the published training."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from goldens import assert_close
from parity_recipes import fill, triplet
from torch import nn

import networks
from litemono.data.augment import Views
from litemono.engine.lr_schedule import schedule
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.tasks.monodepth.settings import DEFAULT_RATES, LossConfig

HEIGHT, WIDTH = 192, 640
LOSSES = ("loss/0", "loss/1", "loss/2", "loss")
# Where a module of ours sits in the published list of modules.
PARTS = {"encoder": "depth.encoder", "depth": "depth.decoder", "pose_encoder": "pose.encoder", "pose": "pose.decoder"}


@pytest.fixture(scope="module")
def expected(parity: Path) -> dict[str, Any]:
    return json.loads((parity / "train_step.json").read_text())


def halve(images: np.ndarray) -> np.ndarray:
    """2x2 means of (..., H, W)."""
    *lead, height, width = images.shape
    return images.reshape(*lead, height // 2, 2, width // 2, 2).mean(axis=(-3, -1))


def recorded_views(seeds: list[int]) -> Views:
    color = np.stack([np.stack(triplet(seed, HEIGHT, WIDTH)) for seed in seeds])
    pyramid = [color, halve(color), halve(halve(color))]
    K = torch.tensor([[0.58 * WIDTH, 0, 0.5 * WIDTH], [0, 1.92 * HEIGHT, 0.5 * HEIGHT], [0, 0, 1]])
    return Views(
        color=torch.from_numpy(color).float(),
        color_aug=torch.from_numpy(0.9 * color + 0.03).float(),
        pyramid=[torch.from_numpy(level).float() for level in pyramid],
        K=K.repeat(len(seeds), 1, 1),
        stereo_T=torch.eye(4).repeat(len(seeds), 1, 1),
    )


@pytest.fixture(scope="module")
def training(expected) -> dict[str, Any]:
    """What three updates do: the losses before each and after the last; gradients and buffers of the first step."""
    views = recorded_views(expected["seeds"])
    depth, pose = networks.create("lite-mono", height=HEIGHT, width=WIDTH), networks.create_pose()
    for part in (depth.encoder, depth.decoder, pose.encoder, pose.decoder):
        fill(part)
    model = DepthPoseModel(depth, pose, LossConfig()).train()
    rates = [schedule("published", rate, num_epochs=30)(0) for rate in DEFAULT_RATES]
    optimizers = [
        torch.optim.AdamW(net.parameters(), lr, weight_decay=1e-2) for net, lr in zip((depth, pose), rates, strict=True)
    ]
    record: dict[str, Any] = {"views": views, "rates": rates, "losses": [], "model": model}
    for step in range(4):
        output = model(views, noise_std=0.0)
        record["losses"].append([*(loss.item() for loss in output.losses), output.loss.item()])
        if step == 3:
            break
        for optimizer in optimizers:
            optimizer.zero_grad()
        output.loss.backward()
        if step == 0:
            record["output"] = output
            record["gradients"] = named(model, lambda part: part.named_parameters(), lambda p: p.grad)
            record["buffers"] = named(model, lambda part: part.named_buffers(), lambda b: b.clone())
        for optimizer in optimizers:
            optimizer.step()
    return record


def named(model: nn.Module, items: Any, value: Any) -> dict[str, Any]:
    """Values by published name: part/name."""
    return {
        f"{part}/{name}": value(item)
        for part, place in PARTS.items()
        for name, item in items(model.get_submodule(place))
    }


def test_inputs_are_the_recorded_ones(expected, training):
    for i, frame in enumerate((0, -1, 1)):
        for name in ("color", "color_aug"):
            image = getattr(training["views"], name)[:, i].contiguous().numpy()
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            assert digest == expected["input_sha256"][f"{name}_{frame}_0"], f"{name} of frame {frame}"


def test_first_forward_equals_the_published_one(expected, training):
    output = training["output"]
    # float32 networks, tolerances of parity README 3: losses 1e-5, matrices 1e-6, disparities 1e-5.
    assert training["losses"][0] == pytest.approx([expected["losses"][0][k] for k in LOSSES], abs=1e-5)
    for i, frame in enumerate(("-1", "1")):
        assert_close(output.poses[:, i], expected["cam_T_cam"][frame], 1e-6, f"pose of frame {frame}")
    for s, (disp, statistics) in enumerate(zip(output.disps, expected["disp_stats"], strict=True)):
        for name, value in {"mean": disp.mean(), "min": disp.min(), "max": disp.max()}.items():
            assert value.item() == pytest.approx(statistics[name], abs=1e-5), f"{name} of disparity {s}"
    # Recorded at float32; a few of 245,760 pixels may tie differently.
    assert output.automask.double().mean().item() == pytest.approx(expected["automask_fraction"][0], abs=1e-4)


def test_first_gradients_equal_the_published_ones(expected, training):
    gradients = training["gradients"]
    assert gradients.keys() >= expected["grad_l2_sum"].keys()
    without = [name for name, grad in gradients.items() if grad is None]
    assert sorted(without) == sorted(expected["parameters_without_gradient"])
    largest = max(l2 for l2, _ in expected["grad_l2_sum"].values())
    for name, (l2, _) in expected["grad_l2_sum"].items():
        # 2e-3: one thread against two differ by 5.5e-4 (parity README 3). Gradients below 1e-5 of the largest (attention
        # temperatures and the like) are what is left of sums that cancel: the largest deviation seen is 2.1e-3.
        tolerance = 2e-3 if l2 > 1e-5 * largest else 1e-2
        assert gradients[name].norm().item() == pytest.approx(l2, rel=tolerance), name


def test_batchnorm_sees_two_pose_passes_and_one_depth_pass(expected, training):
    buffers = training["buffers"]
    for name, (mean, l2) in expected["bn_buffers_after_step1_mean_l2"].items():
        # 1e-5: float32 activations through up to 18 layers.
        assert buffers[name].norm().item() == pytest.approx(l2, rel=1e-5), name
        assert buffers[name].mean().item() == pytest.approx(mean, rel=1e-4, abs=1e-6), name
    for part, passes in expected["num_batches_tracked_after_step1"].items():
        counts = {int(b) for name, b in buffers.items() if name.startswith(f"{part}/") and name.endswith("tracked")}
        assert counts == {passes}, part


def test_three_updates_follow_the_published_losses(expected, training):
    assert list(training["rates"]) == pytest.approx(expected["lr_epoch0"], rel=1e-9)
    # Parity README 3: 1e-3 for the losses after updates.
    for step, (ours, theirs) in enumerate(zip(training["losses"], expected["losses"], strict=True)):
        assert ours[-1] == pytest.approx(theirs["loss"], abs=1e-3), f"total after {step} updates"
    # AdamW's first steps take the sign of every gradient, however small, so rounding grows with each update. By scale,
    # 1e-3 holds up to the second update (at most 6e-4 seen). In the third the coarsest scale falls by 12 %, and one
    # thread or two, our inverse of K or the published one, SSIM by hand or by autograd end anywhere from -4.3e-3 to
    # +3.3e-3 of it.
    for step, tolerance in enumerate((1e-4, 1e-3, 1e-3, 1e-2)):
        theirs = [expected["losses"][step][k] for k in LOSSES]
        assert training["losses"][step] == pytest.approx(theirs, rel=tolerance), f"after {step} updates"
