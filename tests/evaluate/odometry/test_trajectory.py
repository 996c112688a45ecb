"""Trajectories against the published helper's numbers and the package evo."""

from __future__ import annotations

import numpy as np
import pytest
from evo.core import metrics
from evo.core.trajectory import PosePath3D
from evo.tools import file_interface
from goldens import F64, assert_close
from scipy.spatial.transform import Rotation

from evaluate.odometry.trajectory import (
    align,
    chained,
    motions_of,
    read_poses,
    snippet_ates,
    trajectory_errors,
    write_poses,
)
from litemono.utils.errors import UserError

FLOAT32 = 1e-6  # motions of a network; evo takes rotations apart in another order


@pytest.fixture(scope="module")
def recorded(parity) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True poses (30), predicted motions and the published helper's ATE (29)."""
    kit = np.load(parity / "extra.npz")
    return kit["odom_gt_global"], kit["odom_pred"], kit["odom_ates"]


def test_five_frame_ate_is_the_published_one(recorded):
    truth, motions, ates = recorded
    assert_close(snippet_ates(motions, motions_of(truth)), ates, F64, "ATE of 5 frames")


def test_five_frame_ate_ignores_the_scale_and_survives_a_camera_that_stands(recorded):
    truth, motions, ates = recorded
    larger = motions.astype(np.float64)
    larger[:, :3, 3] *= 30
    assert_close(snippet_ates(larger, motions_of(truth)), ates, F64, "ATE of a larger world")
    still = np.tile(np.eye(4), (29, 1, 1))
    assert np.isfinite(snippet_ates(still, motions_of(truth))).all()


@pytest.mark.parametrize("reflected", [False, True])
def test_alignment_and_errors_are_those_of_evo(recorded, reflected):
    truth, motions, _ = recorded
    found = chained(motions)
    if reflected:  # the nearest orthogonal matrix is then no rotation
        found[:, 0, 3] *= -1
    reference, estimate = PosePath3D(poses_se3=list(truth)), PosePath3D(poses_se3=list(found))
    R, t, scale = estimate.align(reference, correct_scale=True)
    fit = align(found, truth)
    assert_close(fit.R, R, FLOAT32, "rotation")
    assert_close(fit.t, t, FLOAT32, "translation")
    assert fit.scale == pytest.approx(scale, rel=FLOAT32)
    step = {"delta": 1, "delta_unit": metrics.Unit.frames}
    expected = []
    for metric in (
        metrics.APE(metrics.PoseRelation.translation_part),
        metrics.RPE(metrics.PoseRelation.translation_part, **step),
        metrics.RPE(metrics.PoseRelation.rotation_angle_deg, **step),
    ):
        metric.process_data((reference, estimate))
        expected.append(metric.get_statistic(metrics.StatisticsType.rmse))
    assert list(trajectory_errors(fit.applied(found), truth)) == pytest.approx(expected, rel=FLOAT32)


def test_files_are_those_of_evo(recorded, tmp_path):
    truth = recorded[0]
    write_poses(tmp_path / "09.txt", truth)
    by_evo = file_interface.read_kitti_poses_file(tmp_path / "09.txt")
    assert_close(np.stack(by_evo.poses_se3), truth, 1e-8, "poses that evo reads")  # ten digits are written
    assert_close(read_poses(tmp_path / "09.txt", "--pred"), truth, 1e-8, "poses read back")


def test_motions_and_poses_are_two_forms_of_one_trajectory(recorded):
    truth = recorded[0]
    assert_close(np.linalg.inv(truth[0]) @ truth, chained(motions_of(truth)), F64, "poses from the first camera")


def test_positions_on_a_line_have_no_alignment():
    line = np.tile(np.eye(4), (6, 1, 1))
    line[:, 2, 3] = np.arange(6)
    assert align(line, line) is None
    line[:, 2, 3] = 0
    assert align(line, line) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3\n", "3 numbers a line"),
        ("1 0 0 0 0 1 0 0 0 0 1 x\n", "12 numbers a line"),
        ("1 0 0 0 0 1 0 0 0 0 1 nan\n", "not finite"),
        ("0 0 0 0 0 1 2 3 4 5 6 7\n", "no rotation"),
        ("", "KITTI"),
    ],
)
def test_files_in_another_format_are_refused(tmp_path, text, said):
    (tmp_path / "09.txt").write_text(text)
    with pytest.raises(UserError, match=said):
        read_poses(tmp_path / "09.txt", "--pred")


def test_a_long_sequence_of_float32_motions_stays_one_of_rotations():
    """As long as sequence 09; evo refuses a file whose rotations are off by more than 1e-6."""
    motions = np.tile(np.eye(4), (1590, 1, 1))
    motions[:, :3, :3] = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 0.02, (1590, 3))).as_matrix()
    R = chained(motions.astype(np.float32))[:, :3, :3]
    assert abs(R @ R.transpose(0, 2, 1) - np.eye(3)).max() < 1e-9
    np.testing.assert_allclose(R, chained(motions)[:, :3, :3], atol=1e-5)
