"""The published recipe of a training step, written anew and plainly, to be timed and compared with.

Float32 tensors, autograd for everything, one source view after the other, each scale from the beginning. Where plain
code can be written in a faster or a slower way this is the faster one, so the comparison does not flatter us. Photometric
error and smoothness are losses/photometric.py and losses/smoothness.py, which hold the papers' equations for autograd. The
augmentation is the trainer's own, and so are the networks but for what autograd keeps of them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from litemono.data.augment import Views, prepare
from litemono.data.batch import Batch
from litemono.losses.photometric import per_pixel_minimum, photometric_error, tie_break
from litemono.losses.smoothness import smoothness
from networks.lite_mono import Block

SCALES = (0, 1, 2)
MIN_DEPTH, MAX_DEPTH = 0.1, 100.0
SMOOTHNESS = 1e-3


class PublishedModel(nn.Module):
    """Both networks and the objective: Views of (t, t-1, t+1) -> the loss, a scalar."""

    def __init__(self, depth: nn.Module, pose: nn.Module, grid: Tensor, noise_std: float = 1e-5):
        """grid: `pixel_grid` of the full size; noise_std: of the noise that settles ties with the identity errors."""
        super().__init__()
        self.depth, self.pose, self.noise_std = with_plain_bottlenecks(depth), pose, noise_std
        self.register_buffer("grid", grid)

    def forward(self, views: Views) -> Tensor:
        previous_to_target = self.pose(views.color_aug[:, 1], views.color_aug[:, 0])
        target_to_next = self.pose(views.color_aug[:, 0], views.color_aug[:, 2])
        motions = [
            motion_matrix(*previous_to_target, invert=True),
            motion_matrix(*target_to_next, invert=False),
        ]
        projections = [F.pad(views.K, (0, 1)) @ motion for motion in motions]
        inv_K = torch.linalg.inv_ex(views.K).inverse
        disps = self.depth(views.color_aug[:, 0])
        return sum(self.scale_loss(disps[s], s, inv_K, projections, views) for s in SCALES) / len(SCALES)

    def scale_loss(self, disp: Tensor, scale: int, inv_K: Tensor, projections: list[Tensor], views: Views) -> Tensor:
        """disp: (B, 1, H/2^s, W/2^s); inv_K: (B, 3, 3); projections: points to pixels of each source, (B, 3, 4)."""
        target, sources = views.color[:, 0], (views.color[:, 1], views.color[:, 2])
        full = F.interpolate(disp, target.shape[-2:], mode="bilinear", align_corners=False)
        depth = 1 / (1 / MAX_DEPTH + (1 / MIN_DEPTH - 1 / MAX_DEPTH) * full)
        points = depth.flatten(2) * (inv_K @ self.grid)
        points = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
        places = [positions(projection @ points, *target.shape[-2:]) for projection in projections]
        warped = [
            F.grid_sample(source, place, mode="bilinear", padding_mode="border", align_corners=True)
            for source, place in zip(sources, places, strict=True)
        ]
        reprojection = torch.cat([photometric_error(image, target) for image in warped], dim=1)
        identity = torch.cat([photometric_error(image, target) for image in sources], dim=1)
        minimum, _ = per_pixel_minimum(reprojection, tie_break(identity, self.noise_std))
        return minimum.mean() + SMOOTHNESS / 2**scale * smoothness(disp, views.pyramid[scale][:, 0])


def use_torch_defaults() -> None:
    """The number formats that torch takes by default: on a GPU TF32 in convolutions, not in matrix products."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = True


class PlainGeluLinear(nn.Linear):
    """GeluLinear, as autograd does it."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.gelu(x), self.weight, self.bias)


def with_plain_bottlenecks(depth: nn.Module) -> nn.Module:
    """The same network, same parameters; changed in place."""
    for block in [module for module in depth.modules() if isinstance(module, Block)]:
        plain = PlainGeluLinear(block.pwconv2.in_features, block.pwconv2.out_features)
        plain.weight, plain.bias = block.pwconv2.weight, block.pwconv2.bias
        block.pwconv2 = plain
    return depth


def published_optimizers(model: PublishedModel) -> list[torch.optim.Optimizer]:
    """One AdamW for each network, as torch makes it by default."""
    return [torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-2) for net in (model.depth, model.pose)]


def published_step(
    model: PublishedModel, optimizers: list[torch.optim.Optimizer], batch: Batch, device: torch.device
) -> float:
    """One update; the loss, read from the device."""
    loss = model(prepare(batch, device, SCALES, all_frames=False))
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.item()


# ---------------------------------------------------------------- geometry


def pixel_grid(batch: int, height: int, width: int, device: torch.device, dtype=torch.float32) -> Tensor:
    """(B, 3, H*W): column, row and 1 of every pixel."""
    options = {"device": device, "dtype": dtype}
    rows, columns = torch.meshgrid(torch.arange(height, **options), torch.arange(width, **options), indexing="ij")
    return torch.stack([columns, rows, torch.ones_like(rows)]).flatten(1).repeat(batch, 1, 1)


def motion_matrix(axisangle: Tensor, translation: Tensor, invert: bool) -> Tensor:
    """Rotation vector and translation (B, 3) to (B, 4, 4): rotate, then move; inverted: move back, then rotate back."""
    angle = axisangle.norm(dim=1, keepdim=True)
    x, y, z = (axisangle / (angle + 1e-7)).unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    axis = torch.stack([x, y, z], dim=1)
    sine, cosine = angle.sin().unsqueeze(2), angle.cos().unsqueeze(2)
    outer = axis.unsqueeze(2) * axis.unsqueeze(1)
    R = cosine * torch.eye(3, dtype=x.dtype, device=x.device) + sine * cross + (1 - cosine) * outer
    t = translation.unsqueeze(2)
    if invert:
        R = R.transpose(1, 2)
        t = -R @ t
    last = torch.eye(4, dtype=x.dtype, device=x.device)[3:].expand(len(R), 1, 4)
    return torch.cat([torch.cat([R, t], dim=2), last], dim=1)


def positions(projected: Tensor, height: int, width: int) -> Tensor:
    """Pixels times their depth (B, 3, H*W) to what grid_sample takes: (B, H, W, 2) in -1..1, align_corners=True."""
    pixels = projected[:, :2] / (projected[:, 2:] + 1e-7)
    x, y = pixels.view(-1, 2, height, width).unbind(1)
    return torch.stack([(x / (width - 1) - 0.5) * 2, (y / (height - 1) - 0.5) * 2], dim=-1)
