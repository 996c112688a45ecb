"""A recorded step is the plain step. No CUDA graph is needed to see it: what a replay repeats can be run again instead."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from test_step import CPU, Bench, batch, changed, untrained  # noqa: F401 - a fixture
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from litemono.engine.graphed_step import WARM_UP, GraphedStep, check_graph, optimizer_settings
from litemono.engine.resume import load_optimizer
from litemono.engine.step import StepResult, TaskModule, seed_step, train_step
from litemono.tasks.monodepth.settings import LossConfig, TrainConfig
from litemono.tasks.monodepth.task import Monodepth
from litemono.utils.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")


class RunAgain:
    """Stands for the recording: a replay computes the function again, on the same tensors."""

    def warm_up(self, function: Callable[[], StepResult]) -> StepResult:
        return function()

    def record(self, function: Callable[[], StepResult]) -> tuple[Callable[[], None], StepResult]:
        output = StepResult(None, (), torch.empty(0))

        def replay() -> None:
            new = function()
            output.shown, output.part_names, output.numbers = new.shown, new.part_names, new.numbers

        return replay, output


def steps(bench: Bench, recorded: bool, count: int) -> list[list[float]]:
    """Numbers of `count` steps, each with a batch, a seed and a learning rate of its own."""
    options = {"device": bench.device, "precision": bench.precision, "accumulate": 2, "spike_factor": 100.0}
    if recorded:
        bench.optimizers = [
            torch.optim.AdamW(net.parameters(), fused=True, **optimizer_settings(bench.device))
            for net in bench.networks.children()
        ]
    step = partial(train_step, bench.model, bench.optimizers, guard=bench.guard, **options)
    if recorded:
        step = GraphedStep(step, bench.guard, bench.device, RunAgain())
    found = []
    for number in range(count):
        for optimizer in bench.optimizers:
            group, rate = optimizer.param_groups[0], 2**-13 * (number + 1)  # exact in float32, as a recorded rate is
            group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], torch.Tensor) else rate
        seed_step(0, number, 0)
        samples = batch()
        frames = samples.frames.roll(number, dims=0)
        if number == WARM_UP + 1:  # a step that the guard skips
            samples = samples._replace(intrinsics=samples.intrinsics * float("nan"))
        found.append(step(samples._replace(frames=frames)).numbers.tolist())
    return found


def test_recorded_steps_are_the_plain_ones_bit_by_bit(untrained):  # noqa: F811 - the fixture
    plain, recorded = Bench(untrained), Bench(untrained)
    expected, found = steps(plain, False, WARM_UP + 4), steps(recorded, True, WARM_UP + 4)
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=0, atol=0, equal_nan=True)
    assert [numbers[2] for numbers in found] == [0.0] * (WARM_UP + 1) + [1.0, 0.0, 0.0]  # one was skipped
    assert changed(plain.everything(), recorded.everything()) == []


def test_moments_of_either_kind_of_step_are_resumed_by_the_other(untrained):  # noqa: F811 - the fixture
    plain, recorded = Bench(untrained), Bench(untrained)
    steps(plain, False, 1), steps(recorded, True, 1)
    for mine, other in ((plain, recorded), (recorded, plain)):
        before = [type(optimizer.param_groups[0]["lr"]) for optimizer in mine.optimizers]
        for optimizer, saved in zip(mine.optimizers, other.optimizers, strict=True):
            load_optimizer(optimizer, saved.state_dict())
        assert [type(optimizer.param_groups[0]["lr"]) for optimizer in mine.optimizers] == before
    assert changed(plain.everything(), recorded.everything()) == []


def test_a_recorded_step_neither_copies_from_the_host_nor_asks_for_a_number(untrained, monkeypatch):  # noqa: F811
    """What CUDA refuses to record. Tensors on `meta` stand for those on a GPU, and have no values to ask for."""
    meta = torch.device("meta")
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: contextlib.nullcontext())  # it knows no meta
    bench = Bench(untrained)
    bench.model = TaskModule(
        Monodepth(TrainConfig(loss=LossConfig(use_stereo=True))), copy.deepcopy(untrained).to(meta)
    )
    bench.device, bench.guard = meta, type(bench.guard)(meta, "fp16")

    class Recorded:
        param_groups = ({"fused": True},)

        def zero_grad(self, set_to_none):
            assert set_to_none

        def step(self):
            assert self.found_inf.device == self.grad_scale.device == meta

    class NothingOfTheHost(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            tensors = [v for v in tree_leaves((arguments, options or {})) if isinstance(v, torch.Tensor)]
            large = {tensor.device.type for tensor in tensors if tensor.dim()}
            assert large <= {"meta"}, f"{function} uses a tensor of the host"
            assert "lift_fresh" not in function.__name__, "a constant that is copied to the device"
            return function(*arguments, **(options or {}))

    class Recorder(RunAgain):
        def record(self, function):
            with NothingOfTheHost():
                return (lambda: None), function()

    options = {"device": meta, "precision": "fp32", "accumulate": 2, "spike_factor": 100.0}
    step = partial(train_step, bench.model, [Recorded(), Recorded()], guard=bench.guard, **options)
    graphed = GraphedStep(step, bench.guard, meta, Recorder())
    for _ in range(WARM_UP + 2):
        result = graphed(batch())
    assert result.numbers.shape == (6 + 3,)


def test_where_there_is_no_gpu_or_more_than_one_it_is_refused():
    with pytest.raises(UserError, match="--cuda_graph: CUDA graphs need an NVIDIA GPU; leave it out"):
        check_graph(CPU, 1)
    with pytest.raises(UserError, match="one process only"):
        check_graph(torch.device("cuda"), 2)
