"""The pose network: equal to the published one, for two frames in order of time."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch
from goldens import assert_l2_close, assert_stats, assert_within, strided
from parity_recipes import fill, triplet
from torch import nn

import networks

VECTOR_ATOL = 1e-7  # values are about 5e-3; an independent rewrite differs by 1e-9 (parity README, section 3)
MATRIX_ATOL = 1e-6
FEATURE_RTOL = 1e-5


@pytest.fixture(scope="module")
def pose():
    net = networks.create_pose(18)
    fill(net.encoder)
    fill(net.decoder)
    return net.eval()


def frames(seeds, height=192, width=640):
    """(target, previous, next), each (B, 3, H, W) float32."""
    return [
        torch.from_numpy(np.stack(f)).float() for f in zip(*(triplet(s, height, width) for s in seeds), strict=True)
    ]


def test_tensors_have_the_published_names_shapes_types_and_order(parity):
    published = json.loads((parity / "state_dict_keys.json").read_text())["modules"]
    net = networks.create_pose(18)
    for part, key in ((net.encoder, "pose_encoder"), (net.decoder, "pose")):
        assert [
            [k, [*t.shape], str(t.dtype).removeprefix("torch.")] for k, t in part.state_dict().items()
        ] == published[key]


def test_sizes_are_the_published_ones(parity):
    published = json.loads((parity / "facts.json").read_text())["pose"]["params"]
    net = networks.create_pose(18)
    assert sum(p.numel() for p in net.encoder.parameters()) == published["pose_encoder"]
    assert sum(p.numel() for p in net.encoder.encoder.fc.parameters()) == published["pose_encoder_fc"]
    assert sum(p.numel() for p in net.decoder.parameters()) == published["pose"]


@pytest.mark.parametrize("which", ["prev", "next"])
def test_motion_and_features_are_the_published_ones(parity, pose, which):
    recorded = json.loads((parity / "model_stats.json").read_text())["pose"]
    target, previous, following = frames(recorded["seeds"])
    first, second = (previous, target) if which == "prev" else (target, following)
    stats = recorded[which]
    both = torch.cat([first, second], dim=1)
    assert hashlib.sha256(both.numpy().tobytes()).hexdigest() == stats["input_sha256"]
    with torch.no_grad():
        features = pose.encoder(both)
        vectors = dict(zip(("axisangle", "translation"), pose.decoder(features[-1]), strict=True))
        used = dict(zip(("axisangle", "translation"), pose(first, second), strict=True))
    with np.load(parity / "pose.npz") as golden:
        for name, vector in vectors.items():
            expected = golden[f"{which}_{name}"]
            assert vector.shape == expected.shape == (2, 2, 1, 3)
            assert_within(vector.numpy(), expected, f"{which} {name}", atol=VECTOR_ATOL)
            assert_within(used[name].numpy(), expected[:, 0, 0], f"{which} {name} as returned", atol=VECTOR_ATOL)
        for i, feature in enumerate(features):
            key = f"{which}_feat{i}_every29"
            assert_l2_close(strided(feature, key), golden[key], FEATURE_RTOL, key)
            assert [*feature.shape] == stats["features"][i]["shape"]
            assert_stats(feature, stats["features"][i], f"{which} feature {i}", rtol=FEATURE_RTOL)


@pytest.mark.parametrize("which", ["prev", "next"])
def test_its_vectors_make_the_published_matrices(parity, pose, which):
    """Ties the meaning of the vectors down, whatever module turns them into matrices: Rodrigues, then T R or R^T T^-1."""
    recorded = json.loads((parity / "model_stats.json").read_text())["pose"]
    target, previous, following = frames(recorded["seeds"])
    with torch.no_grad():
        axisangle, translation = pose(*((previous, target) if which == "prev" else (target, following)))
    with np.load(parity / "pose.npz") as golden:
        for b in range(2):
            R, t = rodrigues(axisangle[b].double().numpy()), translation[b].double().numpy()
            T = np.block([[R, t[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])
            assert_within(T, golden[f"{which}_T_invert0"][b], f"{which} T", atol=MATRIX_ATOL)
            assert_within(np.linalg.inv(T), golden[f"{which}_T_invert1"][b], f"{which} inverse", atol=MATRIX_ATOL)


def rodrigues(v: np.ndarray) -> np.ndarray:
    angle = np.linalg.norm(v)
    x, y, z = v / (angle + 1e-7)
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * K + (1 - np.cos(angle)) * K @ K


def test_training_mode_is_the_published_one(parity):
    """Batch statistics of both pairs in the published order, and what they leave in the running averages."""
    golden = json.loads((parity / "train_step.json").read_text())
    net = networks.create_pose(18)
    fill(net.encoder)
    fill(net.decoder)
    net.train()
    frames64 = [np.stack(f) for f in zip(*(triplet(s, golden["H"], golden["W"]) for s in golden["seeds"]), strict=True)]
    target, previous, following = (torch.from_numpy(0.9 * f + 0.03).float() for f in frames64)
    with torch.no_grad():
        for side, pair in (("-1", (previous, target)), ("1", (target, following))):
            vectors = net.decoder(net.encoder(torch.cat(pair, dim=1))[-1])
            for name, vector in zip(("axisangle", "translation"), vectors, strict=True):
                expected = np.array(golden["pose_out"][f"{name}_{side}"])
                assert_within(vector.numpy(), expected, f"{name}_{side}", atol=VECTOR_ATOL)
    for key, expected in golden["bn_buffers_after_step1_mean_l2"].items():
        part, _, name = key.partition("/")
        if part == "pose_encoder":
            buffer = net.encoder.state_dict()[name].double()
            actual = np.array([buffer.mean().item(), buffer.norm().item()])
            assert_within(actual, np.array(expected), f"{key} [mean, l2]", atol=1e-6 * max(1, expected[1]))


def test_only_the_unused_classifier_has_no_gradient(parity):
    golden = json.loads((parity / "train_step.json").read_text())["parameters_without_gradient"]
    net = networks.create_pose(18).train()
    axisangle, translation = net(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64))
    (axisangle.sum() + translation.sum()).backward()
    without = [f"pose_encoder/{key}" for key, p in net.encoder.named_parameters() if p.grad is None]
    assert without == [key for key in golden if key.startswith("pose_encoder/")]
    assert all(p.grad is not None for p in net.decoder.parameters())


@pytest.mark.parametrize("layers, width", [(18, 512), (34, 512), (50, 2048)])
def test_resnets_of_three_depths_give_one_motion_per_pair(layers, width):
    net = networks.create_pose(layers).eval()
    with torch.no_grad():
        axisangle, translation = net(torch.rand(2, 3, 32, 96), torch.rand(2, 3, 32, 96))
        assert net.encoder(torch.rand(1, 6, 64, 64))[-1].shape == (1, width, 2, 2)
    assert axisangle.shape == translation.shape == (2, 3)
    assert net.num_layers == layers


def test_other_depths_are_refused():
    with pytest.raises(networks.NetworkError, match="ResNet-101.*18, 34, 50"):
        networks.create_pose(101)


def test_it_starts_near_rest_and_with_working_residual_branches():
    torch.manual_seed(0)
    net = networks.create_pose(18)
    axisangle, translation = net.eval()(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64))
    assert axisangle.abs().max() < 0.1 and translation.abs().max() < 0.1
    for key, module in net.encoder.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all(), key
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight.shape[0] * module.weight[0, 0].numel()
            assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05), key
    for module in net.decoder.net:
        assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
        assert (module.bias == 0).all()
