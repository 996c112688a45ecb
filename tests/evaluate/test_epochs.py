"""Every saved epoch of a run in one pass over the images."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image
from tiny_kitti import assert_refused, invoke, snapshot, write_weights, write_world

from evaluate.__main__ import main
from export_gt.__main__ import ExportConfig, export
from litemono.data.stores.folder import ResizedStore
from networks import weights


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """Three epochs with different weights, and a folder of images with ground truth."""
    root = tmp_path_factory.mktemp("world")
    split = write_world(root, [0, 1, 2])
    export(ExportConfig(data_path=root, split=str(split)))
    for epoch in (0, 2, 10):
        folder = write_weights(root / f"run/models/weights_{epoch}")
        net = weights.load_depth(folder, "lite-mono-tiny")
        with torch.no_grad():
            net.decoder.heads[0].conv.weight.mul_(1 + epoch)
        weights.save_folder(folder, net, None)
    return root


@pytest.fixture
def evaluate(capsys, run_folder):
    def run(load_weights, *args):
        return invoke(main, capsys, "--load_weights", load_weights, "--data_path", run_folder, "--split", run_folder / "split",
                      "--model", "lite-mono-tiny", "--num_workers", 1, *args)  # fmt: skip

    return run


def test_each_epoch_has_the_numbers_of_its_own_evaluation_and_images_are_read_once(
    run_folder, evaluate, tmp_path, monkeypatch
):
    alone = {}
    for epoch in (0, 2, 10):
        folder = run_folder / f"run/models/weights_{epoch}"
        assert evaluate(folder, "--output", tmp_path / "alone.json").code == 0
        alone[epoch] = json.loads((tmp_path / "alone.json").read_text())
    reads, read = [], ResizedStore.read
    monkeypatch.setattr(ResizedStore, "read", lambda store, *line: reads.append(line) or read(store, *line))
    outcome = evaluate(run_folder / "run", "--all_epochs")
    assert outcome.code == 0, outcome
    assert len(reads) == 3, "each image once, not once for each epoch"
    for epoch, expected in alone.items():
        assert json.loads((run_folder / f"run/models/weights_{epoch}/eval_split.json").read_text()) == expected
    best = min(alone, key=lambda epoch: alone[epoch]["metrics"]["abs_rel"])
    assert f"best abs_rel: epoch {best} " in outcome.out
    assert "warning" in outcome.err and "on the test images" in outcome.err and "best_abs_rel" in outcome.err
    with Image.open(run_folder / "run/epochs_split.png") as picture:
        assert picture.width > 1000


def test_the_last_epochs_are_chosen_by_number_not_by_name(run_folder, evaluate):
    out = evaluate(run_folder / "run", "--last_epochs", 2).out
    rows = [line.replace("│", " ").split()[0] for line in out.splitlines() if line.startswith("│")]
    assert rows == ["2", "10"]


def test_what_has_no_epochs_is_refused(run_folder, evaluate, capsys, tmp_path):
    before = snapshot(run_folder)
    weights_folder = run_folder / "run/models/weights_0"
    assert_refused(evaluate(weights_folder, "--all_epochs"), "weights_0", "run folder")
    assert_refused(evaluate(run_folder / "run", "--last_epochs", 0), "--last_epochs 0")
    assert_refused(evaluate(run_folder / "run", "--all_epochs", "--save_pred", tmp_path / "a.npy"), "--save_pred")
    outcome = invoke(main, capsys, "--pred", tmp_path, "--gt_path", tmp_path, "--all_epochs")
    assert_refused(outcome, "--all_epochs", "--load_weights")
    assert snapshot(run_folder) == before
