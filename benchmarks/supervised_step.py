"""python -m benchmarks.supervised_step: what the loss costs of a supervised step, and what is kept for its backward pass."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

import networks.registry
from benchmarks.machine import machine
from benchmarks.record import write_record
from benchmarks.step_memory import kept_for_backward
from benchmarks.step_subjects import Subject, freeze
from benchmarks.train_step import parse_size
from litemono.data.depth_samples import NUMBERS, DepthBatch, Target
from litemono.engine.grad_guard import GradGuard
from litemono.engine.precision import apply_precision
from litemono.engine.settings import OptimConfig, Precision
from litemono.engine.step import TaskModule, train_step
from litemono.engine.training import adamw
from litemono.tasks.supervised.groups import AnyModel, DepthModelConfig, LossName, SupervisedLossConfig
from litemono.tasks.supervised.settings import FinetuneConfig
from litemono.tasks.supervised.task import SupervisedDepth
from litemono.utils import cli
from litemono.utils.device import choose_device
from litemono.utils.errors import require

NEAR, FAR = 2.0, 70.0  # metres of the synthetic truth, inside every loss's range
LOSS_CALLS = 5  # of a round; the mean counts
GB = 1e9


@dataclass(frozen=True)
class SupervisedStepConfig:
    """What is measured. Flags that name several things take them one after the other."""

    model: tuple[AnyModel, ...] = ("lite-mono", "dpt-hybrid")
    """Depth networks."""
    loss: tuple[LossName, ...] = ("silog-bts", "ssi-mse", "ssi-trimmed")
    """Losses, each with its default settings."""
    size: str = "640x192"
    """Input size, WIDTHxHEIGHT in multiples of 32."""
    batch: int = 4
    """Samples per step."""
    precision: Precision = "bf16"
    """What networks compute in; losses are float32 always."""
    valid: float = 1.0
    """Share of pixels with ground truth: 1 for rendered or stereo depth, 0.05 for KITTI's raw scans."""
    repeats: int = 5
    """Rounds of timing, in which all take turns. 0: memory alone."""
    device: Literal["cpu", "cuda"] | None = None
    """Default: cuda if there is one."""
    json: Path | None = None
    """Write the results to this file."""


class Measurement(NamedTuple):
    """A training step that can be repeated; it changes no weight."""

    step: Callable[[], object]
    loss: Callable[[], object]
    """The loss of a known prediction and its gradient."""
    parameters: list[Tensor]


def benchmark(config: SupervisedStepConfig) -> int:
    """Time a supervised training step and its loss alone, and count what autograd keeps, with and without --grad_checkpoint.

    A step is all that happens to a batch that is in memory: augmentation, network, loss, backward pass, AdamW. Its loss alone is
    the forward and backward pass from a known prediction, in the same run.

    Example: python -m benchmarks.supervised_step --model dpt-hybrid --repeats 0
    """
    require(config.batch >= 1, f"--batch {config.batch}: must be at least 1")
    require(config.repeats >= 0, f"--repeats {config.repeats}: must not be negative")
    require(0 < config.valid <= 1, f"--valid {config.valid}: must be in (0, 1]")
    device = choose_device(config.device)
    apply_precision(config.precision)
    report = {
        "precision": config.precision,
        "kept_for_backward_gb": [kept(config, model, device) for model in config.model],
        "loss_share": [shares(config, model, device) for model in config.model if config.repeats],
    }
    write_record(config.json, machine(device), report)
    show(report)
    return 0


# ---------------------------------------------------------------- what is measured


def prepared(
    config: SupervisedStepConfig, model: str, loss: str, device: torch.device, recompute: bool = False
) -> Measurement:
    """The training step of the finetune command with these settings, on a random batch."""
    width, height = parse_size(config.size)
    task = SupervisedDepth(
        FinetuneConfig(
            optim=OptimConfig(batch_size=config.batch),
            model=DepthModelConfig(model=model, height=height, width=width, grad_checkpoint=recompute),
            loss=SupervisedLossConfig(loss=loss),
        )
    )
    torch.manual_seed(0)
    net = task.build(device, config.precision)
    optimizers = [adamw(group, {}) for group in task.parameter_groups(net)]
    freeze(optimizers)
    guard = GradGuard(device, config.precision)
    batch = random_batch(config, width, height, task.target)
    options: dict[str, Any] = {"device": device, "precision": config.precision, "accumulate": 1, "spike_factor": 0.0}
    step = partial(train_step, TaskModule(task, net), optimizers, guard=guard, **options)
    target = batch.target.to(device)
    prediction = (target + 0.01 + 0.1 * torch.rand_like(target)).requires_grad_()  # positive, not perfect, not constant

    def loss_alone() -> None:
        prediction.grad = None
        task.compared(prediction, target, task.valid(target)).backward()

    return Measurement(lambda: step(batch).numbers, loss_alone, list(net.parameters()))


def random_batch(config: SupervisedStepConfig, width: int, height: int, target: Target) -> DepthBatch:
    """Random images with random depth at `config.valid` of the pixels."""
    generator = torch.Generator().manual_seed(0)
    shape = (config.batch, height, width)
    metres = NEAR + (FAR - NEAR) * torch.rand(shape, generator=generator)
    truth = metres if target == "metres" else 1 / metres
    measured = torch.rand(shape, generator=generator) < config.valid
    return DepthBatch(
        image=torch.randint(256, (config.batch, 3, height, width), generator=generator, dtype=torch.uint8),
        target=torch.where(measured, truth, 0),
        source=torch.zeros(config.batch, dtype=torch.int64),
        numbers=torch.rand(config.batch, NUMBERS, generator=generator),
        truth=torch.empty(config.batch, 0, 0),
        truth_size=torch.zeros(config.batch, 2, dtype=torch.int64),
        line=torch.arange(config.batch),
    )


def kept(config: SupervisedStepConfig, model: str, device: torch.device) -> dict[str, object]:
    """GB that autograd keeps at its peak, and GB of weights, gradients and the optimiser's moments."""
    found: dict[str, object] = {"model": model, "size": config.size, "batch": config.batch}
    for recompute in (False, True) if networks.registry.get(model).recomputes else (False,):
        measured = prepared(config, model, config.loss[0], device, recompute)
        subject = Subject(lambda: None, measured.step, dict, measured.parameters)
        measured.step()  # the first one makes the optimiser's moments
        found["grad_checkpoint" if recompute else "plain"] = kept_for_backward(subject) / GB
        trained = sum(p.nbytes for p in measured.parameters if p.requires_grad)
        found["weights_gradients_moments"] = (sum(p.nbytes for p in measured.parameters) + 3 * trained) / GB
    return found


def shares(config: SupervisedStepConfig, model: str, device: torch.device) -> dict[str, object]:
    """Milliseconds of the step and of the loss alone, and their ratio, for each loss; medians over rounds."""
    subjects = {loss: prepared(config, model, loss, device) for loss in config.loss}
    ms: dict[str, list[tuple[float, float]]] = {loss: [] for loss in subjects}
    for number, (loss, measured) in itertools.product(range(config.repeats + 1), subjects.items()):
        both = timed(measured.step, device), statistics.mean(timed(measured.loss, device) for _ in range(LOSS_CALLS))
        if number:  # the first round warms up
            ms[loss].append(both)
    by_loss = {
        loss: {
            "step_ms": statistics.median(step for step, _ in pairs),
            "loss_ms": statistics.median(alone for _, alone in pairs),
            "share": statistics.median(alone / step for step, alone in pairs),
        }
        for loss, pairs in ms.items()
    }
    return {"model": model, "size": config.size, "batch": config.batch, "valid": config.valid, "losses": by_loss}


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Milliseconds of one call. On a CPU those that its process computed, so that other work does not count."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        work()
        torch.cuda.synchronize(device)
        return 1e3 * (time.perf_counter() - start)
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def show(report: dict[str, Any]) -> None:
    console = Console(highlight=False)
    memory = Table(
        "", "plain", "--grad_checkpoint", "weights, gradients, moments", title="GB kept for the backward pass"
    )
    for found in report["kept_for_backward_gb"]:
        recomputed = f"{found['grad_checkpoint']:.2f}" if "grad_checkpoint" in found else "-"
        name = f"{found['model']} {found['size']} batch {found['batch']}"
        memory.add_row(name, f"{found['plain']:.2f}", recomputed, f"{found['weights_gradients_moments']:.2f}")
    console.print(memory)
    times = Table("", "loss", "step ms", "loss ms", "share", title="Loss and its gradient, of a step")
    for found in report["loss_share"]:
        for loss, numbers in found["losses"].items():
            cells = (f"{numbers['step_ms']:.0f}", f"{numbers['loss_ms']:.1f}", f"{numbers['share']:.2%}")
            times.add_row(found["model"], loss, *cells)
    console.print(times)


def main() -> None:
    cli.run(benchmark, SupervisedStepConfig, "python -m benchmarks.supervised_step")


if __name__ == "__main__":
    main()
