"""Networks of mask and depth: sizes, weights folders, and use as a library."""

from __future__ import annotations

import pytest
import timm
import torch

from networks import mask_depth_weights, weights
from networks.errors import NetworkError
from networks.imagenet import load_unet_imagenet
from networks.mask_depth import create_mask_network
from networks.refiner_weights import is_refiner
from networks.registry import MASK_NETWORKS


def pictures(height: int, width: int) -> list[torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return [torch.rand(2, 3, height, width, generator=g) for _ in range(2)]


@pytest.fixture(params=MASK_NETWORKS)
def net(request):
    torch.manual_seed(0)
    return create_mask_network(request.param, height=32, width=64).eval()


@pytest.mark.parametrize("size", [(32, 64), (37, 45)])
def test_any_size_gives_logits_of_that_size(net, size):
    assert net(*pictures(*size)).shape == (2, 2, *size)


def test_both_pictures_count(net):
    background, picture = pictures(32, 64)
    both = net(background, picture)
    assert not torch.equal(both, net(background, background)) and not torch.equal(both, net(picture, picture))


def test_the_small_network_has_a_quarter_of_a_million_parameters():
    net = create_mask_network("cnn", height=32, width=32)
    assert 0.23e6 < sum(p.numel() for p in net.parameters()) < 0.27e6


def test_half_precision_tracing_and_export_work(net):
    inputs = tuple(pictures(32, 64))
    with torch.no_grad():
        expected = net(*inputs)
        assert net.bfloat16()(*(x.bfloat16() for x in inputs)).dtype == torch.bfloat16
        net.float()
        torch.testing.assert_close(torch.jit.trace(net, inputs)(*inputs), net(*inputs))
    assert expected.isfinite().all()


def test_a_weights_folder_gives_the_network_again(net, tmp_path):
    mask_depth_weights.save(tmp_path / "weights", net)
    again = mask_depth_weights.load(tmp_path / "weights").eval()
    inputs = pictures(32, 64)
    assert again.name == net.name and (again.height, again.width) == (32, 64)
    assert torch.equal(again(*inputs), net(*inputs))


def test_programs_for_depth_alone_say_which_program_takes_them(net, tmp_path):
    mask_depth_weights.save(tmp_path / "weights", net)
    assert not is_refiner(tmp_path / "weights")
    with pytest.raises(NetworkError, match="weights of mask and depth .* use litemono segment-apply"):
        weights.load_depth(tmp_path / "weights", "lite-mono")


def test_an_imagenet_encoder_sees_each_picture_with_half_the_weight(tmp_path):
    resnet = timm.create_model("resnet18")
    torch.save(resnet.state_dict(), tmp_path / "resnet18.pth")
    body = create_mask_network("unet-resnet18", height=32, width=32).published
    load_unet_imagenet(body, tmp_path / "resnet18.pth")
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(body.encoder.conv1(torch.cat([image, image], 1)), resnet.conv1(image))
    assert torch.equal(body.encoder.layer4[1].conv2.weight, resnet.layer4[1].conv2.weight)


def test_other_folders_are_refused(net, tmp_path):
    with pytest.raises(NetworkError, match="has no weights of a network of mask and depth"):
        mask_depth_weights.load(tmp_path)
    mask_depth_weights.save(tmp_path / "weights", net)
    (tmp_path / "weights/model.pt").write_bytes(b"")
    with pytest.raises(NetworkError, match="cut short, damaged or not a weights file"):
        mask_depth_weights.load(tmp_path / "weights")
