"""DepthPoseModel: both networks, the warp and the loss behind one forward(views)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from litemono import geometry
from litemono.data.augment import Views
from litemono.losses import photometric_fused
from litemono.losses.photometric import per_pixel_minimum, tie_break
from litemono.losses.smoothness import smoothness
from litemono.tasks.monodepth.settings import LossConfig, check_loss
from litemono.utils.errors import UserError
from networks.depth_net import DepthNet
from networks.pose import PoseNet


class Output(NamedTuple):
    """Only `loss` carries a graph. S source views: frame_ids without the target, then the other camera."""

    loss: Tensor  # scalar, mean over scales
    losses: list[Tensor]  # scalar per scale, in the order of LossConfig.scales
    disps: list[Tensor]  # (B, 1, H // 2^s, W // 2^s) in (0, 1), as the depth network returned them
    depth: Tensor  # (B, 1, H, W), from disparity 0
    warped: Tensor  # (B, S, 3, H, W), sources seen from the target at the first of the scales
    automask: Tensor | None  # (B, 1, H, W) bool at the first of the scales: where a warped source won
    poses: Tensor  # (B, S, 4, 4), T_src_tgt


class ScaleTerm(NamedTuple):
    """One scale's part of the objective."""

    loss: Tensor
    warped: Tensor
    automask: Tensor | None


class DepthPoseModel(nn.Module):
    """Trains `depth` (and `pose`, unless the other camera is the only source) to explain the target by its sources.

    `depth` returns one disparity per entry of its attribute `scales`.
    """

    def __init__(self, depth: DepthNet, pose: PoseNet | None, loss: LossConfig, *, batched_pose: bool = False):
        """batched_pose: all frame pairs in one pass of the pose network."""
        super().__init__()
        check_loss(loss, depth.scales)
        if pose is None and loss.frame_ids != (0,):
            raise UserError(
                f"--frame_ids {loss.frame_ids} needs a pose network; without one: --frame_ids 0 --use_stereo"
            )
        self.depth = depth
        self.pose = pose
        self.loss_config = loss
        self.batched_pose = batched_pose
        self.kernels = photometric_fused.EAGER
        """Of the photometric error in training; --compile puts compiled ones here."""

    def forward(self, views: Views, noise_std: float = 1e-5) -> Output:
        """noise_std: of the tie-breaking noise on the identity errors; 0 makes the result a function of the views."""
        with record_function("depth network"):  # the labels are for engine/profiler.py
            disps = self.depth(views.color_aug[:, 0])
        with record_function("pose network"):
            poses = self._poses(views)
        # Half precision is for the networks, which return float32: a pixel coordinate or a variance does not survive it.
        with record_function("objective"), torch.autocast(views.color.device.type, enabled=False):
            terms = self._objective(disps, poses, views, noise_std)
            _, depth = geometry.disp_to_depth(disps[0].detach(), self.loss_config.min_depth, self.loss_config.max_depth)
        return Output(
            loss=torch.stack([term.loss for term in terms]).mean(),
            losses=[term.loss.detach() for term in terms],
            disps=[disp.detach() for disp in disps],
            depth=depth,
            warped=terms[0].warped,
            automask=terms[0].automask,
            poses=poses.detach(),
        )

    def _poses(self, views: Views) -> Tensor:
        """T_src_tgt of every source (B, S, 4, 4): estimated between frames, known for the other camera."""
        poses = []
        neighbours = self.loss_config.frame_ids[1:]
        if self.pose is not None:
            axisangle, translation = (
                torch.stack(vectors, dim=1) for vectors in zip(*self._motions(views, self.pose), strict=True)
            )
            with torch.autocast(views.color.device.type, enabled=False):
                later_from_earlier = geometry.pose_matrix(axisangle, translation).unbind(1)
                poses = [
                    geometry.invert_pose(T) if id < 0 else T
                    for T, id in zip(later_from_earlier, neighbours, strict=True)
                ]
        if self.loss_config.use_stereo:
            poses.append(views.stereo_T)
        return torch.stack(poses, dim=1)

    def _motions(self, views: Views, net: PoseNet) -> list[tuple[Tensor, Tensor]]:
        """(axisangle, translation), (B, 3) each, from the earlier to the later frame of target and neighbour."""
        target, *neighbours = views.color_aug[:, : len(self.loss_config.frame_ids)].unbind(1)
        pairs = [
            (other, target) if id < 0 else (target, other)
            for other, id in zip(neighbours, self.loss_config.frame_ids[1:], strict=True)
        ]
        if not self.batched_pose:  # as published: BatchNorm sees one pair at a time
            return [net(*pair) for pair in pairs]
        first, second = (torch.cat(images) for images in zip(*pairs, strict=True))
        axisangles, translations = (vectors.chunk(len(pairs)) for vectors in net(first, second))
        return list(zip(axisangles, translations, strict=True))

    def _objective(self, disps: list[Tensor], poses: Tensor, views: Views, noise_std: float) -> list[ScaleTerm]:
        kernels = self.kernels if self.training else photometric_fused.EAGER  # validation has batches of other sizes
        config = self.loss_config
        if config.v1_multiscale:
            synthesis = [
                Synthesis(views.pyramid[s], scaled_to(views, s), poses, config, kernels) for s in config.scales
            ]
        else:
            synthesis = [Synthesis(views.color, views.K, poses, config, kernels)] * len(config.scales)
        return [
            part.term(disps[s], views.pyramid[s][:, 0], config.disparity_smoothness / 2**s, noise_std)
            for s, part in zip(config.scales, synthesis, strict=True)
        ]


class Synthesis:
    """The target as its sources see it, for any disparity. Holds what does not depend on the disparity."""

    def __init__(
        self, images: Tensor, K: Tensor, poses: Tensor, config: LossConfig, kernels: photometric_fused.Kernels
    ):
        """images: (B, 1 + S, 3, H, W), target first; K: (B, 3, 3) pixels at that size; poses: T_src_tgt (B, S, 4, 4)."""
        self.config, self.kernels = config, kernels
        self.size = images.shape[-2:]
        self.sources = images[:, 1:].contiguous()
        self.target = photometric_fused.target(images[:, 0])
        self.reprojection = geometry.reprojection(K, geometry.invert_intrinsics(K), poses, *self.size)
        self.identity = None if config.disable_automasking else self._error(self.sources)

    def _error(self, candidates: Tensor) -> Tensor:
        """(B, S, 3, H, W) to (B, S, H, W), or (B, 1, H, W) where the views are averaged."""
        if self.config.no_ssim:
            error = photometric_fused.l1_error(candidates, self.target)
        else:
            error = photometric_fused.photometric_error(candidates, self.target, self.kernels)
        return error.mean(1, keepdim=True) if self.config.avg_reprojection else error

    def term(self, disp: Tensor, image: Tensor, smoothness_weight: float, noise_std: float) -> ScaleTerm:
        """disp: (B, 1, h, w) of any scale; image: the target (B, 3, h, w) at the disparity's size."""
        full = disp
        if disp.shape[-2:] != self.size:
            full = nn.functional.interpolate(disp, self.size, mode="bilinear", align_corners=False)
        inverse_depth, _ = geometry.disp_to_depth(full, self.config.min_depth, self.config.max_depth)
        warped = geometry.warp(self.sources, self.reprojection.grid(inverse_depth))
        identity = None if self.identity is None else tie_break(self.identity, noise_std)
        error, automask = per_pixel_minimum(self._error(warped), identity)
        loss = error.mean() + smoothness_weight * smoothness(disp, image)
        return ScaleTerm(loss, warped.detach(), automask)


def scaled_to(views: Views, scale: int) -> Tensor:
    """Intrinsics (B, 3, 3) of the pyramid's level `scale`, in its pixels."""
    (height, width), (h, w) = views.pyramid[0].shape[-2:], views.pyramid[scale].shape[-2:]
    return geometry.scale_intrinsics(views.K, h / height, w / width)
