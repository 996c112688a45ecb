"""The pose network of a run on a sequence of KITTI odometry."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from litemono.data.datasets.kitti_odometry import KITTI_ODOMETRY
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store
from litemono.engine.precision import apply_precision
from litemono.geometry import pose_matrix
from litemono.utils.device import choose_device
from litemono.utils.errors import UserError
from litemono.utils.parallel import ordered_map
from litemono.utils.progress import track
from networks import weights
from networks.pose import PoseNet

from ..settings import EvaluateConfig
from ..sources.predictions import check_images


def motions_of_network(config: EvaluateConfig, sequence: str, frames: int, gt_path: Path) -> np.ndarray:
    """(frames - 1, 4, 4): from each frame's camera to the next one's, in the network's scale.

    gt_path: the file of `frames` poses, for messages. Raises UserError for absent images, and weights without pose network.
    """
    flags = config.network
    assert flags.load_weights is not None and flags.data_path is not None  # check_odometry has seen to it
    pose = weights.load_pose(flags.load_weights).eval().to(device := choose_device(flags.device))
    stored = weights.stored_size(flags.load_weights)
    height, width = flags.height or stored[0], flags.width or stored[1]
    if height is None or width is None:
        raise UserError(f"--load_weights {flags.load_weights}: does not say its input size; give --height and --width")
    store = open_store(KITTI_ODOMETRY.name, flags.data_path, flags.png, height, width)
    check_images(store, [SplitLine(sequence, frame, "l") for frame in range(frames - 1)], gt_path, frame_ids=(0, 1))
    apply_precision("fp32")

    def read(frame: int) -> np.ndarray:
        return store.read(sequence, frame, "l")

    with ThreadPoolExecutor(config.num_workers) as threads:
        images = ordered_map(threads, read, range(frames), ahead=2 * flags.batch_size + config.num_workers)
        motions = np.concatenate(list(_batches(pose, device, track(images, frames, "frames"), flags.batch_size)))
    if not np.isfinite(motions).all():
        raise UserError(f"--load_weights {flags.load_weights}: the pose network predicts values that are not finite")
    return motions


@torch.inference_mode()
def _batches(pose: PoseNet, device: torch.device, images: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """(N, 4, 4) motions, N at most `size`, between consecutive images (H, W, 3) uint8; each image is read once."""
    last = next(images)
    while batch := list(islice(images, size)):
        frames = torch.from_numpy(np.stack([last, *batch])).to(device).permute(0, 3, 1, 2).float() / 255
        yield pose_matrix(*pose(frames[:-1], frames[1:])).cpu().numpy()
        last = batch[-1]
