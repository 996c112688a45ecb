"""Weights that a training starts from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
from tiny_kitti import assert_refused, invoke
from trainings import (
    flags,
    scalars,
    settings,
)

from litemono.train import main, train

pytestmark = pytest.mark.usefixtures("one_thread")


def test_weights_of_a_run_start_another(street, tmp_path, uninterrupted):
    config = settings(street, tmp_path, model={"load_weights": uninterrupted / "models" / "last"}, run={"max_steps": 1})
    assert train(config) == 0
    first = scalars(tmp_path / "run" / "train", "loss")[0][1]
    assert first != scalars(uninterrupted / "train", "loss")[0][1]


def published(uninterrupted: Path, folder: Path, *names: str) -> Path:
    """A weights folder with these files of a run."""
    folder.mkdir()
    for name in names:
        shutil.copy(uninterrupted / "models" / "last" / name, folder)
    return folder


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (
            ["encoder.pth", "depth.pth"],
            "has no pose_encoder.pth pose.pth; .*pose_encoder from random weights, pose from ran",
        ),
        (["encoder.pth"], "has no depth.pth pose_encoder.pth pose.pth; .*depth from random weights"),
        (["encoder.pth", "depth.pth", "pose_encoder.pth"], "has no pose.pth; these start elsewhere: pose from random"),
    ],
)
def test_weights_without_some_of_the_files_start_a_training(street, tmp_path, uninterrupted, capsys, names, says):
    folder = published(uninterrupted, tmp_path / "published", *names)
    outcome = invoke(main, capsys, *flags(street, tmp_path / "runs"), "--load_weights", folder, "--max_steps", "1")
    assert outcome.code == 0 and re.search(says, outcome.err), outcome.err


def test_the_pose_encoder_starts_from_imagenet_where_the_folder_lacks_it(street, tmp_path, uninterrupted, capsys):
    """Only the source named by --weights_init is asked, and it is not there."""
    folder = published(uninterrupted, tmp_path / "published", "encoder.pth", "depth.pth")
    base = [*flags(street, tmp_path / "runs"), "--load_weights", folder, "--max_steps", "1"]
    outcome = invoke(main, capsys, *base, "--weights_init", tmp_path / "resnet18.pth")
    assert outcome.code == 2 and "pose_encoder from " in outcome.err and "resnet18.pth: there is no such" in outcome.err


def test_a_folder_without_an_encoder_starts_nothing(street, tmp_path, uninterrupted, capsys):
    folder = published(uninterrupted, tmp_path / "published", "depth.pth")
    outcome = invoke(main, capsys, *flags(street, tmp_path / "runs"), "--load_weights", folder)
    assert_refused(outcome, "has no encoder.pth", "RUN/models/weights_29")


def test_an_imagenet_backbone_starts_the_encoder(street, tmp_path, uninterrupted, capsys):
    encoder = torch.load(uninterrupted / "models" / "last" / "encoder.pth", weights_only=True)
    backbone = {key: value for key, value in encoder.items() if isinstance(value, torch.Tensor)}
    torch.save({"model": {**backbone, "head.weight": torch.zeros(3)}, "epoch": 7}, tmp_path / "pretrain.pth")
    outcome = invoke(
        main, capsys, *flags(street, tmp_path), "--mypretrain", tmp_path / "pretrain.pth", "--max_steps", "1"
    )
    assert outcome.code == 0, outcome.err
    assert "head.weight" in outcome.err


def test_the_classifier_of_a_file_by_timms_script_is_said_to_be_unused(street, tmp_path, uninterrupted, capsys):
    encoder = torch.load(uninterrupted / "models" / "last" / "encoder.pth", weights_only=True)
    state = {key: value for key, value in encoder.items() if isinstance(value, torch.Tensor)}
    state |= {"norm.weight": torch.zeros(3), "head.weight": torch.zeros(3)}
    torch.save({"state_dict": state, "epoch": 7}, tmp_path / "timm.pth")
    outcome = invoke(main, capsys, *flags(street, tmp_path), "--mypretrain", tmp_path / "timm.pth", "--max_steps", "1")
    assert outcome.code == 0, outcome.err
    assert "timm.pth: encoder loaded; not used: norm.weight, head.weight\n" in outcome.err
