"""Which steps are skipped, and the loss scale of fp16."""

from __future__ import annotations

import pytest
import torch

from litemono.engine.grad_guard import FIRST_SCALE, GRAD_NORM_MEMORY, SCALE_STEPS, GradGuard

CPU = torch.device("cpu")


def judge(guard: GradGuard, *norms: float, factor: float = 10.0) -> list[bool]:
    return [bool(guard.skips(torch.tensor(norm), factor)) for norm in norms]


def test_a_norm_far_above_its_mean_is_forbidden_once_there_is_a_mean():
    guard = GradGuard(CPU, "fp32")
    assert judge(guard, 1.0, 1000.0) == [False, False], "two norms are no mean yet"
    guard = GradGuard(CPU, "fp32")
    assert not any(judge(guard, *[1.0, 3.0] * (GRAD_NORM_MEMORY // 2)))
    assert guard.state.grad_norm_mean.item() == pytest.approx(2.0)
    assert judge(guard, 19.0, 30.0, 19.0) == [False, True, False]
    assert not any(judge(guard, 1e6, factor=0.0)), "0 switches spikes off"


def test_bad_steps_are_counted_and_do_not_move_the_mean():
    guard = GradGuard(CPU, "bf16")
    judge(guard, 2.0, float("nan"), float("inf"))
    state = guard.state
    assert (state.skipped.item(), state.skipped_in_a_row.item(), state.good_steps.item()) == (2, 2, 1)
    assert state.grad_norm_mean.item() == 2.0
    judge(guard, 4.0)
    assert (guard.state.skipped.item(), guard.state.skipped_in_a_row.item()) == (2, 0)


def test_an_overflow_halves_the_loss_scale_and_counts_as_bad_only_when_no_scale_is_left():
    guard = GradGuard(CPU, "fp16")
    assert judge(guard, float("inf")) == [True]
    assert guard.loss_scale.item() == FIRST_SCALE / 2 and guard.state.skipped.item() == 0
    judge(guard, *[float("inf")] * 15)
    assert guard.loss_scale.item() == 1 and guard.state.skipped.item() == 0
    judge(guard, float("inf"))
    assert guard.loss_scale.item() == 1 and guard.state.skipped_in_a_row.item() == 1


def test_the_loss_scale_doubles_after_enough_good_steps_and_only_in_fp16():
    for precision, scale in (("fp16", 2 * FIRST_SCALE), ("bf16", 1.0)):
        guard = GradGuard(CPU, precision)
        judge(guard, *[1.0] * SCALE_STEPS)
        assert guard.loss_scale.item() == scale
        assert guard.state.since_rescale.item() == (0 if precision == "fp16" else SCALE_STEPS)


def test_a_restored_guard_goes_on_where_it_was_and_a_new_precision_starts_its_own_scale():
    guard = GradGuard(CPU, "fp16")
    judge(guard, *[1.0] * 5, float("inf"), *[1.0] * 5)
    for precision, scale in (("fp16", FIRST_SCALE / 2), ("bf16", 1.0)):
        again = GradGuard(CPU, precision)
        again.load_state_dict(guard.state_dict())
        assert again.loss_scale.item() == scale and again.state.good_steps.item() == 10
    fresh = GradGuard(CPU, "fp16")
    bf16 = GradGuard(CPU, "bf16")
    judge(bf16, 1.0)
    fresh.load_state_dict(bf16.state_dict())
    assert fresh.loss_scale.item() == FIRST_SCALE
