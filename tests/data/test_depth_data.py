"""Data sets with ground truth: every layout read as published, sizes fitted, and what is no depth refused in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from depth_data import metres, save_png, write_nyu, write_pairs, write_redweb
from PIL import Image

from litemono.data.datasets import registry
from litemono.data.depth_data import open_depth_data
from litemono.data.depth_samples import MixedSamples
from litemono.data.depth_settings import DepthDataConfig, check_depth_data
from litemono.data.fit import fit
from litemono.utils.errors import UserError

SIZE = (32, 48)


def opened(which: str = "train", target: str = "metres", size=SIZE, **flags) -> MixedSamples:
    config = DepthDataConfig(**flags)
    check_depth_data(config)
    return open_depth_data(config, which, target, size, seed=0)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "data")


@pytest.fixture(scope="module")
def redweb(tmp_path_factory) -> Path:
    return write_redweb(tmp_path_factory.mktemp("redweb") / "data")


# ---------------------------------------------------------------- layouts


def test_pairs_of_png_in_millimetres_and_of_npy_in_metres_are_the_same_depth(pairs, tmp_path):
    arrays = write_pairs(tmp_path / "arrays", suffix=".npy")
    of_png = opened(dataset="pairs", data_path=pairs, depth_factor=(1000,), fit="native")
    of_npy = opened(dataset="pairs", data_path=arrays, fit="native")
    assert len(of_png) == 11 and len(opened("val", dataset="pairs", data_path=arrays, fit="native")) == 1
    a, b = (samples.batch([(0, 0), (0, 5)]) for samples in (of_png, of_npy))
    assert a.target.shape == (2, 40, 64) and abs(a.target - b.target).max() <= 0.0005001, "millimetres were rounded"
    assert np.array_equal(b.target[0].numpy(), metres(0, 40, 64))


def test_pfm_is_read_from_its_last_row(tmp_path):
    root = write_pairs(tmp_path / "data", count=2, suffix=".npy")
    depth = metres(0, 40, 64)
    (root / "depth/pic_0.npy").unlink()
    (root / "depth/pic_0.pfm").write_bytes(b"Pf\n64 40\n-1.0\n" + depth[::-1].astype("<f4").tobytes())
    batch = opened(dataset="pairs", data_path=root, fit="native").batch([(0, 0)])
    assert np.array_equal(batch.target[0].numpy(), depth)


def test_redweb_is_inverse_depth_and_no_metres(redweb):
    batch = opened(target="inverse", dataset="redweb", data_path=redweb, fit="cover").batch([(0, n) for n in range(4)])
    assert batch.target.shape == (4, *SIZE) and float(batch.target.max()) <= 10
    with pytest.raises(UserError, match="its depth is relative, and --loss compares metres"):
        opened(dataset="redweb", data_path=redweb)


def test_nyu_scenes_are_split_and_its_lists_are_read(tmp_path):
    root = write_nyu(tmp_path / "nyu")
    train, val = (opened(which, dataset="nyu", data_path=root, fit="native") for which in ("train", "val"))
    assert {line.folder for line in train.lines} == {"bathroom_0001"} and {line.folder for line in val.lines} == {
        "kitchen_0028b"
    }
    (root / "nyudepthv2_train_files_with_gt.txt").write_text(
        "/kitchen_0028b/rgb_00045.jpg /kitchen_0028b/sync_depth_00045.png 518.8579\n"
    )
    listed = opened(dataset="nyu", data_path=root, split=str(root), fit="native")
    assert listed.lines == [("kitchen_0028b", 45, "l")]
    assert 0 < listed.batch([(0, 0)]).target.max() <= 7.5


def test_kitti_lists_of_bts_name_raw_frames_and_those_without_depth_are_counted(world, tmp_path, capsys):
    drive = "2000_01_01/2000_01_01_drive_0001_sync"
    lines = [
        f"{drive}/image_02/data/{n:010d}.png {drive.split('/')[1]}/proj_depth/groundtruth/image_02/{n:010d}.png 721.5377\n"
        for n in (1, 2)
    ]
    lines.append(f"{drive.replace('0001', '0003')}/image_02/data/{0:010d}.png None 721.5377\n")
    (tmp_path / "eigen_train_files_with_gt.txt").write_text("".join(lines))
    depth = world / drive.replace("0001", "0003") / "proj_depth/groundtruth/image_02/0000000000.png"
    hidden = depth.rename(depth.with_suffix(".hidden"))
    try:
        samples = opened(dataset="kitti_depth", data_path=world, split=str(tmp_path), png=True)
    finally:
        hidden.rename(depth)
    assert [line.frame for line in samples.lines] == [1, 2]
    assert "1 of 3 frames have no depth and are left out" in capsys.readouterr().err


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    from litemono.synthetic.writer import write_world

    folder = tmp_path_factory.mktemp("depth_data") / "world"
    write_world(folder, height=48, width=96, drives=3, frames_per_drive=4, seed=0, num_workers=1, left_only=True)
    return folder


def test_annotations_in_their_archives_folders_are_the_same_as_beside_the_images(world, tmp_path):
    import shutil

    beside = opened(dataset="street", data_path=world, png=True).batch([(0, 0)])
    moved = Path(shutil.copytree(world, tmp_path / "world"))
    for depth in moved.glob("*/*/proj_depth"):
        target = moved / "data_depth_annotated/train" / depth.parent.name / "proj_depth"
        target.parent.mkdir(parents=True)
        depth.rename(target)
    there = opened(dataset="street", data_path=moved, png=True).batch([(0, 0)])
    assert all(a.equal(b) for a, b in zip(beside, there, strict=True))


def test_every_data_set_with_depth_is_named_in_the_help_of_finetune(command):
    told = " ".join(command("litemono.finetune", "--help").stdout.replace("│", " ").split())
    for name, dataset in registry.DATASETS.items():
        assert ("depth" in dataset.pictures) == (f"{name}: " in told)


def test_the_motorcycle_has_the_published_depth(tmp_path, capfd):
    """Facts of the Middlebury scene: 343,274 measured pixels, 2.11 to 5.02 m."""
    pytest.importorskip("skimage")
    from packing_helpers import run_prepare

    done = run_prepare(capfd, "motorcycle", "--output", tmp_path / "one")
    assert done.returncode == 0, done.stderr
    train, val = (
        opened(which, dataset="motorcycle", data_path=tmp_path / "one", fit="native") for which in ("train", "val")
    )
    depth = train.batch([(0, 0)]).target
    measured = depth[depth > 0]
    assert depth.shape == (1, 500, 741) and len(measured) == 343_274 and train.lines == val.lines
    assert abs(float(measured.min()) - 2.11) < 0.01 and abs(float(measured.max()) - 5.02) < 0.01


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize("native", [(375, 1242), (370, 1226), (376, 1241), (374, 1238)])
def test_kb_crop_is_the_published_window(native, parity_supervised):
    import json

    top, left = json.loads((parity_supervised / "arithmetic.json").read_text())["crops"][f"{native[0]}x{native[1]}"][
        "kb_top_left"
    ]
    window = fit("kb_crop", native, (352, 704))
    assert (window.top, window.left, window.size) == (top, left, (352, 1216))


def test_cover_keeps_the_aspect_and_cuts_anywhere():
    for native in ((48, 64), (64, 48), (1000, 30)):
        ends = [fit("cover", native, SIZE, (at, at)) for at in (0.0, 0.999999)]
        for window in ends:
            height, width = window.resized
            assert height >= SIZE[0] and width >= SIZE[1] and (height == SIZE[0] or width == SIZE[1])
            assert abs(height / width - native[0] / native[1]) < 0.05 * native[0] / native[1]
        assert (ends[0].top, ends[0].left) == (0, 0)
        assert (ends[1].top + SIZE[0], ends[1].left + SIZE[1]) == ends[1].resized


def test_depth_at_every_size_is_one_of_the_measured_values(pairs):
    for how in ("stretch", "cover"):
        batch = opened(dataset="pairs", data_path=pairs, depth_factor=(1000,), fit=how).batch([(0, 3)])
        original = opened(dataset="pairs", data_path=pairs, depth_factor=(1000,), fit="native").batch([(0, 3)])
        assert set(batch.target.flatten().tolist()) <= set(original.target.flatten().tolist())


def test_validation_has_the_truth_at_its_original_size(redweb):
    val = opened("val", "inverse", dataset="redweb", data_path=redweb, fit="cover")
    batch = val.batch([(0, 0)])
    height, width = batch.truth_size[0].tolist()
    with Image.open(redweb / "RDs/scene9.png") as image:
        numbers = np.asarray(image).astype(np.float32)
    assert (height, width) == numbers.shape
    np.testing.assert_allclose(batch.truth[0, :height, :width], 10 * numbers / numbers.max(), rtol=1e-6)


def test_a_sample_is_the_same_in_any_batch_and_a_repeat_of_it_has_other_numbers(redweb):
    samples = opened(target="inverse", dataset="redweb", data_path=redweb, fit="cover")
    together, alone = samples.batch([(1, 0), (1, 3)]), samples.batch([(1, 3)])
    assert all(a[1:].equal(b) for a, b in zip(together, alone, strict=True))
    again = samples.batch([(1, 3 + len(samples))])
    assert again.line.equal(alone.line) and not again.numbers.equal(alone.numbers)


def test_mixed_sets_come_with_their_place(pairs, redweb):
    both = opened(
        target="inverse",
        dataset="pairs,redweb",
        data_path=Path(f"{pairs},{redweb}"),
        depth_factor=(1000, 0),
        fit="cover",
    )
    assert both.batch([(0, 0), (0, 11), (0, 5)]).source.tolist() == [0, 1, 0]
    assert len(both) == 11 + 9


# ---------------------------------------------------------------- bad input


def damaged(root: Path, change) -> Path:
    """A copy of nothing but two pairs, the first of which `change` has seen."""
    write_pairs(root, count=3, suffix=".npy")
    change(root / "depth/pic_0.npy", metres(0, 40, 64))
    return root


def as_png(path: Path, values: np.ndarray, bits: int = 16) -> None:
    path.unlink()
    save_png(path.with_suffix(".png"), values, bits)


def replaced(value: float):
    def change(path: Path, depth: np.ndarray) -> None:
        depth[3, 5] = value
        np.save(path, depth)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path, depth: np.save(path, depth[:20]), "64x20 pixels, its image has 64x40"),
        (lambda path, depth: as_png(path, depth, bits=8), "has 8 bits, and metres need 16"),
        (replaced(np.nan), "1 pixels are NaN or infinite"),
        (replaced(np.inf), "1 pixels are NaN or infinite"),
        (replaced(-1), "1 pixels are negative"),
        (lambda path, depth: np.save(path, 1000 * depth), r"with --depth_factor 1 .* 1000 \(millimetres\)"),
        (lambda path, depth: as_png(path, 256 * depth), r"with --depth_factor 1 .* 256 \(KITTI\)"),
        (lambda path, depth: path.write_bytes(b""), "not a complete .npy file"),
        (lambda path, depth: np.save(path, np.array(["a"])), "holds no depth map"),
    ],
)
def test_what_is_no_depth_is_refused_before_training(tmp_path, change, says):
    with pytest.raises(UserError, match=says) as refused:
        opened(dataset="pairs", data_path=damaged(tmp_path / "data", change))
    assert "pic_0" in str(refused.value) and len(str(refused.value).splitlines()) == 1


def test_maps_without_a_measured_pixel_are_refused_or_counted(tmp_path, capsys):
    root = damaged(tmp_path / "data", lambda path, depth: np.save(path, 0 * depth))
    opened(dataset="pairs", data_path=root)
    assert "1 of 2 depth maps that were looked into have no measured pixel" in capsys.readouterr().err
    np.save(root / "depth/pic_1.npy", np.zeros((40, 64)))
    with pytest.raises(UserError, match="no pixel is measured"):
        opened(dataset="pairs", data_path=root)


def test_a_set_without_images_or_depth_is_refused(tmp_path, redweb):
    (tmp_path / "Imgs").mkdir()
    (tmp_path / "RDs").mkdir()
    with pytest.raises(UserError, match="no images"):
        opened(target="inverse", dataset="redweb", data_path=tmp_path)
    root = write_pairs(tmp_path / "pairs", count=3)
    for path in (root / "depth").iterdir():
        path.unlink()
    both = Path(f"{redweb},{root}")
    with pytest.raises(UserError, match="none of its 2 frames has a depth picture"):
        opened(target="inverse", dataset="redweb,pairs", data_path=both, fit="cover")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"dataset": "frames"}, "--dataset frames has no depth pictures"),
        ({"dataset": "pairs,pairs"}, "names a data set twice"),
        ({"dataset": "pairs,redweb"}, "1 folders for 2 data sets"),
        ({"depth_factor": (1, 2)}, "--depth_factor: 2 values for 1 data sets"),
        ({"depth_factor": (-1,)}, "--depth_factor: must be positive"),
        ({"fit": "kb_crop"}, "--fit kb_crop: needs images of at least 1216x352, not 64x40"),
        ({"mix": "2,1"}, "--mix 2,1: has 2 numbers for 1 data sets"),
    ],
)
def test_flags_that_do_not_fit_are_refused(pairs, flags, says):
    config = DepthDataConfig(dataset="pairs", data_path=pairs, depth_factor=(1000,))
    with pytest.raises(UserError, match=says):
        opened(**dataclasses.asdict(dataclasses.replace(config, **flags)))


def test_the_doctor_looks_at_depth_with_its_factor(pairs):
    from litemono.diagnosis.data import check_unsplit

    assert not check_unsplit(registry.get("pairs"), pairs, None).good
    found = check_unsplit(registry.get("pairs"), pairs, 1000)
    assert found.good and "12 images, 12 with depth" in found.text


def test_single_pictures_are_no_videos():
    with pytest.raises(UserError, match="litemono.finetune"):
        registry.check_flags("nyu", "1,1,1,1", use_stereo=False)
