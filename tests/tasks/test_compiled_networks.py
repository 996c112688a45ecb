"""Parts of the networks as compiled code: the same numbers, names and state, or a sentence.

torch's tracing and autograd run as in training; a backend that writes no C++ stands for the one that does. A part through the
real one is in tests/losses/test_compiled.py.
"""

from __future__ import annotations

import contextlib
import copy
import shutil

import pytest
import torch

import networks
from litemono.tasks.monodepth import compiled_networks
from litemono.tasks.monodepth.compiled_networks import (
    Tolerance,
    close,
    compile_networks,
    outputs_and_gradients,
    parts_of,
)
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.tasks.monodepth.settings import LossConfig
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
IMAGES = torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(1))
PARTS = ("decoder", "encoder", "pose")


@pytest.fixture
def plain():
    torch.manual_seed(0)
    depth = networks.create("lite-mono-tiny", height=32, width=64, drop_path=0.2)
    return DepthPoseModel(depth, networks.create_pose(), LossConfig()).train()


@pytest.fixture
def traced(monkeypatch):
    """torch.compile without the C++, and how many functions were given to it."""
    real, given = torch.compile, []

    def compile(function, dynamic):
        given.append(function)
        return real(function, dynamic=dynamic, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", compile)
    torch._dynamo.reset()
    yield given
    torch._dynamo.reset()


def gradients(model: DepthPoseModel) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    model.zero_grad()
    outputs = [*model.depth(IMAGES), *model.pose(IMAGES, IMAGES.flip(-1))]
    sum(output.square().mean() for output in outputs).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_all_parts_give_the_gradients_of_the_plain_networks_and_leave_their_state_alone(plain, traced):
    model = copy.deepcopy(plain)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    compile_networks(model, PARTS, IMAGES, "fp32", CPU)
    assert len(traced) == sum(map(len, parts_of(model).values())) > 15
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    expected, found = gradients(plain), gradients(model)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        # Relative to the gradients' size: drop path and BatchNorm on four places make small entries chaotic.
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4 * float(value.abs().max()) + 1e-9)


def test_validation_runs_the_plain_code_at_any_batch_size(plain, traced):
    model = copy.deepcopy(plain)
    compile_networks(model, ("decoder",), IMAGES, "fp32", CPU)
    torch._dynamo.reset()  # whatever is compiled from here on is counted
    from torch._dynamo.utils import counters

    counters.clear()
    with torch.no_grad():
        ours, theirs = model.eval().depth(IMAGES[:1]), plain.eval().depth(IMAGES[:1])
    assert all(map(torch.equal, ours, theirs)) and not counters["stats"]


def test_code_that_computes_something_else_is_refused_by_its_parts_name(plain, monkeypatch):
    def wrong(function, dynamic):
        return lambda *inputs: [1.01 * output for output in function(*inputs)]

    monkeypatch.setattr(torch, "compile", wrong)
    with pytest.raises(UserError, match="DepthDecoder, compiled, computes something else.*out of --compile_parts"):
        compile_networks(plain, ("decoder",), IMAGES, "fp32", CPU)
    assert "forward" not in vars(plain.depth.decoder)


def test_a_wrong_gradient_behind_right_outputs_is_refused(plain, monkeypatch):
    class Louder(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return 1.2 * grad

    monkeypatch.setattr(
        torch, "compile", lambda function, dynamic: lambda *inputs: [Louder.apply(x) for x in function(*inputs)]
    )
    with pytest.raises(UserError, match="DepthDecoder, compiled, computes something else"):
        compile_networks(plain, ("decoder",), IMAGES, "fp32", CPU)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_residual_block_with_a_smooth_activation_differs_from_float64_by_rounding_alone(plain):
    """With ReLU the two may open an activation at zero differently, and gradients then differ by percents
    (docs/performance.md). What is left without it is what a compiler could get wrong."""
    block = copy.deepcopy(plain.pose.encoder.encoder.layer1[0])
    block.act1, block.act2 = torch.nn.Softplus(), torch.nn.Softplus()
    x = (torch.rand(2, 64, 8, 16, generator=torch.Generator().manual_seed(2)),)
    fast = torch.compile(block.forward, dynamic=False)
    found = outputs_and_gradients(fast, block, x, contextlib.nullcontext)
    exact = copy.deepcopy(block).double()
    expected = outputs_and_gradients(exact.forward, exact, (x[0].double(),), contextlib.nullcontext)
    assert close(found, expected, Tolerance(1e-5, 1e-4))


@pytest.mark.parametrize("precision", ["bf16"])
def test_in_half_precision_the_tolerance_is_that_of_its_digits(plain, traced, precision):
    compile_networks(plain, ("decoder",), IMAGES, precision, CPU)
    assert compiled_networks.IN_FULL < compiled_networks.IN_HALF < (1, 1)
