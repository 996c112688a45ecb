"""Refiners: the published U-Net, what alignment does, and their weights folders."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from goldens import assert_l2_close, assert_within
from parity_recipes import block_image, network_weight

from networks import NetworkError, mask_depth_weights, registry, weights
from networks.alignment import Alignment
from networks.imagenet import load_unet_imagenet
from networks.refine import LEAST_DEPTH, create_refiner
from networks.refiner_weights import is_refiner, load_refiner
from networks.unet import UNetResNet18

L2_TOLERANCE, WORST_OF_SPREAD = 2e-5, 3e-4  # the kit's README, section 3
KEY = "unet_resnet18_4ch"
ALIGNMENT = Alignment(False, 2.0, 1.0, unit=5.0, farthest=50.0)


@pytest.fixture(scope="module")
def published(parity_networks) -> tuple[UNetResNet18, dict]:
    """The U-Net with the kit's weights, and the kit."""
    kit = json.loads((parity_networks / "networks.json").read_text())
    net = UNetResNet18(rectified=True).eval()
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point():
            facts, shape = kit["networks"][KEY], tuple(tensor.shape)
            tensor.copy_(torch.from_numpy(network_weight(name, shape, facts, kit["weight_key_prefix"])))
    return net, kit


def test_tensors_have_the_published_names_and_shapes(parity_networks, published):
    keys = json.loads((parity_networks / "state_dict_keys.json").read_text())[KEY]
    assert {name: [*tensor.shape] for name, tensor in published[0].state_dict().items()} == keys


@pytest.mark.parametrize("size", ["96x160", "192x256"])
def test_maps_are_the_published_ones(parity_networks, published, size):
    net, kit = published
    height, width = map(int, size.split("x"))
    seen: dict[str, torch.Tensor] = {}
    parts = {f"stage{n}": getattr(net.encoder, f"layer{n}") for n in range(1, 5)}
    parts |= {f"path{n}": block for n, block in enumerate(net.decoder.blocks)} | {"output": net}
    hooks = [
        part.register_forward_hook(lambda module, inputs, output, name=name: seen.__setitem__(name, output[0]))
        for name, part in parts.items()
    ]
    with torch.no_grad():
        net(torch.from_numpy(block_image(kit["input_seed"], 4, height, width, 16, 0.2)).float()[None])
    for hook in hooks:
        hook.remove()
    seen["output"] = seen["output"][0]
    facts = kit["networks"][KEY][size]
    with np.load(parity_networks / f"{KEY}.npz") as goldens:
        compared = [name for name in seen if f"{size}/{name}" in goldens]
        assert "output" in compared and len(compared) > 4
        for name in compared:
            actual = seen[name][tuple(slice(None, None, step) for step in facts[name]["stored_stride"])].numpy()
            assert_within(actual, goldens[f"{size}/{name}"], name, atol=WORST_OF_SPREAD * facts[name]["std"])
            assert_l2_close(actual, goldens[f"{size}/{name}"], L2_TOLERANCE, name)


def refined(name: str, given: torch.Tensor, predict="residual", alignment=ALIGNMENT) -> torch.Tensor:
    torch.manual_seed(0)
    net = create_refiner(name, height=32, width=64, predict=predict, alignment=alignment).eval()
    with torch.no_grad():
        return net(torch.rand(len(given), 3, *given.shape[-2:]), given)


@pytest.mark.parametrize("name", registry.REFINERS)
def test_a_new_refiner_begins_as_the_aligned_depth(name):
    given = torch.linspace(-1, 40, 2 * 32 * 64).reshape(2, 1, 32, 64)
    assert torch.allclose(refined(name, given), (2 * given + 1).clamp(LEAST_DEPTH, 50))
    inverse = Alignment(True, 0.01, 0.02, unit=5.0, farthest=50.0)
    metres = 1 / (0.01 * given + 0.02).clamp(min=1 / 50)
    assert torch.allclose(refined(name, given, alignment=inverse), metres)


def test_predicted_depth_begins_as_one_unit_and_any_size_runs():
    assert torch.allclose(refined("unet-resnet18", torch.rand(1, 1, 40, 70), "depth")[0], torch.full((1, 40, 70), 5.0))


@pytest.mark.parametrize("name", registry.REFINERS)
@pytest.mark.parametrize("predict", ["residual", "depth"])
def test_every_tensor_gets_a_gradient_also_where_depth_is_cut_off(name, predict):
    net = create_refiner(name, height=32, width=64, predict=predict, alignment=ALIGNMENT)
    if name == "unet-resnet18":
        torch.nn.init.normal_(net.published.segmentation_head[0].weight)
    net(torch.rand(2, 3, 32, 64), 5 * torch.rand(2, 1, 32, 64)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    shift = torch.tensor([[-1.0]], requires_grad=True)  # metres, below the least
    if name == "unet-resnet18" and predict == "residual":
        net.refined = lambda image, x: shift
        net(torch.rand(1, 3, 32, 64), torch.rand(1, 1, 32, 64)).sum().backward()
        assert shift.grad == 1


@pytest.mark.parametrize("name", registry.REFINERS)
def test_weights_come_back_with_all_that_makes_the_network_again(tmp_path, name):
    torch.manual_seed(1)
    predict = "depth" if name == "unet-resnet18" else "residual"
    net = create_refiner(name, height=32, width=64, predict=predict, alignment=ALIGNMENT).eval()
    for tensor in net.published.parameters():
        tensor.data += 0.01 * torch.randn_like(tensor)
    weights.save_folder(tmp_path / "last", net, None)
    assert is_refiner(tmp_path / "last") and weights.recognise(tmp_path / "last") == [name]
    again = load_refiner(tmp_path / "last").eval()
    assert (again.name, again.predict, again.alignment, again.height) == (name, predict, ALIGNMENT, 32)
    image, given = torch.rand(1, 3, 32, 64), torch.rand(1, 1, 32, 64)
    with torch.no_grad():
        assert torch.equal(net(image, given), again(image, given))


def test_weights_of_a_refiner_are_named_where_a_depth_network_is_wanted(tmp_path):
    weights.save_folder(tmp_path / "last", create_refiner("affine", height=32, width=64), None)
    for model in ("lite-mono", "midas-small"):
        with pytest.raises(NetworkError, match="affine weights, of litemono refine"):
            weights.load_depth(tmp_path / "last", model)


@pytest.mark.parametrize("change", [{"predict": "both"}, {"alignment": {"scale": "x"}}, {"height": None}])
def test_damaged_settings_are_refused(tmp_path, change):
    weights.save_folder(tmp_path / "last", create_refiner("affine", height=32, width=64), None)
    file = tmp_path / "last" / "network.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(NetworkError, match="damaged"):
        load_refiner(tmp_path / "last")


@pytest.mark.parametrize("name", [["affine"], {"affine": 1}, None])
def test_a_name_that_is_no_text_is_no_refiner(tmp_path, name):
    weights.save_folder(tmp_path / "last", create_refiner("affine", height=32, width=64), None)
    for more in ({}, {"output": "mask-and-depth"}):
        (tmp_path / "last/network.json").write_text(json.dumps({"network": name, **more}))
        with pytest.raises(NetworkError, match="no weights of a"):
            (mask_depth_weights.load if more else load_refiner)(tmp_path / "last")


def test_the_wider_first_convolution_keeps_imagenet_and_its_features(tmp_path):
    import timm

    torch.manual_seed(2)
    resnet = timm.create_model("resnet18").eval()
    torch.save(resnet.state_dict(), tmp_path / "resnet18.pth")
    net = UNetResNet18(rectified=True).eval()
    load_unet_imagenet(net, tmp_path / "resnet18.pth")
    image, depth = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        ours = net.encoder.forward_features(torch.cat([image, depth], dim=1))
        assert torch.equal(ours, resnet.forward_features(image))
    with pytest.raises(NetworkError, match="not an ImageNet ResNet-18"):
        torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.pth")
        load_unet_imagenet(net, tmp_path / "other.pth")


def test_a_long_value_in_settings_is_not_repeated(tmp_path):
    weights.save_folder(tmp_path / "last", create_refiner("affine", height=32, width=64), None)
    file = tmp_path / "last" / "network.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"height": "a" * 5000}))
    with pytest.raises(NetworkError, match="the stored input size is 'a{79}, not a number") as refused:
        load_refiner(tmp_path / "last")
    assert len(str(refused.value)) < 500
