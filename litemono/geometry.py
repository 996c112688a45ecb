"""Cameras and rigid motion: disparity to depth, pose vectors to matrices, and where a pixel lands in another view.

Frames: a pose `T_dst_src` takes homogeneous points from camera src to camera dst. Intrinsics are pinhole without skew,
in pixels, with pixel centres at integer coordinates 0..W-1, 0..H-1. All functions follow the dtype of their input.

Products of small matrices are written as elementwise sums: a matmul may run in TF32, whose 10-bit mantissa moves
pixels by half a pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F

TINY = 1e-7  # the published guard against division by zero, in rotation and projection alike


def disp_to_depth(disp: torch.Tensor, min_depth: float, max_depth: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Network disparity in (0, 1) to (inverse depth, depth): linear in inverse depth between the two depths given."""
    inverse_depth = 1 / max_depth + (1 / min_depth - 1 / max_depth) * disp
    return inverse_depth, 1 / inverse_depth


def matmul3(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Product of (..., 3, 3) matrices in full precision whatever the TF32 setting."""
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)


def rotation(axisangle: torch.Tensor) -> torch.Tensor:
    """Rodrigues: axis times angle in radians (..., 3) to rotation matrices (..., 3, 3)."""
    angle = torch.linalg.vector_norm(axisangle, dim=-1, keepdim=True)
    axis = axisangle / (angle + TINY)
    sine, cosine = angle.sin().unsqueeze(-1), angle.cos().unsqueeze(-1)
    eye = torch.eye(3, dtype=axis.dtype, device=axis.device)
    outer = axis.unsqueeze(-1) * axis.unsqueeze(-2)
    skew = torch.linalg.cross(eye.expand_as(outer), axis.unsqueeze(-2), dim=-1)  # skew @ v is axis x v
    return cosine * eye + (1 - cosine) * outer + sine * skew


def rigid(R: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """R (..., 3, 3) and t (..., 3) to a pose (..., 4, 4)."""
    corner = F.pad(t.new_ones(1, 1), (3, 0, 3, 0))
    return F.pad(torch.cat((R, t.unsqueeze(-1)), dim=-1), (0, 0, 0, 1)) + corner


def pose_matrix(axisangle: torch.Tensor, translation: torch.Tensor) -> torch.Tensor:
    """Rotation vector and translation (..., 3) each to a pose (..., 4, 4): rotate first, then translate."""
    return rigid(rotation(axisangle), translation)


def invert_pose(T: torch.Tensor) -> torch.Tensor:
    """Inverse of rigid motions (..., 4, 4), by transposing the rotation."""
    back = T[..., :3, :3].transpose(-1, -2)
    return rigid(back, -(back * T[..., None, :3, 3]).sum(-1))


def scale_intrinsics(K: torch.Tensor, height_ratio: float, width_ratio: float) -> torch.Tensor:
    """K (..., 3, 3) of the same camera when its image is resized: fx, cx times width_ratio, fy, cy times height_ratio."""
    return torch.stack((K[..., 0, :] * width_ratio, K[..., 1, :] * height_ratio, K[..., 2, :]), dim=-2)


def invert_intrinsics(K: torch.Tensor) -> torch.Tensor:
    """Inverse of pinhole matrices without skew (..., 3, 3), with no call that waits for the GPU."""
    inverse = torch.zeros_like(K)
    inverse[..., 0, 0] = 1 / K[..., 0, 0]
    inverse[..., 1, 1] = 1 / K[..., 1, 1]
    inverse[..., 0, 2] = -K[..., 0, 2] / K[..., 0, 0]
    inverse[..., 1, 2] = -K[..., 1, 2] / K[..., 1, 1]
    inverse[..., 2, 2] = 1
    return inverse


def pixel_rays(matrix: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """matrix @ (column, row, 1) for every pixel: (..., 3, 3) to (..., 3, H, W). Of inverse intrinsics: points at depth 1.

    Sum of a row and a column of vectors, so there is no pixel grid to store.
    """
    columns = torch.arange(width, dtype=matrix.dtype, device=matrix.device)
    rows = torch.arange(height, dtype=matrix.dtype, device=matrix.device).unsqueeze(-1)
    per_column, per_row, constant = (matrix[..., i, None, None] for i in range(3))
    return per_column * columns + (per_row * rows + constant)


class Reprojection(NamedTuple):
    """Where each target pixel lands in S source views, as a function of its inverse depth.

    A point at inverse depth w projects to K (R ray + t w), up to scale: the place of a point at infinity, which needs
    computing once for all disparity scales, plus a parallax proportional to w. Rows 0 and 1 are already stretched to
    grid_sample's range.
    """

    at_infinity: torch.Tensor  # (B, S, 3, H, W)
    parallax: torch.Tensor  # (B, S, 3, 1, 1)

    def grid(self, inverse_depth: torch.Tensor) -> torch.Tensor:
        """Inverse depth (B, 1, H, W) to positions (B, S, H, W, 2) for grid_sample: -1..1, align_corners=True."""
        point = torch.addcmul(self.at_infinity, self.parallax, inverse_depth.unsqueeze(1))
        across, away = point.split((2, 1), dim=2)
        return (across / away - 1).movedim(2, -1)


def reprojection(
    K: torch.Tensor, inv_K: torch.Tensor, T_src_tgt: torch.Tensor, height: int, width: int
) -> Reprojection:
    """K, inv_K: (B, 3, 3) pixels, shared by all views; T_src_tgt: (B, S, 4, 4), metres. Zhou et al. 2017, eq. 2.

    Points behind the source camera are not treated apart (nor are they in the published code).
    """
    normalise = scale_intrinsics(K, 2 / (height - 1), 2 / (width - 1)).unsqueeze(1)
    infinity = matmul3(matmul3(normalise, T_src_tgt[..., :3, :3]), inv_K.unsqueeze(1))
    parallax = (normalise * T_src_tgt[..., None, :3, 3]).sum(-1)
    # Published: divide by depth + TINY. In units of inverse depth that is part of the z parallax.
    guard = F.pad(torch.full_like(parallax[..., :1], TINY), (2, 0))
    return Reprojection(pixel_rays(infinity, height, width), (parallax + guard)[..., None, None])


def warp(sources: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Sample sources (B, S, 3, H, W) at grid (B, S, H', W', 2): bilinear, edge pixels repeated beyond the border."""
    if grid.device.type == "cpu":
        # torch's CPU kernel turns a NaN into an address and crashes; the NaN still reaches the gradients of the pose.
        grid = grid.nan_to_num()
    warped = F.grid_sample(
        sources.flatten(0, 1), grid.flatten(0, 1), mode="bilinear", padding_mode="border", align_corners=True
    )
    return warped.unflatten(0, grid.shape[:2])
