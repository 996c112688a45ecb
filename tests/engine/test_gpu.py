"""A training on a real GPU. Everything here is skipped where there is none; what can be seen without is tested elsewhere."""

from __future__ import annotations

import dataclasses
import math
from functools import partial

import pytest
import torch
from test_step import Bench, batch, untrained  # noqa: F401 - a fixture
from trainings import scalars, settings

from litemono.engine.graphed_step import CudaGraphs, GraphedStep, optimizer_settings
from litemono.engine.precision import apply_precision, choose_precision
from litemono.engine.step import seed_step, train_step
from litemono.train import train

GPU = torch.device("cuda")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def test_a_run_on_a_gpu_stops_goes_on_and_finishes_with_every_step_on_its_curve(street, tmp_path):
    config = settings(street, tmp_path, model={"height": 64, "width": 96})
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, device="cuda"))
    first = dataclasses.replace(config, run=dataclasses.replace(config.run, max_steps=3))
    assert train(first) == 0 and train(config) == 0
    curve = scalars(tmp_path / "run/train", "loss")
    steps = [step for step, _ in curve]  # of which fp16 may skip some while its loss scale settles
    assert steps == sorted(set(steps)) and set(steps) <= set(range(1, 9)) and len(steps) >= 4
    assert all(math.isfinite(loss) for _, loss in curve)
    assert f", {choose_precision(None, GPU)};" in (tmp_path / "run/log.txt").read_text()


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_step_on_a_gpu_never_waits_for_it(untrained, precision):  # noqa: F811 - the fixture
    if precision == "bf16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        pytest.skip("no bf16 units")
    apply_precision(precision)
    bench = Bench(untrained, precision, GPU)
    samples = batch()
    samples = type(samples)(*(tensor.pin_memory() for tensor in samples))

    def step() -> torch.Tensor:
        options = {"device": GPU, "precision": precision, "accumulate": 2, "spike_factor": 100.0}
        return train_step(bench.model, bench.optimizers, samples, bench.guard, **options).numbers

    step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        numbers = step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert numbers[0].isfinite()


def test_a_recorded_step_is_the_plain_one(untrained):  # noqa: F811 - the fixture
    """Losses of ten steps; kernels that add in another order are all that may differ."""
    apply_precision("fp32")
    found = {}
    for recorded in (False, True):
        bench = Bench(untrained, "fp32", GPU)
        if recorded:
            bench.optimizers = [
                torch.optim.AdamW(net.parameters(), fused=True, **optimizer_settings(GPU))
                for net in bench.networks.children()
            ]
        options = {"device": GPU, "precision": "fp32", "accumulate": 1, "spike_factor": 100.0}
        step = partial(train_step, bench.model, bench.optimizers, guard=bench.guard, **options)
        if recorded:
            step = GraphedStep(step, bench.guard, GPU, CudaGraphs(GPU))
        losses = []
        for number in range(10):
            for optimizer in bench.optimizers:
                group, rate = optimizer.param_groups[0], 2**-13
                group["lr"] = group["lr"].fill_(rate) if isinstance(group["lr"], torch.Tensor) else rate
            seed_step(0, number, 0)
            losses.append(step(batch()).numbers[0].item())
        found[recorded] = losses
    assert found[True] == pytest.approx(found[False], rel=1e-3)
    assert len(set(found[True])) == 10, "every step must move the weights"


def test_a_run_with_recorded_steps_is_resumed_by_one_without(street, tmp_path):
    config = settings(street, tmp_path, model={"height": 64, "width": 96})
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, device="cuda"))
    optim = dataclasses.replace(config.optim, cuda_graph=True)
    first = dataclasses.replace(config, optim=optim, run=dataclasses.replace(config.run, max_steps=5))
    assert train(first) == 0 and train(config) == 0
    assert "finished" in (tmp_path / "run/log.txt").read_text()
