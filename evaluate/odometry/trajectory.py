"""Camera trajectories: KITTI's file format, relative motions, alignment, and the errors of the field.

A pose T_world_cam takes points from the camera to the world (its first camera); a motion T_next_cam takes points from one
frame's camera to the next one's, as the pose network predicts it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from litemono.utils.atomic_files import may_pass, read_text, replacing
from litemono.utils.errors import UserError, reason, require

SNIPPET = 5  # frames of the published ATE


def read_poses(path: Path, flag: str) -> np.ndarray:
    """(N, 4, 4) float64 of a KITTI file: 12 numbers a line, the upper three rows of T_world_cam. UserError for others."""
    try:
        lines = read_text(path).splitlines()
        require(
            any(map(str.strip, lines)), f"{flag} {path}: is empty; a trajectory in KITTI's format has 12 numbers a line"
        )
        rows = np.loadtxt(lines, dtype=np.float64, ndmin=2)
    except FileNotFoundError:
        raise UserError(f"{flag} {path}: there is no such file") from None
    except (OSError, ValueError) as error:
        if may_pass(error):
            raise
        raise UserError(
            f"{flag} {path}: not a trajectory in KITTI's format, 12 numbers a line ({reason(error)})"
        ) from None
    require(rows.ndim == 2 and rows.shape[1] == 12, f"{flag} {path}: {rows.shape[1]} numbers a line, not KITTI's 12")
    require(np.isfinite(rows).all(), f"{flag} {path}: has numbers that are not finite")
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3] = rows.reshape(-1, 3, 4)
    R = poses[:, :3, :3]
    require(
        np.allclose(R @ R.transpose(0, 2, 1), np.eye(3), atol=1e-2),
        f"{flag} {path}: the first three of each four numbers are no rotation, so this is not KITTI's format",
    )
    return poses


def write_poses(path: Path, poses: np.ndarray) -> None:
    """(N, 4, 4) as a KITTI file."""
    with replacing(path) as file:
        np.savetxt(file, poses[:, :3].reshape(-1, 12), fmt="%.9e")


def motions_of(poses: np.ndarray) -> np.ndarray:
    """(N, 4, 4) poses -> (N - 1, 4, 4) motions."""
    return np.linalg.inv(poses[1:]) @ poses[:-1]


def chained(motions: np.ndarray) -> np.ndarray:
    """(N - 1, 4, 4) motions -> (N, 4, 4) poses, the first one at the origin.

    Rotations of float32 are replaced by the nearest ones in float64: their rounding adds up over a sequence, and other programs
    (evo) refuse matrices that are no rotations to 1e-6.
    """
    exact = motions.astype(np.float64)
    if motions.dtype == np.float32:
        U, _, Vt = np.linalg.svd(exact[:, :3, :3])
        exact[:, :3, :3] = U @ Vt
    poses = [np.eye(4)]
    for motion in exact:
        poses.append(poses[-1] @ np.linalg.inv(motion))
    return np.stack(poses)


def snippet_ates(motions: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The published 5-frame ATE: (N,) of the N motions, metres; the mean over them is in papers. Zhou et al. 2017, table 3.

    From each frame on, motions are chained over five frames (fewer at the end), the start is shared, and one scale fitted.
    As published, positions are those of the chained motions themselves, not of their inverses, and the root of the summed
    squares is divided by the number of frames.
    """
    return np.array(
        [
            _snippet_ate(_positions(motions[i : i + SNIPPET - 1]), _positions(truth[i : i + SNIPPET - 1]))
            for i in range(len(truth))
        ]
    )


def _positions(motions: np.ndarray) -> np.ndarray:
    poses = [np.eye(4)]
    for motion in motions.astype(np.float64):
        poses.append(poses[-1] @ motion)
    return np.stack(poses)[:, :3, 3]


def _snippet_ate(found: np.ndarray, truth: np.ndarray) -> float:
    length = np.sum(found**2)
    scale = np.sum(truth * found) / length if length else 0.0
    return float(np.sqrt(np.sum((scale * found - truth) ** 2)) / len(truth))


class Similarity(NamedTuple):
    """p -> scale R p + t."""

    R: np.ndarray
    t: np.ndarray
    scale: float

    def applied(self, poses: np.ndarray) -> np.ndarray:
        moved = poses.copy()
        moved[:, :3, :3] = self.R @ poses[:, :3, :3]
        moved[:, :3, 3] = self.scale * poses[:, :3, 3] @ self.R.T + self.t
        return moved


def align(found: np.ndarray, truth: np.ndarray) -> Similarity | None:
    """The similarity that takes positions of `found` nearest to those of `truth`, (N, 4, 4) both: Umeyama 1991, eqs. 34-43.

    None where positions do not determine it: all of them on a line or at a point.
    """
    x, y = found[:, :3, 3], truth[:, :3, 3]
    mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
    covariance = (y - mean_y).T @ (x - mean_x) / len(x)
    U, singular, Vt = np.linalg.svd(covariance)
    if singular[1] <= 1e-12 * max(singular[0], 1e-300):
        return None
    signs = np.array([1, 1, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = U * signs @ Vt
    scale = float(singular @ signs / np.mean(np.sum((x - mean_x) ** 2, axis=1)))
    return Similarity(R, mean_y - scale * R @ mean_x, scale)


class TrajectoryErrors(NamedTuple):
    """Roots of mean squares over frames."""

    ate: float
    """Metres between positions."""
    rpe_translation: float
    """Metres, of the motion from each frame to the next one."""
    rpe_rotation: float
    """Degrees, of the same."""


def trajectory_errors(found: np.ndarray, truth: np.ndarray) -> TrajectoryErrors:
    """Of aligned poses (N, 4, 4); Sturm et al. 2012, as evo computes them."""
    ate = np.linalg.norm(found[:, :3, 3] - truth[:, :3, 3], axis=1)
    difference = motions_of(truth) @ np.linalg.inv(motions_of(found))
    translation = np.linalg.norm(difference[:, :3, 3], axis=1)
    # The sine half of the rotation keeps small angles, which the arc cosine of the trace loses.
    R = difference[:, :3, :3]
    axis = np.stack([R[:, 2, 1] - R[:, 1, 2], R[:, 0, 2] - R[:, 2, 0], R[:, 1, 0] - R[:, 0, 1]], axis=1)
    angle = np.arctan2(np.linalg.norm(axis, axis=1), np.trace(R, axis1=1, axis2=2) - 1)
    return TrajectoryErrors(*(float(np.sqrt(np.mean(values**2))) for values in (ate, translation, np.degrees(angle))))
