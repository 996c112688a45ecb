"""Networks in eval mode as parts of other programs: cast, copied, pickled, traced, exported, compiled."""

from __future__ import annotations

import copy
import io
import pickle

import pytest
import torch
from goldens import assert_within
from parity_recipes import fill
from torch import nn

import networks
from networks.fusion import FusionNet

SIZE = (64, 96)
ATOL = 1e-6  # float32 in another order of operations, see test_networks.py


def build(name: str) -> nn.Module:
    net = networks.create_pose(18) if name == "pose" else networks.create(name, height=SIZE[0], width=SIZE[1])
    fill(net.encoder)
    fill(net.decoder)
    return net.eval()


SMALL = ["dpt-tiny", "midas-small"]  # of those that predict relative depth


@pytest.fixture(scope="module", params=["lite-mono-tiny", "dpt-tiny", "pose"])
def net(request) -> nn.Module:
    return build(request.param)


@pytest.fixture(scope="module", params=[*networks.names("disparity"), *SMALL, "pose"])
def each(request) -> nn.Module:
    return build(request.param)


def inputs(net: nn.Module, seed: int = 0, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, ...]:
    images = torch.rand(2, 1, 3, *size, generator=torch.Generator().manual_seed(seed)).unbind(0)
    return images if isinstance(net, networks.PoseNet) else images[:1]


def unit(net: nn.Module, output: torch.Tensor) -> float:
    """What a tolerance is in terms of. Relative depth has no unit, and no sigmoid that divides rounding by 4."""
    return 4 * output.abs().max().item() if isinstance(net, FusionNet) else 1.0


def assert_same_outputs(net: nn.Module, other, seed: int = 1, atol: float = ATOL, size=SIZE) -> None:
    images = inputs(net, seed, size)
    with torch.no_grad():
        for p, q in zip(net(*images), other(*images), strict=True):
            assert_within(q.double().numpy(), p.double().numpy(), "output", atol=atol * unit(net, p))


# Rounding at 2^-11, 2^-8 and 2^-24 in some 18 blocks, in a sigmoid of slope 1/4.
@pytest.mark.parametrize("dtype, atol", [(torch.half, 5e-3), (torch.bfloat16, 4e-2), (torch.double, 2e-6)], ids=str)
def test_it_runs_in_every_number_format(each, dtype, atol):
    cast = copy.deepcopy(each).to(dtype)
    with torch.no_grad():
        outputs = cast(*(image.to(dtype) for image in inputs(each)))
    assert {output.dtype for output in outputs} == {dtype}
    assert_same_outputs(each, lambda *images: cast(*(image.to(dtype) for image in images)), atol=atol)


def test_it_can_be_copied_and_pickled(each):
    for other in (copy.deepcopy(each), pickle.loads(pickle.dumps(each))):
        assert_same_outputs(each, other, atol=0)


def test_a_whole_module_can_be_saved_and_loaded(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    assert_same_outputs(net, torch.load(file, weights_only=False), atol=0)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("size", [SIZE, (38, 122)], ids=["fits", "resized"])
def test_it_can_be_traced_saved_and_loaded(net, size, tmp_path):
    with torch.no_grad():
        torch.jit.trace(net, inputs(net, size=size)).save(tmp_path / "net.pt")
    assert_same_outputs(net, torch.jit.load(tmp_path / "net.pt"), size=size)


@pytest.mark.parametrize("size", [SIZE, (38, 122)], ids=["fits", "resized"])
def test_it_can_be_exported_saved_and_loaded(net, size, tmp_path):
    with torch.no_grad():
        torch.export.save(torch.export.export(net, inputs(net, size=size)), tmp_path / "net.pt2")
    assert_same_outputs(net, torch.export.load(tmp_path / "net.pt2").module(), size=size)


def test_it_answers_shapes_on_the_meta_device(net):
    shapes = [output.shape for output in copy.deepcopy(net).to("meta")(*(image.to("meta") for image in inputs(net)))]
    with torch.no_grad():
        assert shapes == [output.shape for output in net(*inputs(net))]


def test_it_compiles_as_one_graph(net):
    """All of torch.compile but the generation of machine code, which takes minutes on a CPU."""
    assert_same_outputs(net, torch.compile(net, backend="aot_eager", fullgraph=True))


def test_it_is_differentiable_in_eval_mode(net):
    """Fine-tuning with frozen BatchNorm statistics, and gradients to the image."""
    images = [image.requires_grad_() for image in inputs(net)]
    sum(output.double().sum() for output in copy.deepcopy(net)(*images)).backward()
    assert all(image.grad.isfinite().all() and image.grad.any() for image in images)


def test_inference_and_training_compute_the_same_function():
    """Float32 in train mode with frozen BatchNorm takes the memory-saving layers, eval the plain ones: the same bits."""
    net = build("lite-mono-tiny")
    images = inputs(net)
    with torch.no_grad():
        plain = net(*images)
        net.train()
        for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.eval()
        for p, q in zip(plain, net(*images), strict=True):
            assert torch.equal(p, q)
