"""What a network predicts decides its alignment; BTS's protocols show it the 352x1216 corner of each image."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_kitti import DRIVE, assert_refused, invoke, write_split, write_weights, write_world

import networks
from evaluate.__main__ import main
from evaluate.scoring.metrics import depth_metrics
from export_gt import files
from export_gt.__main__ import ExportConfig, export
from litemono.data.splits import read_split
from litemono.inference import load_trained
from litemono.metrics import NINE
from networks import weights
from networks.metric_head import MetricHead


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    split = write_world(root, [0, 1])
    export(ExportConfig(data_path=root, split=str(split)))
    return root


@pytest.fixture
def run(capsys, tmp_path):
    def run(*args: object):
        outcome = invoke(main, capsys, *args, "--output", tmp_path / "errors.json")
        return outcome, json.loads((tmp_path / "errors.json").read_text()) if outcome.code == 0 else {}

    return run


def finetuned(folder):
    """Weights as litemono.finetune saves them: its config says that the loss compares metres."""
    write_weights(folder)
    settings = {
        "model": {"model": "lite-mono-tiny"},
        "loss": {"loss": "silog-bts", "min_depth": 1.0, "max_depth": 80.0},
    }
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def test_a_network_of_metres_has_nine_errors_without_median_scaling(world, run, tmp_path):
    flags = ("--load_weights", finetuned(tmp_path / "w"), "--data_path", world, "--split", world / "split")
    outcome, found = run(*flags)
    assert outcome.code == 0, outcome
    assert "no alignment" in outcome.out and all(name in outcome.out for name in NINE)
    assert found["protocol"]["alignment"] == "none" and found["scale_ratios"] is None
    assert set(NINE) <= found["all_metrics"].keys()
    explicit = run(*flags, "--no_median_scaling")[1]
    assert explicit["metrics"] == found["metrics"]
    median = run(*flags, "--align", "median")[1]
    assert median["protocol"]["alignment"] == "median" and median["metrics"] != found["metrics"]
    larger = run(*flags, "--height", 64, "--width", 128)[1]
    assert (larger["height"], larger["width"]) == (64, 128) and larger["metrics"] != found["metrics"]


def test_a_network_of_relative_depth_is_aligned_by_scale_and_shift(world, run, tmp_path):
    torch.manual_seed(0)
    weights.save_folder(tmp_path / "dpt", networks.create("dpt-tiny", height=64, width=128), None)
    flags = ("--load_weights", tmp_path / "dpt", "--data_path", world, "--split", world / "split")
    outcome, found = run(*flags)
    assert outcome.code == 0, outcome
    assert found["protocol"]["alignment"] == "scale_shift_disparity" and found["pred_is"] == "relative"
    assert "least-squares scale and shift of inverse depth per image" in outcome.out
    assert_refused(run(*flags, "--align", "median")[0], "relative", "--align scale_shift_disparity")


def test_a_published_file_with_its_scale_and_shift_is_judged_in_metres(world, run, tmp_path):
    """The fine-tuned files of DPT hold neither; the same numbers as of a folder that does."""
    torch.manual_seed(0)
    net = networks.create("dpt-tiny", height=64, width=128)
    torch.save(net.published.state_dict(), tmp_path / "published.pt")
    data = ("--data_path", world, "--split", world / "split", "--height", 64, "--width", 128)
    flags = ("--load_weights", tmp_path / "published.pt", "--model", "dpt-tiny", *data)
    outcome, found = run(*flags, "--metric_head", "0.5,0.01")
    assert outcome.code == 0, outcome
    assert found["protocol"]["alignment"] == "none" and found["metric_head"] == {"scale": 0.5, "shift": 0.01}
    net.metric_head = MetricHead(0.5, 0.01)
    weights.save_folder(tmp_path / "ours", net, None)
    of_folder = run("--load_weights", tmp_path / "ours", *data)[1]
    assert found["all_metrics"] == of_folder["all_metrics"]
    assert_refused(run(*flags, "--metric_head", "0,1")[0], "--metric_head 0,1", "a positive scale and a shift")
    assert_refused(run("--load_weights", tmp_path / "ours", *data, "--metric_head", "kitti")[0], "leave the flag out")
    metric = finetuned(tmp_path / "lite-mono")
    assert_refused(
        run("--load_weights", metric, *data, "--metric_head", "kitti")[0], "lite-mono-tiny", "leave the flag out"
    )


# ---------------------------------------------------------------- the KB crop

SIZE = (375, 1242)
WINDOW = (slice(23, 375), slice(13, 1229))


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    """One image and its ground truth at KITTI's own size."""
    root = tmp_path_factory.mktemp("full")
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (12, 40, 3), dtype=np.uint8)).resize(SIZE[::-1], Image.BICUBIC)
    place = root / DRIVE / "image_02/data"
    place.mkdir(parents=True)
    image.save(place / "0000000005.png")
    split = write_split(root / "split", [5])
    truth = rng.uniform(2, 70, SIZE).astype(np.float32) * (rng.uniform(size=SIZE) < 0.05)
    files.write(root / "gt_depths_split.npz", read_split(split / "test_files.txt"), [truth.astype(np.float32)])
    return root, image, truth


def test_bts_shows_a_network_the_corner_of_the_image_and_pastes_its_depth(full_size, run, tmp_path):
    root, image, truth = full_size
    folder = finetuned(tmp_path / "w")
    outcome, found = run(
        "--load_weights", folder, "--data_path", root, "--split", root / "split", "--protocol", "bts"
    )  # fmt: skip
    assert outcome.code == 0, outcome
    assert "networks see the KB crop" in outcome.out and found["pasted"] == 1
    corner = image.crop((13, 23, 1229, 375)).resize((64, 32), Image.LANCZOS)
    disparity = load_trained(folder, None, torch.device("cpu")).disparity(np.array(corner)[None])[0].numpy()
    depth = 1 / cv2.resize(disparity, (1216, 352))
    truth = truth[WINDOW]
    garg = (slice(143, 349), slice(43, 1172))
    valid = (truth[garg] > 1e-3) & (truth[garg] < 80)
    expected = depth_metrics(truth[garg][valid], depth[garg][valid].clip(1e-3, 80))
    assert {n: found["all_metrics"][n] for n in NINE} == pytest.approx({n: expected[n] for n in NINE}, rel=1e-5)
    whole = run("--load_weights", folder, "--data_path", root, "--split", root / "split", "--protocol", "bts",
                "--image_crop", "none")[1]  # fmt: skip
    assert whole["metrics"] != found["metrics"] and whole["pasted"] == 0


@pytest.mark.parametrize("crop", ["garg", "eigen", "none"])
def test_every_window_goes_with_the_corner_of_the_image(full_size, run, tmp_path, crop):
    root = full_size[0]
    outcome, found = run("--load_weights", finetuned(tmp_path / "w"), "--data_path", root, "--split", root / "split",
                         "--image_crop", "kb", "--crop", crop)  # fmt: skip
    assert outcome.code == 0, outcome
    assert np.isfinite(list(found["all_metrics"].values())).all()


def test_images_smaller_than_the_corner_are_refused(world, run, tmp_path):
    outcome, _ = run("--load_weights", finetuned(tmp_path / "w"), "--data_path", world, "--split", world / "split",
                     "--image_crop", "kb")  # fmt: skip
    assert_refused(outcome, "352x1216", "48x96", "--image_crop")
