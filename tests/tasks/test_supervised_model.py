"""What a network predicts in a loss's terms, the robust fit of a metric head, frozen parts, recomputed blocks."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

import networks
from litemono.geometry import disp_to_depth
from litemono.tasks.supervised.groups import SupervisedLossConfig
from litemono.tasks.supervised.model import SupervisedModel, first_convolution, norms_of, robust_scale_and_shift
from litemono.tasks.supervised.settings import FinetuneConfig
from litemono.tasks.supervised.task import SupervisedDepth
from networks.metric_head import MetricHead

pytestmark = pytest.mark.usefixtures("one_thread")


def model(name: str, terms: str, head: MetricHead | None = None) -> SupervisedModel:
    torch.manual_seed(0)
    return SupervisedModel(networks.create(name, height=32, width=64), terms, 1.0, 80.0, head).eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(2, 3, 32, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_every_kind_of_network_predicts_metres_and_relative_depth(image):
    for name in ("lite-mono-tiny", "dpt-tiny"):
        relative = model(name, "relative")
        assert torch.equal(relative(image), relative.depth(image)[0][:, 0])
    disparity = model("lite-mono-tiny", "metric")
    torch.testing.assert_close(disparity(image), disp_to_depth(disparity.raw(image), 1.0, 80.0)[1])
    head = MetricHead(0.5, 0.25)
    dpt = model("dpt-tiny", "metric", head)
    torch.testing.assert_close(dpt(image), head(dpt.raw(image)))
    assert dpt.head() == head and disparity.head() is None


def test_the_head_is_part_of_the_state(image):
    saved = model("dpt-tiny", "metric", MetricHead(0.5, 0.25)).state_dict()
    other = model("dpt-tiny", "metric", MetricHead(1.0, 2.0))
    other.load_state_dict(saved)
    assert other.head() == MetricHead(0.5, 0.25)


def test_the_robust_fit_finds_scale_and_shift_and_ignores_invalid_pixels():
    g = torch.Generator().manual_seed(0)
    relative = torch.rand(2, 8, 9, generator=g)
    truth = 0.3 * relative + 0.05
    mask = torch.rand(2, 8, 9, generator=g) > 0.3
    scale, shift = robust_scale_and_shift(relative, torch.where(mask, truth, 99.0), mask, 0.0)
    torch.testing.assert_close(scale, torch.full((2,), 0.3).double(), rtol=1e-5, atol=0)
    torch.testing.assert_close(shift, torch.full((2,), 0.05).double(), rtol=1e-4, atol=0)


def test_a_shift_that_would_clamp_small_predictions_is_raised_and_the_median_kept():
    relative = torch.linspace(1.0, 2.0, 101).view(1, 1, 101)
    truth = 0.5 * relative - 0.4
    scale, shift = robust_scale_and_shift(relative, truth, torch.ones_like(relative, dtype=torch.bool), 0.01)
    assert shift.item() == 0.01
    assert (scale * 1.5 + shift).item() == pytest.approx(0.5 * 1.5 - 0.4)


def test_images_without_truth_or_contrast_have_no_fit():
    relative = torch.stack([torch.ones(3, 3), torch.arange(9.0).view(3, 3)])
    mask = torch.stack([torch.ones(3, 3, dtype=torch.bool), torch.zeros(3, 3, dtype=torch.bool)])
    assert robust_scale_and_shift(relative, torch.rand(2, 3, 3), mask, 0.0)[0].isnan().all()


def test_frozen_norms_keep_their_statistics_in_training(image):
    net = model("lite-mono-tiny", "metric")
    net.freeze([*norms_of(net.depth.encoder), first_convolution(net.depth.encoder)])
    before = {
        name: value.clone() for name, value in net.state_dict().items() if "encoder" in name and "running" in name
    }
    assert before
    net.train()
    net(image).mean().backward()
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    frozen = [p for part in norms_of(net.depth.encoder) for p in part.parameters()]
    assert frozen and all(p.grad is None for p in frozen)
    assert next(p for p in net.depth.encoder.parameters() if p.requires_grad).grad is not None


def count_into(sizes: list[int], tensor: torch.Tensor) -> torch.Tensor:
    sizes.append(tensor.numel())
    return tensor


def test_recomputed_blocks_give_the_same_gradients_and_keep_less(image):
    gradients, kept = {}, {}
    for again in (False, True):
        net = model("dpt-tiny", "relative").train()
        net.depth.encoder.recompute = again
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(partial(count_into, sizes), lambda t: t):
            loss = net(image).square().mean()
        kept[again] = sum(sizes)
        loss.backward()
        gradients[again] = nn.utils.parameters_to_vector([p.grad for p in net.parameters() if p.grad is not None])
    assert torch.equal(gradients[False], gradients[True])
    assert kept[True] < 0.9 * kept[False]


@pytest.mark.parametrize(
    ("loss", "counted"),
    [
        *[
            (name, [False, False, True, True, False])
            for name in ("silog-bts", "silog-adabins", "silog-zoedepth", "silog-eigen")
        ],
        ("silog-depth-anything", [False, True, True, True, True]),
        ("ssi-trimmed", [False, True, True, True, True]),
    ],
)
def test_ground_truth_exactly_at_a_limit_counts_where_the_published_loss_counts_it(loss, counted):
    """BTS trains on depth > 1.0 m, Depth Anything V2 on depth >= its limits; relative losses on all that was measured."""
    task = SupervisedDepth(FinetuneConfig(loss=SupervisedLossConfig(loss=loss, min_depth=1.0, max_depth=80.0)))
    target = torch.tensor([0.0, 1.0, 1.0 + 2**-20, 80.0 - 2**-10, 80.0])
    assert task.valid(target).tolist() == counted
