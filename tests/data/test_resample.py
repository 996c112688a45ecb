"""Lanczos on the device against Pillow, and batches whose frames are resized there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drives import DRIVE, dataset_at, same
from packing_helpers import DRIVE as REAL_DRIVE
from PIL import Image

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.resample import resize
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["noise", "black and white"])
@pytest.mark.parametrize("size", [(375, 1242), (370, 1226), (376, 1241), (192, 640), (200, 1000), (100, 700)])
def test_any_reduction_is_pillows_to_the_bit(size, kind, device):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    if kind == "black and white":  # the largest overshoot there is
        pixels = np.where(pixels > 127, np.uint8(255), np.uint8(0))
    expected = Image.fromarray(pixels).resize((640, 192), Image.Resampling.LANCZOS)
    result = resize(torch.from_numpy(pixels).permute(2, 0, 1).to(device), 192, 640)
    np.testing.assert_array_equal(result.permute(1, 2, 0).cpu(), np.asarray(expected))


def write_drive(root, sizes: dict[int, tuple[int, int]], mode: str = "RGB") -> None:
    for frame, (height, width) in sizes.items():
        path = KITTI_RAW.frame_path(root, DRIVE, frame, "l", ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(frame).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_frames_resized_on_the_device_are_those_resized_by_the_loader(tmp_path, mode, device):
    """Frames of several sizes in a batch, one narrower than the network's input."""
    sizes = dict.fromkeys(range(8), (60, 200)) | {4: (62, 198), 6: (50, 70)}
    write_drive(tmp_path, sizes, mode)
    data = dataset_at(tmp_path, range(1, 7), store=open_store("kitti", tmp_path, True, 32, 96))
    keys = [(0, 3), (0, 0), (0, 5), (0, 1)]
    sent = data.originals(keys).on(device)
    assert sent.frames.device.type == device
    assert same(sent._replace(frames=sent.frames.cpu()), data.batch(keys))


def test_a_real_batch_is_resized_to_the_bit(kitti_sample):
    store = open_store("kitti", kitti_sample, True, 192, 640)
    data = dataset_at(kitti_sample, (), store=store, lines=[SplitLine(REAL_DRIVE, frame, "l") for frame in (5, 20)])
    keys = [(1, 0), (1, 1)]
    originals = data.originals(keys)
    assert [tuple(run.shape) for run in originals.runs] == [(6, 375, 1242, 3)]
    assert same(originals.on("cpu"), data.batch(keys))
