"""--compile: the same loss and gradient from compiled kernels, or a sentence that says why not."""

from __future__ import annotations

import shutil
import signal

import pytest
import torch
from trainings import scalars, settings

from litemono.losses import compiled, photometric_fused
from litemono.losses.photometric_fused import EAGER
from litemono.train import train
from litemono.utils import compiling
from litemono.utils.errors import UserError
from networks.errors import NetworkError

CPU = torch.device("cpu")
SHAPE = (2, 2, 3, 64, 96)  # as in test_benchmark_train_step.py: compiling takes half a minute
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")


def test_a_signal_that_ends_the_compiler_is_a_signal(street, tmp_path, monkeypatch):
    def killed(*_):
        signal.raise_signal(signal.SIGTERM)
        raise UserError("--compile: torch cannot compile here")

    monkeypatch.setattr("litemono.tasks.monodepth.task.fused_kernels", killed)
    assert train(settings(street, tmp_path, loss={"compile": True})) == 128 + signal.SIGTERM


@needs_compiler
def test_a_run_with_compiled_parts_learns_the_same(street, tmp_path, monkeypatch):
    """Float32 in another order: the curves agree to rounding, and the run resumes to the same bits."""
    monkeypatch.setattr(compiling, "USERS_OWN", "shared with the other tests")
    plain = {"model": {"height": SHAPE[-2], "width": SHAPE[-1]}, "optim": {"num_epochs": 1}}
    compiled = {**plain, "loss": {"compile": True}}
    assert train(settings(street, tmp_path, "plain", **plain)) == 0
    assert train(settings(street, tmp_path, "whole", **compiled)) == 0
    train(settings(street, tmp_path, "parts", **compiled, run={"max_steps": 2}))
    assert train(settings(street, tmp_path, "parts", **compiled)) == 0
    plain, whole, parts = (scalars(tmp_path / name / "train", "loss") for name in ("plain", "whole", "parts"))
    assert whole == parts
    assert whole[0][1] == pytest.approx(plain[0][1], rel=1e-6)
    assert [loss for _, loss in whole] == pytest.approx([loss for _, loss in plain], rel=1e-3)
    weights = [torch.load(tmp_path / f"{name}/models/last/depth.pth", weights_only=True) for name in ("plain", "whole")]
    assert weights[0].keys() == weights[1].keys()


@needs_compiler
def test_fused_gradients_are_the_plain_ones_where_the_clamp_holds_and_where_it_does_not():
    kernels = compiled.fused_kernels(SHAPE, CPU)
    generator = torch.Generator().manual_seed(3)
    image = torch.rand(2, 3, *SHAPE[-2:], generator=generator)
    negative = (1 - image).unsqueeze(1).expand(SHAPE)  # SSIM below 0 beyond the clamp
    near = (image + 0.01 * torch.rand(2, 3, *SHAPE[-2:], generator=generator)).unsqueeze(1).expand(SHAPE)
    reference = photometric_fused.target(image)
    for candidates in (negative.contiguous(), near.contiguous()):
        grad = torch.rand(2, 2, *SHAPE[-2:], generator=generator)
        for ours, plain in (
            (kernels.error(candidates, *reference), EAGER.error(candidates, *reference)),
            (kernels.gradient(grad, candidates, *reference), EAGER.gradient(grad, candidates, *reference)),
        ):
            torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)


def test_kernels_that_compute_something_else_are_refused(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, dynamic: lambda *tensors: 1.001 * function(*tensors))
    with pytest.raises(UserError, match="differs from the plain one"):
        compiled.fused_kernels((1, 2, 3, 32, 32), CPU)


def test_wrong_weights_are_told_before_anything_is_compiled(street, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    (tmp_path / "empty").mkdir()
    config = settings(street, tmp_path, loss={"compile": True}, model={"load_weights": tmp_path / "empty"})
    with pytest.raises(NetworkError, match=r"empty has no encoder\.pth"):
        train(config)
    assert not config.folder.exists()


def test_a_machine_that_cannot_compile_gets_a_sentence_before_the_run_folder_exists(street, tmp_path, monkeypatch):
    def broken(function, dynamic):
        def fail(*tensors):
            raise RuntimeError("No working C++ compiler found\nand a long trace")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(UserError, match=r"cannot compile here \(RuntimeError: No working C\+\+ compiler found\)"):
        train(settings(street, tmp_path, loss={"compile": True}))
    assert not (tmp_path / "run").exists()


def test_compile_without_ssim_is_refused(street, tmp_path):
    with pytest.raises(UserError, match="--compile has no loss to fuse with --no_ssim.*--compile_parts decoder"):
        train(settings(street, tmp_path, loss={"compile": True, "no_ssim": True}))
