"""Samples, their order, the check for missing frames, and the loader."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from drives import DRIVE, NEIGHBOURS, dataset_at, same, write_drive

from litemono.data.datasets.kitti_raw import KITTI_RAW
from litemono.data.loader import Loader
from litemono.data.missing_frames import check_frames, find_missing
from litemono.data.sampler import EpochBatches
from litemono.data.settings import DataConfig
from litemono.data.splits import SplitLine
from litemono.data.stores.folder import open_store
from litemono.data.triplets import TripletDataset, draw_augmentation
from litemono.tasks.monodepth.settings import LossConfig, ModelConfig, TrainConfig
from litemono.tasks.monodepth.task import open_dataset
from litemono.utils.errors import UserError

# ---------------------------------------------------------------- one sample


def test_a_sample_holds_the_stored_frames_in_the_order_of_frame_ids(tmp_path):
    data = dataset_at(write_drive(tmp_path, range(4), "lr"), range(1, 3), use_stereo=True)
    sample = data[0, 1]
    expected = [data.store.read(DRIVE, n, side) for n, side in ((2, "l"), (1, "l"), (3, "l"), (2, "r"))]
    assert sample.frames.dtype == torch.uint8
    np.testing.assert_array_equal(sample.frames.permute(0, 2, 3, 1), expected)
    assert (sample.depth.shape, sample.line.item()) == ((0, 0), 1)


def test_types_and_shapes_of_a_batch_are_the_documented_ones(parity):
    config = sample_config(parity / "mini_kitti", use_stereo=True, frame_ids=(0,))
    data = TripletDataset(
        open_store("kitti", config.data.data_path, True, 192, 640),
        [SplitLine(DRIVE, 5, "l"), SplitLine(DRIVE, 5, "r")],
        (0,), True, "published", "per_image", 0, True, partial(KITTI_RAW.depth.read, parity / "mini_kitti"),
    )  # fmt: skip
    batch = next(iter(Loader(data, EpochBatches(2, 2, 0), 0, "cpu")))
    assert {name: (tuple(t.shape), t.dtype) for name, t in batch._asdict().items()} == {
        "frames": ((2, 2, 3, 192, 640), torch.uint8),
        "intrinsics": ((2, 4), torch.float32),
        "flip": ((2,), torch.bool),
        "jitter": ((2, 2, 4), torch.float32),
        "jitter_order": ((2, 2, 4), torch.int64),
        "baseline": ((2,), torch.float32),
        "depth": ((2, 375, 1242), torch.float32),
        "line": ((2,), torch.int64),
    }


def flipped_and_plain_epochs(data: TripletDataset) -> tuple[int, int]:
    flips = [bool(data[epoch, 0].flip) for epoch in range(20)]
    return flips.index(True), flips.index(False)


def test_a_flip_reverses_the_stereo_baseline(tmp_path):
    root = write_drive(tmp_path, range(1), "lr")
    for side, sign in (("l", -0.1), ("r", 0.1)):
        data = dataset_at(root, range(1), frame_ids=(0,), use_stereo=True, lines=[SplitLine(DRIVE, 0, side)])
        flipped, plain = flipped_and_plain_epochs(data)
        assert data[plain, 0].baseline.item() == pytest.approx(sign)
        assert data[flipped, 0].baseline.item() == pytest.approx(-sign)


def test_a_flip_mirrors_the_principal_point_unless_it_is_the_published_one(tmp_path):
    root = write_drive(tmp_path, range(1))
    data = dataset_at(root, range(1), frame_ids=(0,), intrinsics="30,31,20,17")
    flipped, plain = flipped_and_plain_epochs(data)
    pixels = torch.tensor([64, 32, 64, 32])
    torch.testing.assert_close(data[plain, 0].intrinsics * pixels, torch.tensor([30.0, 31, 20, 17]))
    torch.testing.assert_close(data[flipped, 0].intrinsics * pixels, torch.tensor([30.0, 31, 64 - 1 - 20, 17]))
    published = dataset_at(root, range(1), frame_ids=(0,))
    assert torch.equal(published[flipped, 0].intrinsics, published[plain, 0].intrinsics)


def test_a_flip_mirrors_the_depth(parity):
    store = open_store("kitti", parity / "mini_kitti", True, 32, 64)
    settings = {"store": store, "frame_ids": (0,), "read_depth": partial(KITTI_RAW.depth.read, store.root)}
    data = dataset_at(parity, range(5, 6), **settings)
    flipped, plain = flipped_and_plain_epochs(data)
    assert data[plain, 0].depth.any()
    assert torch.equal(data[flipped, 0].depth, data[plain, 0].depth.flip(-1))


def test_validation_is_neither_flipped_nor_jittered(tmp_path):
    data = dataset_at(write_drive(tmp_path, range(10)), range(1, 9), training=False)
    for index in range(8):
        sample = data[0, index]
        assert not sample.flip
        assert torch.equal(sample.jitter, torch.tensor([1.0, 1, 1, 0]).expand(3, 4))


# ---------------------------------------------------------------- augmentation as a function of (seed, epoch, sample)


def test_a_sample_depends_on_seed_epoch_and_index_alone(tmp_path):
    root = write_drive(tmp_path, range(6))
    first, second = (dataset_at(root, range(1, 5)) for _ in range(2))
    second[0, 0], second[7, 3]
    assert same(first[3, 2], second[3, 2])
    draws = [
        draw_augmentation(*key, 3, "per_image") for key in ((0, 1, 2), (1, 1, 2), (0, 2, 2), (0, 1, 3), (-1, 1, 2))
    ]
    assert len({(draw.flip, draw.jitter.tobytes(), draw.order.tobytes()) for draw in draws}) > 2


def test_draws_never_change_between_releases():
    """A run must resume with the same augmentation after an upgrade: these numbers are part of the format."""
    draw = draw_augmentation(0, 0, 1, 2, "per_image")
    assert draw.flip is True
    expected = [
        [1.0804018331026, 1.1626356098961, 0.9106193759614, -0.0549977873825],
        [0.9700496630387, 1.1842599260041, 1.0078707207317, 0.0987803989140],
    ]
    np.testing.assert_allclose(draw.jitter, expected, atol=1e-12)
    np.testing.assert_array_equal(draw.order, [[0, 3, 2, 1], [1, 3, 2, 0]])
    np.testing.assert_array_equal(EpochBatches(10, 2, seed=0).order(0), [0, 2, 9, 1, 8, 5, 4, 3, 6, 7])


def test_draws_have_the_published_ranges_and_probabilities():
    draws = [draw_augmentation(0, epoch, index, 3, "per_image") for epoch in range(10) for index in range(200)]
    jittered = [draw for draw in draws if (draw.jitter != [1, 1, 1, 0]).any()]
    # 2000 draws of probability 1/2: 5 standard deviations are 0.056.
    assert np.mean([draw.flip for draw in draws]) == pytest.approx(0.5, abs=0.056)
    assert len(jittered) / 2000 == pytest.approx(0.5, abs=0.056)
    factors = np.concatenate([draw.jitter for draw in jittered])
    np.testing.assert_allclose(factors.min(0), [0.8, 0.8, 0.8, -0.1], atol=1e-3)
    np.testing.assert_allclose(factors.max(0), [1.2, 1.2, 1.2, 0.1], atol=1e-3)
    np.testing.assert_allclose(factors.mean(0), [1, 1, 1, 0], atol=0.02)
    orders, counts = np.unique(np.concatenate([draw.order for draw in jittered]), axis=0, return_counts=True)
    assert len(orders) == 24 and counts.min() > 60  # of about 125
    assert (np.sort(orders) == np.arange(4)).all()


def test_jitter_is_per_image_or_per_triplet_or_off():
    def jitters(mode):
        return [draw_augmentation(0, 0, index, 3, mode) for index in range(20)]

    def varies_within(draw):
        return (draw.jitter != draw.jitter[0]).any()

    assert 4 < sum(varies_within(draw) for draw in jitters("per_image")) < 16
    assert not any(varies_within(draw) for draw in jitters("per_triplet"))
    assert any((draw.jitter != [1, 1, 1, 0]).any() for draw in jitters("per_triplet"))
    assert not any((draw.jitter != [1, 1, 1, 0]).any() for draw in jitters("off"))
    assert len({tuple(draw.flip for draw in jitters(mode)) for mode in ("per_image", "per_triplet", "off")}) == 1


# ---------------------------------------------------------------- missing frames


def test_missing_frames_are_counted_and_shown_with_their_archives(tmp_path):
    store = open_store("kitti", write_drive(tmp_path, range(30)), True, 32, 64)
    lines = [SplitLine(DRIVE, n, "l") for n in (0, 1, 28, 29)] + [SplitLine("my/drive", n, "l") for n in range(20)]
    report = find_missing(store, lines, NEIGHBOURS, False)
    assert report.present == lines[1:3]
    assert report.incomplete == 22
    assert len(report.examples) == 10 and "no " in report.examples[0]
    assert report.archives == ["2011_09_26_drive_0001_sync.zip"]


def test_missing_frames_stop_the_run_with_the_way_out(tmp_path, capsys):
    store = open_store("kitti", write_drive(tmp_path, range(5)), True, 32, 64)
    lines = [SplitLine(DRIVE, n, "l") for n in range(1, 5)]
    with pytest.raises(UserError) as caught:
        check_frames(store, lines, NEIGHBOURS, False, False, "splits/mine/train_files.txt")
    for part in ("splits/mine/train_files.txt: 1 of 4 samples", "0000000005.png", "--skip_missing", "0001_sync.zip"):
        assert part in str(caught.value)
    assert check_frames(store, lines, NEIGHBOURS, False, True, "mine") == lines[:3]
    assert "warning: mine: 1 of 4 samples lack frames and are left out" in capsys.readouterr().err


def test_the_other_camera_is_looked_for_when_stereo_is_asked(tmp_path):
    store = open_store("kitti", write_drive(tmp_path, range(3)), True, 32, 64)
    assert find_missing(store, [SplitLine(DRIVE, 1, "l")], NEIGHBOURS, False).incomplete == 0
    report = find_missing(store, [SplitLine(DRIVE, 1, "l")], NEIGHBOURS, True)
    assert report.incomplete == 1 and "image_03" in report.examples[0]


@pytest.mark.parametrize("skip", [True, False])
def test_a_split_without_any_frame_is_refused_with_the_names_looked_for(tmp_path, skip):
    store = open_store("kitti", write_drive(tmp_path, range(3)), False, 32, 64)
    with pytest.raises(
        UserError, match=r"none of its 1 samples has all its frames(.|\n)*no .*0000000005\.jpg or \.png"
    ):
        check_frames(store, [SplitLine(DRIVE, 5, "l")], NEIGHBOURS, False, skip, "mine")


# ---------------------------------------------------------------- the data of a run


def sample_config(data_path: Path, use_stereo: bool = False, frame_ids=NEIGHBOURS, **data) -> TrainConfig:
    return TrainConfig(
        data=DataConfig(data_path=data_path, **data),
        model=ModelConfig(height=32, width=64),
        loss=LossConfig(use_stereo=use_stereo, frame_ids=frame_ids),
    )


def test_open_dataset_reads_the_split_of_a_run(tmp_path):
    write_drive(tmp_path, range(9))
    for which, frames in (("train", (1, 2, 3)), ("val", (6, 7))):
        (tmp_path / f"{which}_files.txt").write_text("".join(f"{DRIVE} {n} l\n" for n in frames))
    config = sample_config(tmp_path, split=str(tmp_path), png=True)
    train, val = (open_dataset(config, which) for which in ("train", "val"))
    assert [line.frame for line in train.lines] == [1, 2, 3] and train.training and train.read_depth is None
    assert [line.frame for line in val.lines] == [6, 7] and not val.training and val.read_depth is not None


def test_open_dataset_splits_a_video_itself(tmp_path):
    write_drive(tmp_path, range(20))
    video = KITTI_RAW.frame_path(tmp_path, DRIVE, 0, "l", ".png").parent
    config = sample_config(video, dataset="frames", intrinsics="30,31,20,17")
    assert [line.frame for line in open_dataset(config, "train").lines] == list(range(1, 15))
    assert [line.frame for line in open_dataset(config, "val").lines] == [18]
    with pytest.raises(UserError, match="one camera"):
        open_dataset(dataclasses.replace(config, loss=LossConfig(use_stereo=True)), "train")


def test_the_default_split_is_the_published_one(tmp_path):
    with pytest.raises(UserError, match="eigen_zhou/train_files.txt: none of its 39810 samples"):
        open_dataset(sample_config(tmp_path), "train")
    with pytest.raises(UserError, match=r"odom/val_files.txt: none of its 4075 samples(.|\n)*data_odometry_color.zip"):
        open_dataset(sample_config(tmp_path, dataset="kitti_odom"), "val")


def test_a_bad_calibration_stops_the_run_before_the_first_sample(tmp_path):
    root = write_drive(tmp_path, range(3))
    with pytest.raises(UserError, match="calib_cam_to_cam.txt"):
        dataset_at(root, range(1, 2), intrinsics="calib")


def test_real_frames_make_a_batch(kitti_sample, tmp_path):
    drive = "2011_09_26/2011_09_26_drive_9001_sync"
    (tmp_path / "val_files.txt").write_text("".join(f"{drive} {n} l\n" for n in range(1, 39)))
    config = sample_config(kitti_sample, split=str(tmp_path), png=True, intrinsics="calib")
    data = open_dataset(config, "val")
    batch = next(iter(Loader(data, EpochBatches(38, 8, 0, shuffle=False, drop_last=False), 0, "cpu")))
    assert batch.frames.float().std() > 30
    assert [bool(depth.any()) for depth in batch.depth] == [n % 4 == 0 for n in range(1, 9)]
