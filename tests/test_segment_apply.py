"""Masks and depths by trained weights: what is written, what is measured, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from composites import SIZE, SMALL, write_small
from PIL import Image
from tiny_kitti import assert_refused, invoke

from litemono.data.composite_samples import CompositeSamples
from litemono.data.datasets.composites import split_by_background
from litemono.data.stores.composites import open_composites
from litemono.segment_apply import main
from litemono.tasks.depth_mask.metrics import METRICS
from networks import mask_depth_weights
from networks.mask_depth import create_mask_network

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Path:
    return write_small(tmp_path_factory.mktemp("apply") / "rooms")


@pytest.fixture(scope="module")
def weights(rooms, tmp_path_factory) -> Path:
    """As a run leaves them, untrained; split seed 5."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("runs") / "run/models/last"
    mask_depth_weights.save(folder, create_mask_network("cnn", height=SIZE[0], width=SIZE[1]))
    settings = {"data": {"data_path": str(rooms), "val_share": 0.3, "split_seed": 5}}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


def apply(capsys, weights: Path, *flags: object):
    return invoke(main, capsys, "--load_weights", weights, "--device", "cpu", "--num_workers", 0, *flags)


def test_without_flags_the_held_out_part_of_the_run_is_judged(rooms, weights, capsys):
    done = apply(capsys, weights)
    assert done.code == 0, done.err
    assert "4 pictures of 1 backgrounds (held out)" in done.out
    assert all(name in done.out for name in METRICS)


def test_the_numbers_are_those_of_the_held_out_pictures(rooms, weights, tmp_path, capsys):
    assert apply(capsys, weights, "--output", tmp_path).code == 0
    content = json.loads((tmp_path / "metrics.json").read_text())
    store = open_composites(rooms, SIZE)
    held_out = split_by_background(store.lines, "val", 0.3, 5)
    assert [*content["pictures"]] == [f"{line.folder}_{line.frame}" for line in held_out]
    net = mask_depth_weights.load(weights).eval()
    batch = CompositeSamples(store, held_out).batch([(0, place) for place in range(len(held_out))])
    with torch.no_grad():
        maps = net(batch.background / 255, batch.picture / 255).sigmoid().numpy()
    mae = np.abs((255 * maps[:, 1]).round() - batch.depth.numpy()).mean() / 255
    assert content["results"]["depth_mae"]["mean"] == pytest.approx(mae, abs=1e-4)
    for line, (mask, depth) in zip(held_out, maps, strict=True):
        stem = store.stems[line]
        written = [np.asarray(Image.open(tmp_path / f"{stem}_{name}.png")) for name in ("mask", "depth")]
        assert (written[0] == 255 * (mask > 0.5)).mean() > 0.99 and {*np.unique(written[0])} <= {0, 255}
        assert np.abs(written[1] - 255 * depth).max() < 1.5


def test_pictures_without_truth_get_predictions_of_their_own_size_and_no_numbers(rooms, weights, tmp_path, capsys):
    for kind in ("bg", "fgbg"):
        (tmp_path / "new" / kind).mkdir(parents=True)
        for path in (rooms / kind).iterdir():
            Image.open(path).resize((100, 70)).save(tmp_path / "new" / kind / path.name)
    done = apply(capsys, weights, "--data_path", tmp_path / "new", "--output", tmp_path / "out")
    assert done.code == 0 and "(all)" in done.out and "mask_iou" not in done.out, done.err
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(files) == 2 * SMALL.count and Image.open(tmp_path / "out" / files[0]).size == (100, 70)
    assert_refused(apply(capsys, weights, "--data_path", tmp_path / "new"), "no masks and depths", "--output")


def test_intervals_draw_whole_backgrounds(rooms, weights, capsys, tmp_path):
    assert apply(capsys, weights, "--part", "all", "--output", tmp_path).code == 0
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert len(content["pictures"]) == SMALL.count
    for result in content["results"].values():
        assert result["low"] <= result["mean"] <= result["high"]
    by_room = np.array([[one["depth_mae"], int(name[8:11])] for name, one in content["pictures"].items()])
    rooms_means = [by_room[by_room[:, 1] == room, 0].mean() for room in np.unique(by_room[:, 1])]
    interval = content["results"]["depth_mae"]
    assert min(rooms_means) <= interval["low"] < interval["high"] <= max(rooms_means)


def test_bad_input_is_one_sentence(rooms, weights, tmp_path, capsys):
    assert_refused(apply(capsys, tmp_path / "nowhere"), "--load_weights", "no such folder")
    assert_refused(apply(capsys, tmp_path), "config.json does not say what was trained on", "--data_path")
    assert_refused(
        apply(capsys, tmp_path, "--data_path", rooms),
        "has no weights of a network of mask and depth",
        "litemono segment",
    )
    assert_refused(apply(capsys, weights, "--batch_size", 0), "--batch_size 0")
    assert_refused(apply(capsys, weights, "--depth_similarity", 1), "--depth_similarity 1.0")
    bare = shutil.copytree(weights, tmp_path / "bare")
    (bare / "config.json").unlink()
    assert_refused(apply(capsys, bare, "--data_path", rooms, "--part", "val"), "--part val", "leave it out")
    (bare / "config.json").write_text('{"data": {"data_path": 5}}')
    assert_refused(apply(capsys, bare), "config.json is damaged")


def test_predictions_never_land_among_the_pictures_that_are_read(rooms, weights, capsys):
    before = {*rooms.rglob("*")}
    for folder in (rooms / "fgbg", rooms / "mask/new"):
        assert_refused(apply(capsys, weights, "--output", folder), f"--output {folder}", "choose another folder")
    file = next((rooms / "bg").iterdir())
    assert_refused(apply(capsys, weights, "--output", file), f"--output {file}: is a file")
    assert {*rooms.rglob("*")} == before
