"""The recorded numbers once more, computed where a training computes: networks, poses, objective.

The device is the one that LITEMONO_TEST_DEVICE names, else the GPU. float32 with TF32 off; tolerances are ten times those of
the tests on a CPU, for other orders of addition. tests/networks/test_relative_networks.py reads the same variable.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TEST_DEVICE, torch_threads
from goldens import assert_l2_close, assert_within, strided
from parity_recipes import fill, model_input, triplet
from test_monodepth_model import OPTIONS, Triplet
from test_monodepth_model import triplet as recorded_triplet

import networks
from litemono.data.augment import Views
from litemono.engine.precision import apply_precision
from litemono.losses.photometric import photometric_error
from litemono.tasks.monodepth.settings import LossConfig

DEVICE = TEST_DEVICE or torch.device("cuda")
pytestmark = pytest.mark.skipif(
    TEST_DEVICE is None and not torch.cuda.is_available(),
    reason="no GPU (LITEMONO_TEST_DEVICE=cpu computes these on the processor)",
)

DISPARITY_ATOL, FEATURE_RTOL, VECTOR_ATOL = 1e-5, 3e-5, 1e-6


@pytest.fixture(scope="module", autouse=True)
def exact():
    apply_precision("fp32")
    with torch_threads(2):
        yield


def on_device(views: Views) -> Views:
    return Views(
        views.color.to(DEVICE),
        views.color_aug.to(DEVICE),
        [level.to(DEVICE) for level in views.pyramid],
        views.K.to(DEVICE),
        views.stereo_T.to(DEVICE),
    )


def recorded(parity: Path, case: str) -> dict[str, Any]:
    return json.loads((parity / "model_stats.json").read_text())[case]


@pytest.mark.parametrize("size", [(192, 640), (320, 1024)], ids=str)
@pytest.mark.parametrize("name", networks.names("disparity"))
def test_disparities_and_features(parity, name, size):
    height, width = size
    seed = recorded(parity, f"{name}_{height}x{width}")["input_seed"]
    net = networks.create(name, height=height, width=width).eval()
    fill(net.encoder), fill(net.decoder)
    net.to(DEVICE)
    with torch.no_grad(), np.load(parity / f"model_{name}_{height}x{width}.npz") as golden:
        features = net.encoder(model_input(height, width, seed).to(DEVICE))
        disps = net.decoder(features)
        for key in golden.files:
            actual = strided((disps if key.startswith("disp") else features)[int(key[4])], key)
            if key.startswith("disp"):
                assert_within(actual, golden[key], f"{name} {key}", atol=DISPARITY_ATOL)
            else:
                assert_l2_close(actual, golden[key], FEATURE_RTOL, f"{name} {key}")


@pytest.mark.parametrize("which", ["prev", "next"])
def test_motion(parity, which):
    net = networks.create_pose().eval()
    fill(net.encoder), fill(net.decoder)
    net.to(DEVICE)
    target, previous, following = (
        torch.from_numpy(np.stack(views)).float().to(DEVICE)
        for views in zip(*(triplet(seed, 192, 640) for seed in recorded(parity, "pose")["seeds"]), strict=True)
    )
    pair = (previous, target) if which == "prev" else (target, following)
    with torch.no_grad(), np.load(parity / "pose.npz") as golden:
        for key, vector in zip(("axisangle", "translation"), net(*pair), strict=True):
            assert_within(vector.cpu().numpy(), golden[f"{which}_{key}"][:, 0, 0], f"{which} {key}", atol=VECTOR_ATOL)


def test_photometric_error(parity):
    with np.load(parity / "loss_primitives.npz") as golden:
        x, y = (torch.from_numpy(golden[f"in/ssim_{n}"]).float().to(DEVICE) for n in "xy")
        x.requires_grad_()
        error = photometric_error(x, y)
        error.mean().backward()
        assert_l2_close(error, golden["f32/photo_map"], 1e-5, "error map")
        assert_l2_close(x.grad, golden["f32/photo_grad_pred_of_mean"], 1e-4, "gradient of the mean error")


@pytest.mark.parametrize("option", OPTIONS)
def test_the_objective_and_its_gradients(parity, option):
    with np.load(parity / "loss_triplet.npz") as file:
        data = recorded_triplet(dict(file), 2, torch.float32)
    leaves = {name: leaf.detach().to(DEVICE).requires_grad_() for name, leaf in data.leaves.items()}
    data = Triplet(on_device(data.views), leaves)
    config = LossConfig(**OPTIONS[option])
    output = data.model(config)(data.views, noise_std=0.0)
    output.loss.backward()
    expected = json.loads((parity / "loss.json").read_text())["cases"][f"B2_{option}"]["f32"]
    assert output.loss.item() == pytest.approx(expected["loss"], abs=1e-5)
    for name, statistics in expected["grad"].items():
        norm = data.leaves[name].grad.norm().item()
        assert norm == pytest.approx(statistics["l2"], rel=3e-2), f"l2 of the gradient of {name}"
