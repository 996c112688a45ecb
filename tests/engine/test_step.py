"""One step: taken or skipped without a trace, decided without the host, in any precision."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import networks
from litemono.data.batch import Batch
from litemono.engine.grad_guard import FIRST_SCALE, GradGuard
from litemono.engine.resume import load_optimizer, match_memory_layout
from litemono.engine.step import Numbers, StepResult, TaskModule, clip, seed_step, split_batch, train_step, update
from litemono.engine.task import ParameterGroup
from litemono.engine.training import adamw, has_fused_updates
from litemono.tasks.monodepth.model import DepthPoseModel
from litemono.tasks.monodepth.settings import LossConfig, TrainConfig
from litemono.tasks.monodepth.task import Monodepth, lay_out

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
HEIGHT, WIDTH = 32, 64


def batch(size: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(1)
    # Smooth pictures that move: a photometric loss with a gradient.
    noise = torch.rand(size, 3, 3, HEIGHT // 8, WIDTH // 8, generator=generator).flatten(0, 1)
    frames = nn.functional.interpolate(noise, (HEIGHT, WIDTH), mode="bicubic").unflatten(0, (size, 3))
    return Batch(
        frames=(frames.clamp(0, 1) * 255).to(torch.uint8),
        intrinsics=torch.tensor([0.58, 1.92, 0.5, 0.5]).repeat(size, 1),
        flip=torch.arange(size) % 2 == 0,
        jitter=torch.tensor([1.1, 0.9, 1.2, 0.05]).repeat(size, 3, 1),
        jitter_order=torch.tensor([2, 0, 3, 1]).repeat(size, 3, 1),
        baseline=torch.zeros(size),
        depth=torch.zeros(size, 0, 0),
        line=torch.arange(size),
    )


@pytest.fixture(scope="module")
def untrained() -> DepthPoseModel:
    torch.manual_seed(0)
    depth = networks.create("lite-mono-tiny", height=HEIGHT, width=WIDTH, drop_path=0.2)
    return DepthPoseModel(depth, networks.create_pose(), LossConfig()).train()


class Bench:
    """A model of its own, with what a step needs."""

    def __init__(self, untrained: DepthPoseModel, precision: str = "fp32", device: torch.device = CPU) -> None:
        self.networks, self.precision, self.device = copy.deepcopy(untrained).to(device), precision, device
        self.model = TaskModule(Monodepth(TrainConfig()), self.networks)
        lay_out(self.networks, precision, device)
        nets = self.networks.children()
        self.optimizers = [torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True) for net in nets]
        self.guard = GradGuard(device, precision)

    def step(self, model: nn.Module | None = None, seed: int = 0, accumulate: int = 1, factor: float = 0.0) -> Numbers:
        seed_step(seed, 0, 0)
        result = train_step(
            model or self.model,
            self.optimizers,
            batch(),
            self.guard,
            device=self.device,
            precision=self.precision,
            accumulate=accumulate,
            spike_factor=factor,
        )
        return Numbers.read(result.numbers.tolist())

    def everything(self) -> dict[str, Any]:
        moments = {
            f"{i}/{key}/{name}": value.clone()
            for i, optimizer in enumerate(self.optimizers)
            for key, state in optimizer.state_dict()["state"].items()
            for name, value in state.items()
        }
        return moments | {name: value.clone() for name, value in self.model.state_dict().items()}

    def gradient(self) -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in self.model.parameters() if p.grad is not None])


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> list[str]:
    assert before.keys() == after.keys()
    return [name for name in before if not torch.equal(before[name], after[name])]


def test_a_step_moves_every_trainable_tensor_and_the_statistics(untrained):
    bench = Bench(untrained)
    before = bench.model.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    numbers = bench.step()
    still = {name for name in before if torch.equal(before[name], bench.model.state_dict()[name])}
    frozen = {name for name, p in bench.model.named_parameters() if not p.requires_grad}
    # Weights that start at zero with a zero gradient would stay too; there are none.
    assert still == frozen
    assert numbers.loss > 0 and numbers.grad_norm > 0 and not numbers.skipped_now and len(numbers.parts) == 3
    assert numbers.loss == pytest.approx(sum(numbers.parts) / 3)


def test_the_gradient_of_a_batch_in_parts_is_the_mean_of_its_parts(untrained):
    plain, parts = Bench(untrained), Bench(untrained)
    parts.step(accumulate=2)
    seed_step(0, 0, 0)
    for part in split_batch(batch(), 2):
        (plain.model(part).loss / 2).backward()
    torch.testing.assert_close(parts.gradient(), plain.gradient(), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_forbidden_step_leaves_no_trace(untrained, precision):
    bench = Bench(untrained, precision)
    bench.step()
    before = bench.everything()
    bench.guard.skips = lambda norm, factor: torch.tensor(True)
    numbers = bench.step(seed=1)
    assert numbers.skipped_now == 1
    assert changed(before, bench.everything()) == []


def test_a_gradient_that_is_not_finite_is_not_taken(untrained):
    bench = Bench(untrained)
    bench.step()
    before = bench.everything()
    hook = bench.networks.pose.decoder.net[3].weight.register_hook(lambda grad: grad * float("nan"))
    numbers = bench.step(seed=1)
    hook.remove()
    assert numbers.skipped_now == 1 and numbers.skipped_in_a_row == 1
    assert changed(before, bench.everything()) == []
    numbers = bench.step(seed=1)
    assert not numbers.skipped_now and numbers.skipped == 1 and numbers.skipped_in_a_row == 0


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_loss_that_is_not_finite_is_not_taken_however_good_its_gradient(untrained, value):
    bench = Bench(untrained)
    bench.step()
    before = bench.everything()
    forward = bench.networks.forward

    def spoilt(views):
        output = forward(views)
        return output._replace(loss=output.loss + value)

    bench.networks.forward = spoilt
    numbers = bench.step(seed=1)
    assert numbers.skipped_now == 1 and numbers.skipped == 1
    assert changed(before, bench.everything()) == []


def test_fused_updates_are_those_of_the_plain_optimiser(untrained):
    bench, plain = Bench(untrained), Bench(untrained)
    plain.optimizers = [torch.optim.AdamW(net.parameters(), lr=1e-4) for net in plain.networks.children()]
    for seed in range(3):
        bench.step(seed=seed)
        for mine, theirs in zip(bench.model.parameters(), plain.model.parameters(), strict=True):
            theirs.grad = None if mine.grad is None else mine.grad.clone()
        for optimizer in plain.optimizers:
            optimizer.step()
        for mine, theirs in zip(bench.model.parameters(), plain.model.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-7)  # a step is 1e-4


@pytest.mark.parametrize("scale", [None, 8.0])
def test_where_torch_has_no_fused_update_foreach_takes_the_same_steps_and_skips_the_same(monkeypatch, scale):
    torch.manual_seed(0)
    nets = [nn.Linear(5, 3)]
    nets.append(copy.deepcopy(nets[0]))
    groups = [ParameterGroup("net", list(net.parameters()), float, {"lr": 1e-2}) for net in nets]
    fused = adamw(groups[0])
    monkeypatch.setattr("litemono.engine.training.has_fused_updates", lambda parameter: False)
    other = adamw(groups[1])
    assert fused.param_groups[0]["fused"] and other.param_groups[0]["foreach"] and not other.param_groups[0]["fused"]
    for skip in (False, True, False):
        before = copy.deepcopy((nets[1].state_dict(), other.state_dict()["state"]))
        for mine, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
            theirs.grad = torch.randn_like(theirs) * (scale or 1.0)
            mine.grad = theirs.grad.clone()
        for optimizer in (fused, other):
            update(optimizer, None if scale is None else torch.tensor(scale), torch.tensor(skip))
        torch.testing.assert_close(nets[1].state_dict(), nets[0].state_dict())
        torch.testing.assert_close(other.state_dict()["state"], fused.state_dict()["state"])
        if skip:
            torch.testing.assert_close((nets[1].state_dict(), other.state_dict()["state"]), before, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "fused"), [(torch.float32, True), (torch.bfloat16, True), (torch.complex64, False)])
def test_torch_is_asked_whether_it_has_fused_updates(kind, fused):
    assert has_fused_updates(nn.Parameter(torch.zeros(2, dtype=kind))) is fused


def test_a_checkpoint_of_fused_updates_resumes_with_those_of_this_device(untrained, monkeypatch):
    fused = Bench(untrained)
    fused.step()
    group = ParameterGroup("depth", list(fused.networks.depth.parameters()), float, {"lr": 1e-4})
    monkeypatch.setattr("litemono.engine.training.has_fused_updates", lambda parameter: False)
    mine = adamw(group)
    load_optimizer(mine, fused.optimizers[0].state_dict())
    assert mine.param_groups[0]["foreach"] and not mine.param_groups[0]["fused"]


def test_moments_of_another_memory_layout_are_rearranged(untrained):
    """torch's fused update on a CPU walks through memory and would pair the wrong numbers without a word."""
    bench, moved = Bench(untrained), Bench(untrained)
    for one in (bench, moved):
        one.step()
    for optimizer in moved.optimizers:
        saved = optimizer.state_dict()
        for moments in saved["state"].values():
            moments |= {name: value.clone(memory_format=torch.contiguous_format) for name, value in moments.items()}
        optimizer.load_state_dict(saved)
        match_memory_layout(optimizer)
    for one in (bench, moved):
        one.step(seed=1)
    assert changed(bench.everything(), moved.everything()) == []


def test_the_loss_scale_changes_neither_gradient_norm_nor_update(untrained):
    """Powers of two change no digit of a float32 that stays in range."""
    plain, scaled = Bench(untrained), Bench(untrained)
    scaled.guard = GradGuard(CPU, "fp16")
    one, other = plain.step(), scaled.step()
    assert one.grad_norm == pytest.approx(other.grad_norm, rel=1e-6)
    assert other.loss_scale == FIRST_SCALE
    assert changed(plain.everything(), scaled.everything()) == []


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.6), ("fp16", 0.25)])
def test_half_precision_gives_nearly_the_loss_and_gradient_of_float32(untrained, precision, tolerance):
    exact, half = Bench(untrained), Bench(untrained, precision)
    exact_loss, half_loss = exact.step().loss, half.step().loss
    assert half_loss == pytest.approx(exact_loss, rel=5e-3)
    assert all(p.dtype == torch.float32 for p in half.model.parameters())
    # 8 and 11 bits of mantissa through some twenty layers, the last with BatchNorm over 8 values: 0.4 and 0.14 seen.
    error = (half.gradient() - exact.gradient()).norm() / exact.gradient().norm()
    assert 1e-5 < error < tolerance


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_clipping_limits_norm_and_entries_whatever_the_loss_scale(untrained, precision):
    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0, float(precision == "fp16")]])]
    scale = torch.tensor(2.0**10)
    norm = torch.nn.utils.get_total_norm(gradients)
    for clip_norm, clip_value in ((0.5, 0.0), (0.0, 0.25), (100.0, 0.0), (0.5, 0.1)):
        clipped = [gradient * scale for gradient in gradients]
        clip(clipped, norm, scale, clip_norm, clip_value)
        expected = [g * (min(1.0, clip_norm / norm.item()) if clip_norm else 1.0) for g in gradients]
        if clip_value:
            expected = [g.clamp(-clip_value, clip_value) for g in expected]
        torch.testing.assert_close(clipped, expected, rtol=1e-5, atol=1e-7)


def test_nothing_in_a_step_asks_the_device_for_a_number(untrained, monkeypatch):
    """Tensors on `meta` have no values: whatever would wait for a GPU to know one fails, and so does mixing devices.

    An ordinary copy in the other direction makes the host wait, too.
    """
    meta = torch.device("meta")
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: contextlib.nullcontext())  # it knows no meta
    model = TaskModule(Monodepth(TrainConfig(loss=LossConfig(use_stereo=True))), copy.deepcopy(untrained).to(meta))

    class Steps:
        taken, param_groups = 0, ({"fused": True},)

        def zero_grad(self, set_to_none):
            assert set_to_none

        def step(self):
            assert self.found_inf.device == self.grad_scale.device == meta
            Steps.taken += 1

    class NoWaiting(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            options = options or {}
            tensors = [value for value in tree_leaves((arguments, options)) if isinstance(value, torch.Tensor)]
            devices = {tensor.device.type for tensor in tensors}
            to_device = "cpu" in devices and (options.get("device") == meta or "meta" in devices)
            if to_device and function.__name__.startswith(("_to_copy", "copy_")):
                assert options.get("non_blocking") or any(value is True for value in arguments), "a copy that waits"
            return function(*arguments, **options)

    def step(guard: GradGuard) -> StepResult:
        return train_step(
            model,
            [Steps(), Steps()],
            batch(),
            guard,
            device=meta,
            precision="fp32",
            accumulate=2,
            spike_factor=100.0,
        )

    guard = GradGuard(meta, "fp16")
    step(guard)  # weights of the pyramid are sent once
    Steps.taken = 0
    with NoWaiting():
        result = step(guard)
    assert Steps.taken == 2 and result.numbers.device == meta and result.numbers.shape == (6 + 3,)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        result.numbers.tolist()


def test_parts_are_consecutive_and_whole():
    parts = split_batch(batch(4), 2)
    assert [part.line.tolist() for part in parts] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_processes_exchange_gradients_once_a_step_however_many_parts(untrained, tmp_path, accumulate):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    try:
        bench = Bench(untrained)
        model = DistributedDataParallel(bench.model, bucket_cap_mb=1000)
        exchanged = []

        def count(state, bucket):
            exchanged.append(bucket.buffer().numel())
            future = torch.futures.Future()
            future.set_result(bucket.buffer())
            return future

        model.register_comm_hook(None, count)
        bench.step(model, accumulate=accumulate)
        trainable = sum(p.numel() for p in bench.model.parameters() if p.requires_grad)
        assert sum(exchanged) == trainable
    finally:
        torch.distributed.destroy_process_group()
