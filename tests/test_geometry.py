"""Cameras, rigid motion and warping, against recorded numbers and against what must hold for any input."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from goldens import F32, F64, assert_close
from hypothesis import given, settings
from hypothesis import strategies as st

from litemono import geometry

PRECISIONS = [("f64", torch.float64, F64), ("f32", torch.float32, F32)]
number = st.floats(-3, 3, allow_nan=False, width=32)
vector = st.tuples(number, number, number).map(lambda v: torch.tensor(v, dtype=torch.float64))
quick = settings(deadline=None, max_examples=50)


@pytest.fixture(scope="module")
def goldens(parity: Path) -> dict[str, np.ndarray]:
    with np.load(parity / "loss_primitives.npz") as file:
        return dict(file)


def camera(height: int, width: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    K = [[0.58 * width, 0, 0.5 * width], [0, 1.92 * height, 0.5 * height], [0, 0, 1]]
    return torch.tensor([K], dtype=dtype)


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_disparity_becomes_the_published_depth(goldens, key, dtype, tolerance):
    disp = torch.from_numpy(goldens["in/disp_in"]).to(dtype)
    inverse_depth, depth = geometry.disp_to_depth(disp, 0.1, 100.0)
    assert_close(inverse_depth, goldens[f"{key}/disp_scaled"], tolerance, "inverse depth")
    assert_close(depth, goldens[f"{key}/disp_depth"], tolerance, "depth")


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_pose_vectors_become_the_published_matrices(goldens, key, dtype, tolerance):
    axisangle = torch.from_numpy(goldens["in/pose_axisangle"]).to(dtype)[:, 0]
    translation = torch.from_numpy(goldens["in/pose_translation"]).to(dtype)[:, 0]
    T = geometry.pose_matrix(axisangle, translation)
    assert_close(geometry.rotation(axisangle), goldens[f"{key}/pose_R"][:, :3, :3], tolerance, "rotation")
    assert_close(
        geometry.rigid(torch.eye(3, dtype=dtype).expand(6, 3, 3), translation),
        goldens[f"{key}/pose_Tmat"],
        tolerance,
        "shift",
    )
    assert_close(T, goldens[f"{key}/pose_M_invert0"], tolerance, "pose")
    assert_close(geometry.invert_pose(T), goldens[f"{key}/pose_M_invert1"], tolerance, "inverted pose")


@pytest.mark.parametrize(("key", "dtype", "tolerance"), PRECISIONS)
def test_warp_and_its_gradients_are_the_published_ones(goldens, key, dtype, tolerance):
    def given_(name: str) -> torch.Tensor:
        return torch.from_numpy(goldens[f"in/geo_{name}"]).to(dtype)

    K, inv_K = (
        given_("K")[:, :3, :3],
        given_("inv_K")[:, :3, :3],
    )  # the recorded inverse is a float32 one: take it as it is
    depth = given_("depth").requires_grad_()
    axisangle, translation = given_("axisangle").requires_grad_(), given_("translation").requires_grad_()
    T = geometry.pose_matrix(axisangle, translation)  # (B, S=1, 4, 4)
    grid = geometry.reprojection(K, inv_K, T, *depth.shape[-2:]).grid(1 / depth)
    warped = geometry.warp(given_("src").unsqueeze(1), grid)
    (warped[:, 0] * given_("warp_cotangent")).sum().backward()

    points = (depth * geometry.pixel_rays(inv_K, *depth.shape[-2:])).flatten(2)
    assert_close(T[:, 0], goldens[f"{key}/geo_T"], tolerance, "pose")
    assert_close(points, goldens[f"{key}/geo_cam_points"][:, :3], tolerance, "points")
    # One camera of this set looks at points with Z near 0: there float32 coordinates are good for 1e-3 (parity README 3).
    near_zero = 1e-3 if dtype == torch.float32 else tolerance
    assert_close(grid[:, 0], goldens[f"{key}/geo_pix"], near_zero, "projected coordinates")
    assert_close(warped[:, 0], goldens[f"{key}/geo_warp"], near_zero, "warped image")
    # Gradients divide by Z twice.
    by_gradient = 3e-2 if dtype == torch.float32 else F64
    assert_close(depth.grad, goldens[f"{key}/geo_grad_depth"], by_gradient, "gradient of depth")
    assert_close(axisangle.grad, goldens[f"{key}/geo_grad_axisangle"], by_gradient, "gradient of the rotation")
    assert_close(translation.grad, goldens[f"{key}/geo_grad_translation"], by_gradient, "gradient of the translation")


@quick
@given(vector)
def test_rotations_are_orthonormal_and_turn_by_the_angle(axisangle):
    R = geometry.rotation(axisangle)
    # The axis is divided by angle + 1e-7, so it is short of 1 by 1e-7 / angle: an error of at most 2e-7 in R.
    assert_close(R @ R.T, torch.eye(3), 1e-6, f"R R^T for {axisangle.tolist()}")
    assert torch.linalg.det(R).item() == pytest.approx(1, abs=1e-6)
    assert torch.trace(R).item() == pytest.approx(1 + 2 * math.cos(axisangle.norm()), abs=1e-6)


@quick
@given(vector, vector)
def test_inverted_pose_undoes_the_pose(axisangle, translation):
    T = geometry.pose_matrix(axisangle, translation)
    # 1e-6: rotations are orthonormal to that (see above); translations are up to 5.
    assert_close(
        geometry.invert_pose(T) @ T,
        torch.eye(4),
        5e-6,
        f"inverse times pose {axisangle.tolist()} {translation.tolist()}",
    )
    assert_close(geometry.invert_pose(geometry.invert_pose(T)), T, 5e-6, "inverse of the inverse")


def test_rotation_of_a_resting_camera_has_a_finite_gradient():
    still = torch.zeros(2, 3, requires_grad=True)
    geometry.rotation(still).sum().backward()
    assert torch.isfinite(still.grad).all()
    assert torch.equal(geometry.rotation(still).detach(), torch.eye(3).expand(2, 3, 3))


@quick
@given(st.integers(2, 40), st.integers(2, 40), st.floats(0.1, 100), st.sampled_from([torch.float32, torch.float64]))
def test_a_camera_that_did_not_move_sees_the_same_picture(height, width, metres, dtype):
    source = torch.rand(1, 1, 3, height, width, dtype=dtype)
    K = camera(height, width, dtype)
    still = torch.eye(4, dtype=dtype).expand(1, 1, 4, 4)
    inverse_depth = torch.full((1, 1, height, width), 1 / metres, dtype=dtype)
    grid = geometry.reprojection(K, geometry.invert_intrinsics(K), still, height, width).grid(inverse_depth)
    # The guard of 1e-7 metres and float32 move a pixel by up to 1e-4 of its size.
    assert_close(geometry.warp(source, grid), source, 2e-4, f"picture of {width}x{height} at {metres} m")


def test_reprojection_equals_back_projection_then_motion_then_projection():
    """The plain way, in homogeneous points, for two sources and calibrated intrinsics."""
    g = torch.Generator().manual_seed(0)
    height, width = 12, 40
    K = torch.tensor([[[50.0, 0, 21.5], [0, 52.0, 6.25], [0, 0, 1]]], dtype=torch.float64)
    depth = 1 + 9 * torch.rand(1, 1, height, width, generator=g, dtype=torch.float64)
    T = geometry.pose_matrix(*(0.1 * torch.randn(2, 1, 2, 3, generator=g, dtype=torch.float64)))
    points = (depth * geometry.pixel_rays(torch.linalg.inv(K), height, width)).flatten(2)
    homogeneous = torch.cat([points, torch.ones_like(points[:, :1])], dim=1)
    image = K.unsqueeze(1) @ (T @ homogeneous.unsqueeze(1))[:, :, :3]
    pixels = (image[:, :, :2] / (image[:, :, 2:] + 1e-7)).unflatten(-1, (height, width))
    grid = geometry.reprojection(K, geometry.invert_intrinsics(K), T, height, width).grid(1 / depth)
    assert_close((grid[..., 0] + 1) / 2 * (width - 1), pixels[:, :, 0], F64, "columns")
    assert_close((grid[..., 1] + 1) / 2 * (height - 1), pixels[:, :, 1], F64, "rows")


def test_a_step_to_the_right_moves_pixels_left_by_focal_length_times_step_over_depth():
    K = camera(32, 64)
    T = geometry.pose_matrix(torch.zeros(1, 1, 3).double(), torch.tensor([[[-0.5, 0, 0]]]).double())
    grid = geometry.reprojection(K, geometry.invert_intrinsics(K), T, 32, 64).grid(
        torch.full((1, 1, 32, 64), 1 / 10.0).double()
    )
    columns = (grid[0, 0, :, :, 0] + 1) / 2 * 63
    # 1e-6: the guard against division by zero.
    assert_close(columns - torch.arange(64), torch.full((32, 64), -0.58 * 64 * 0.5 / 10), 1e-6, "shift in pixels")


@quick
@given(st.floats(1.1, 10))
def test_motion_and_depth_share_an_unknown_scale(factor):
    K = camera(8, 16)
    g = torch.Generator().manual_seed(1)
    depth = 1 + torch.rand(1, 1, 8, 16, generator=g, dtype=torch.float64)
    axisangle, translation = 0.1 * torch.randn(2, 1, 1, 3, generator=g, dtype=torch.float64)
    grids = [
        geometry.reprojection(
            K, geometry.invert_intrinsics(K), geometry.pose_matrix(axisangle, translation * s), 8, 16
        ).grid(1 / (depth * s))
        for s in (1.0, factor)
    ]
    # 1e-6: the guard of 1e-7 does not scale.
    assert_close(grids[1], grids[0], 1e-6, "positions")


def test_inverse_intrinsics_are_the_inverse_and_scale_with_the_image():
    K = torch.cat([camera(192, 640), torch.tensor([[[718.9, 0, 607.2], [0, 720.1, 185.2], [0, 0, 1]]]).double()])
    assert_close(geometry.invert_intrinsics(K) @ K, torch.eye(3).expand(2, 3, 3), F64, "inverse times K")
    assert torch.equal(geometry.scale_intrinsics(camera(192, 640), 0.5, 0.5), camera(96, 320))


def test_points_outside_the_source_take_its_border():
    source = torch.arange(6.0).reshape(1, 1, 1, 2, 3).expand(1, 1, 3, 2, 3)
    corners = torch.tensor([[-5.0, -5.0], [5.0, 5.0]]).reshape(1, 1, 1, 2, 2)
    assert geometry.warp(source, corners)[0, 0, 0, 0].tolist() == [0.0, 5.0]


def test_a_broken_pose_gives_broken_gradients_not_a_crash():
    """With NaN coordinates torch's CPU grid_sample would read and write outside the image."""
    T = torch.full((1, 1, 4, 4), float("nan"), requires_grad=True)
    K = torch.eye(3)[None]
    grid = geometry.reprojection(K, K, T, 32, 64).grid(torch.ones(1, 1, 32, 64))
    geometry.warp(torch.rand(1, 1, 3, 32, 64), grid).sum().backward()
    assert not torch.isfinite(T.grad).all()
