"""Which steps are taken: decided on the device, so that no step waits for the host to look at its numbers."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from litemono.engine.precision import Precision

GRAD_NORM_MEMORY = 100  # steps over which the running mean of the gradient norm reaches back

# Dynamic loss scaling (Micikevicius et al. 2018), with the constants of torch.amp.GradScaler, which cannot be told of
# other reasons to skip a step.
FIRST_SCALE, SCALE_STEPS = 2.0**16, 2000


class GradGuardState(NamedTuple):
    """Numbers (0-dim float64 tensors on the device) that are saved with the checkpoint."""

    grad_norm_mean: Tensor
    good_steps: Tensor
    skipped: Tensor
    skipped_in_a_row: Tensor
    loss_scale: Tensor
    """What the loss is multiplied by before the backward pass; 1 except in fp16, whose range small gradients leave."""
    since_rescale: Tensor
    """Good steps at this scale."""


class GradGuard:
    """Skips steps whose gradient is not finite or far above its running mean, and scales the loss in fp16."""

    def __init__(self, device: torch.device, precision: Precision) -> None:
        self.scaling = precision == "fp16"
        zero = torch.zeros((), dtype=torch.float64, device=device)
        scale = torch.full_like(zero, FIRST_SCALE if self.scaling else 1.0)
        self.state = GradGuardState(zero, zero, zero, zero, scale, zero)

    @property
    def loss_scale(self) -> Tensor:
        """float32, as gradients are."""
        return self.state.loss_scale.float()

    def skips(self, grad_norm: Tensor, spike_factor: float) -> Tensor:
        """Count the step; (0-dim bool) True where it must not be taken.

        grad_norm: of the true gradient, over all parameters and processes; a loss that is not finite shows in it too (step.py).
        Skipped are a norm that is not finite, or above `spike_factor` (if not 0) times its running mean. An overflow
        that a smaller loss scale can cure is skipped too, but it is routine and not counted as a skipped step.
        """
        s = self.state
        finite = grad_norm.isfinite()
        overflow = ~finite & (s.loss_scale > 1)
        good = finite
        if spike_factor:
            good = good & ((s.good_steps < GRAD_NORM_MEMORY) | (grad_norm <= spike_factor * s.grad_norm_mean))
        bad = ~good & ~overflow
        good_steps = s.good_steps + good
        distance = torch.where(good, grad_norm.double() - s.grad_norm_mean, 0)
        grow = (s.since_rescale + good >= SCALE_STEPS) & self.scaling
        self.state = GradGuardState(
            grad_norm_mean=s.grad_norm_mean + distance / good_steps.clamp(1, GRAD_NORM_MEMORY),
            good_steps=good_steps,
            skipped=s.skipped + bad,
            skipped_in_a_row=torch.where(good, 0, s.skipped_in_a_row + bad),
            loss_scale=s.loss_scale * torch.where(overflow, 0.5, torch.where(grow, 2.0, 1.0)),
            since_rescale=torch.where(overflow | grow, 0, s.since_rescale + good),
        )
        return ~good

    def state_dict(self) -> dict[str, Tensor | bool]:
        return {"scaling": self.scaling, **self.state._asdict()}

    def load_state_dict(self, saved: dict[str, Tensor | bool]) -> None:
        """Counts continue; so does the loss scale, unless the precision has changed."""
        values = (torch.as_tensor(saved[name]).to(self.state.skipped) for name in GradGuardState._fields)
        restored = GradGuardState(*values)
        if saved["scaling"] != self.scaling:
            restored = restored._replace(loss_scale=self.state.loss_scale, since_rescale=self.state.since_rescale)
        self.state = restored
