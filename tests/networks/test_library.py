"""Networks in eval mode as parts of other programs: cast, copied, pickled, traced, exported, compiled."""

from __future__ import annotations

import copy
import io
import pickle

import onnxruntime
import pytest
import torch
from goldens import assert_within
from parity_recipes import fill
from torch import nn

import networks
from networks import registry
from networks.alignment import Alignment
from networks.fusion import FusionNet
from networks.mask_depth import MaskDepthNet, create_mask_network
from networks.refine import RefineNet, create_refiner

SIZE = (64, 96)
ATOL = 1e-6  # float32 in another order of operations, see test_networks.py


def create(name: str) -> nn.Module:
    """name: of a depth network, maybe with its attention; pose; refine NAME; mask NAME."""
    first, _, second = name.partition(" ")
    size = {"height": SIZE[0], "width": SIZE[1]}
    if first == "refine":
        return create_refiner(second, **size, alignment=Alignment(True, 0.013, 0.1, unit=5.0, farthest=50.0)).eval()
    if first == "mask":
        return create_mask_network(second, **size).eval()
    return (
        networks.create_pose(18) if name == "pose" else networks.create(first, **size, attention=second or None)
    ).eval()


def build(name: str) -> nn.Module:
    """With weights that make every layer count."""
    torch.manual_seed(0)
    net = create(name)
    if isinstance(net, RefineNet | MaskDepthNet):
        for parameter in net.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
    else:
        fill(net.encoder)
        fill(net.decoder)
    return net


SMALL = ["dpt-tiny", "midas-small"]  # of those that predict relative depth
ATTENTIONS = [f"dpt-tiny {kind}" for kind in registry.VIT_ATTENTIONS[1:]]
REFINERS = [f"refine {name}" for name in registry.REFINERS]
MASKS = [f"mask {name}" for name in registry.MASK_NETWORKS]


@pytest.fixture(
    scope="module",
    params=["lite-mono-tiny", "dpt-tiny", "pose", "refine unet-resnet18", "refine affine-grid", "mask cnn"],
)
def net(request) -> nn.Module:
    return build(request.param)


@pytest.fixture(scope="module", params=[*networks.names("disparity"), *SMALL, *ATTENTIONS, "pose", *REFINERS, *MASKS])
def each(request) -> nn.Module:
    return build(request.param)


def inputs(net: nn.Module, seed: int = 0, size: tuple[int, int] = SIZE) -> tuple[torch.Tensor, ...]:
    g = torch.Generator().manual_seed(seed)
    first, second = torch.rand(2, 1, 3, *size, generator=g, dtype=torch.float32).unbind(0)
    if isinstance(net, RefineNet):
        return first, 20 * second[:, :1]
    return (first, second) if isinstance(net, networks.PoseNet | MaskDepthNet) else (first,)


def outputs_of(result) -> list[torch.Tensor]:
    return [result] if isinstance(result, torch.Tensor) else list(result)


def unit(net: nn.Module, output: torch.Tensor) -> float:
    """What a tolerance is in terms of. Only disparity has a sigmoid, which divides rounding by 4."""
    unbounded = isinstance(net, FusionNet | RefineNet | MaskDepthNet)
    return 4 * output.abs().max().item() if unbounded else 1.0


def assert_same_outputs(net: nn.Module, other, seed: int = 1, atol: float = ATOL, size=SIZE) -> None:
    images = inputs(net, seed, size)
    with torch.no_grad():
        for p, q in zip(outputs_of(net(*images)), outputs_of(other(*images)), strict=True):
            assert_within(q.double().numpy(), p.double().numpy(), "output", atol=atol * unit(net, p))


# Rounding at 2^-11, 2^-8 and 2^-24 in some 18 blocks, in a sigmoid of slope 1/4.
@pytest.mark.parametrize("dtype, atol", [(torch.half, 5e-3), (torch.bfloat16, 4e-2), (torch.double, 2e-6)], ids=str)
def test_it_runs_in_every_number_format(each, dtype, atol):
    cast = copy.deepcopy(each).to(dtype)
    with torch.no_grad():
        outputs = outputs_of(cast(*(image.to(dtype) for image in inputs(each))))
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
    shapes = [o.shape for o in outputs_of(copy.deepcopy(net).to("meta")(*(image.to("meta") for image in inputs(net))))]
    with torch.no_grad():
        assert shapes == [output.shape for output in outputs_of(net(*inputs(net)))]


def test_it_can_be_made_without_memory_and_filled_later(net):
    other = copy.deepcopy(net).to("meta").to_empty(device="cpu")
    other.load_state_dict(net.state_dict())
    assert_same_outputs(net, other, atol=0)


def test_it_follows_torchs_default_number_format(net, request):
    torch.set_default_dtype(torch.float64)
    try:
        other = create(request.node.callspec.params["net"])
        other.load_state_dict(net.state_dict())
        assert_same_outputs(net, lambda *images: other(*(image.double() for image in images)), atol=2e-6)
    finally:
        torch.set_default_dtype(torch.float32)


def test_it_maps_over_a_stack_of_batches(net):
    stacks = [torch.stack([image, image.flip(-1)]) for image in inputs(net)]
    with torch.no_grad():
        mapped = torch.func.vmap(lambda *images: tuple(outputs_of(net(*images))))(*stacks)
    assert_same_outputs(net, lambda *images: [output[0] for output in mapped], seed=0)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("opset", [11, 17, 18])
def test_it_runs_elsewhere_as_onnx(net, opset, tmp_path):
    images = inputs(net)
    names = [f"image{index}" for index in range(len(images))]
    batch = {"input_names": names, "dynamic_axes": {name: {0: "batch"} for name in names}}
    torch.onnx.export(net, images, tmp_path / "net.onnx", dynamo=False, opset_version=opset, **batch)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    used = [node.name for node in session.get_inputs()]  # affine refiners do not look at the image

    def other(*images: torch.Tensor) -> list[torch.Tensor]:
        numpy = dict(zip(names, (image.numpy() for image in images), strict=True))
        return [torch.from_numpy(output) for output in session.run(None, {name: numpy[name] for name in used})]

    assert_same_outputs(net, other, atol=1e-5)  # another library's kernels


def test_an_alignment_keeps_its_digits_in_a_refiner_of_any_format():
    net = build("refine affine")
    before = net.alignment
    assert net.half().double().bfloat16().alignment == before and net.scale.dtype == torch.float64


def test_it_compiles_as_one_graph(net):
    """All of torch.compile but the generation of machine code, which takes minutes on a CPU."""
    assert_same_outputs(net, torch.compile(net, backend="aot_eager", fullgraph=True))


def test_it_is_differentiable_in_eval_mode(net):
    """Fine-tuning with frozen BatchNorm statistics, and gradients to the image."""
    images = [image.requires_grad_() for image in inputs(net)]
    sum(output.double().sum() for output in outputs_of(copy.deepcopy(net)(*images))).backward()
    used = images[1:] if getattr(net, "name", "").startswith("affine") else images
    assert all(image.grad.isfinite().all() and image.grad.any() for image in used)


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
