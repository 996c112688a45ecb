"""Which precision a device gets, and what stays exact whatever the precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from trainings import scalars, settings

import networks
from litemono.engine.precision import autocast, choose_precision, slow_precision
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.tasks.monodepth.settings import LossConfig
from litemono.tasks.monodepth.task import lay_out
from litemono.train import train
from litemono.utils.errors import UserError
from networks.lite_mono import CrossCovarianceAttention

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.mark.parametrize(
    ("capability", "default"),
    [((6, 1), "fp32"), ((7, 0), "fp16"), ((7, 5), "fp16"), ((8, 0), "bf16"), ((9, 0), "bf16")],
)
def test_each_gpu_gets_what_it_is_built_for(monkeypatch, capability, default):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla X")
    assert choose_precision(None, GPU) == default
    assert choose_precision("fp32", GPU) == "fp32" and choose_precision("fp16", GPU) == "fp16"
    for name in ("bf16", "tf32"):
        if capability >= (8, 0):
            assert choose_precision(name, GPU) == name
        else:
            with pytest.raises(UserError, match=f"Tesla X has no {name} units.*use fp16"):
                choose_precision(name, GPU)


def test_a_cpu_computes_in_float32_unless_told_otherwise():
    assert choose_precision(None, CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    with pytest.raises(UserError, match="--precision tf32 is a mode of NVIDIA GPUs"):
        choose_precision("tf32", CPU)


def test_a_processor_without_instructions_for_half_precision_is_named():
    old, new = ["avx2"], ["avx2", "avx512f", "avx512_bf16"]
    assert "avx512_bf16" in slow_precision("bf16", CPU, old) and "fp32" in slow_precision("bf16", CPU, old)
    assert slow_precision("bf16", CPU, new) is None and slow_precision("fp16", CPU, new) is not None
    for precision, device, features in (("fp32", CPU, old), ("bf16", GPU, old), ("bf16", CPU, [])):
        assert slow_precision(precision, device, features) is None


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_what_leaves_the_networks_is_float32_with_all_its_digits(precision):
    torch.manual_seed(0)
    depth = networks.create("lite-mono-tiny", height=32, width=64).eval()
    pose = networks.create_pose().eval()
    image = torch.rand(1, 3, 32, 64)
    with torch.no_grad(), autocast(precision, CPU):
        outputs = [*depth(image), *pose(image, image.flip(-1))]
    for output in outputs:
        assert output.dtype == torch.float32
        assert not torch.equal(output, output.to(torch.bfloat16).float()), "rounded to half precision on the way"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_do_not_depend_on_what_was_in_memory_before(precision):
    """With channels last, torch 2.7.1's dilated depthwise convolutions in bf16 do; see `lay_out`."""
    torch.manual_seed(0)
    depth, pose = networks.create("lite-mono", height=64, width=192), networks.create_pose()
    model = DepthPoseModel(depth, pose, LossConfig())
    lay_out(model, precision, CPU)
    image, other = torch.rand(2, 4, 3, 64, 192)

    def gradients(dirt: float) -> dict[str, torch.Tensor]:
        for elements in (10**3, 10**4, 10**5, 10**6, 3 * 10**6):
            torch.full((elements,), dirt)  # left behind in the allocator's hands
        model.zero_grad()
        with autocast(precision, CPU):
            outputs = (*depth(image), *pose(image, other))
        sum(output.square().mean() for output in outputs).backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    first, *others = (gradients(dirt) for dirt in (0.0, 3e38, float("nan"), 1.0))
    for again in others:
        assert [name for name in first if not torch.equal(first[name], again[name])] == []


@pytest.mark.parametrize("size", [1.0, 1e3])
def test_attention_survives_rows_whose_squares_overflow_fp16(size):
    torch.manual_seed(0)
    attention = CrossCovarianceAttention(16)
    nn.init.eye_(attention.qkv.weight[:16])
    tokens = size * torch.randn(2, 500, 16)
    exact = attention(tokens)
    with autocast("fp16", CPU):
        half = attention(tokens)
    assert half.isfinite().all()
    assert (half - exact).norm() < 5e-3 * exact.norm()


def test_a_run_in_bf16_says_so_and_resumes_to_the_same_bits(street, tmp_path):
    half = {"precision": "bf16"}
    whole = train(settings(street, tmp_path, "whole", optim=half))
    train(settings(street, tmp_path, "parts", optim=half, run={"max_steps": 3}))
    parts = train(settings(street, tmp_path, "parts", optim=half))
    assert whole == parts == 0
    assert ", bf16;" in (tmp_path / "whole/log.txt").read_text()
    assert scalars(tmp_path / "whole/train", "loss") == scalars(tmp_path / "parts/train", "loss")
    one, other = (
        torch.load(tmp_path / f"{name}/models/last/depth.pth", weights_only=True) for name in ("whole", "parts")
    )
    assert all(torch.equal(one[key], other[key]) for key in one if isinstance(one[key], torch.Tensor))
